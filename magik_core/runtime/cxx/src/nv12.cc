#include "nv12.h"

#include "image.h"

namespace magik {
namespace venus {

using image::color_level;

void nv12_to_pixels(const uint8_t *luma, const uint8_t *chroma, int32_t height, int32_t width, int32_t channels,
                    bool is_bgr, uint8_t *pixels)
{
    const image::Colors colors = image::bt601(); /* as warp_covert_nv2bgr has them */
    const int32_t *c = colors.coef;
    const int red = is_bgr ? 2 : 0, blue = 2 - red;
    for (int32_t y = 0; y < height; y++) {
        const uint8_t *uv = chroma + (int64_t)(y / 2) * width;
        for (int32_t x = 0; x < width; x++, pixels += channels) {
            const int32_t l = c[0] * (*luma++ - colors.offset[0]);
            if (channels == 1) {
                pixels[0] = color_level(l);
                continue;
            }
            const int32_t u = uv[x & ~1] - colors.offset[1], v = uv[x | 1] - colors.offset[1];
            pixels[red] = color_level(l + c[8] * v);
            pixels[1] = color_level(l + c[4] * u + c[5] * v);
            pixels[blue] = color_level(l + c[1] * u);
        }
    }
}

} // namespace venus
} // namespace magik
