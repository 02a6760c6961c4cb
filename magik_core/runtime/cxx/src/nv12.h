/* NV12 to the pixels of a model, BT.601 with limited range, in whole numbers: the same on every machine. */
#ifndef VENUS_NV12_H
#define VENUS_NV12_H

#include <stdint.h>

namespace magik {
namespace venus {

/* `height` and `width` are even. Three channels, blue first with `is_bgr`, or one of gray. */
void nv12_to_pixels(const uint8_t *luma, const uint8_t *chroma, int32_t height, int32_t width, int32_t channels,
                    bool is_bgr, uint8_t *pixels);

} // namespace venus
} // namespace magik

#endif
