#include "nv12.h"

namespace magik {
namespace venus {

namespace {

/* 2^20 times 1.164, 2.018, 0.391, 0.813, 1.596: the numbers of warp_covert_nv2bgr */
enum { BITS = 20, LUMA = 1220542, BLUE_U = 2116026, GREEN_U = 409993, GREEN_V = 852492, RED_V = 1673527 };

uint8_t saturated(int32_t v)
{
    v = (v + (1 << (BITS - 1))) >> BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

} // namespace

void nv12_to_pixels(const uint8_t *luma, const uint8_t *chroma, int32_t height, int32_t width, int32_t channels,
                    bool is_bgr, uint8_t *pixels)
{
    const int red = is_bgr ? 2 : 0, blue = 2 - red;
    for (int32_t y = 0; y < height; y++) {
        const uint8_t *uv = chroma + (int64_t)(y / 2) * width;
        for (int32_t x = 0; x < width; x++, pixels += channels) {
            const int32_t l = LUMA * (*luma++ - 16);
            if (channels == 1) {
                pixels[0] = saturated(l);
                continue;
            }
            const int32_t u = uv[x & ~1] - 128, v = uv[x | 1] - 128;
            pixels[red] = saturated(l + RED_V * v);
            pixels[1] = saturated(l - GREEN_U * u - GREEN_V * v);
            pixels[blue] = saturated(l + BLUE_U * u);
        }
    }
}

} // namespace venus
} // namespace magik
