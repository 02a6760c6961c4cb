#include "image.h"

namespace magik {
namespace image {

namespace {

const int64_t MOST_SUM = 8 << COLOR_BITS; /* of a row's sizes: times 255 it stays in 32 bits */

/* Where a layout has B, G, R and what is 0. */
struct Order {
    int8_t b, g, r, zero;
};

Order order_of(ChannelLayout to)
{
    switch (to) {
    case ChannelLayout::BGRA:
        return {0, 1, 2, 3};
    case ChannelLayout::RGBA:
        return {2, 1, 0, 3};
    case ChannelLayout::ARGB:
        return {3, 2, 1, 0};
    default: /* RGB: no byte to clear, so one that is written after */
        return {2, 1, 0, 0};
    }
}

} // namespace

Colors bt601()
{
    /* 1.164, 2.018, 0.391, 0.813 and 1.596 */
    return {{1220542, 2116026, 0, 1220542, -409993, -852492, 1220542, 0, 1673527}, {16, 128}};
}

bool given_colors(const venus::BsBaseParam &param, Colors *colors)
{
    *colors = bt601();
    if (!param.coef_off_enable)
        return true;
    for (int i = 0; i < 2; i++)
        colors->offset[i] = static_cast<int32_t>(param.offset[i] <= 255 ? param.offset[i] : 0);
    bool is_good = param.offset[0] <= 255 && param.offset[1] <= 255;
    for (int row = 0; row < 3; row++) {
        int64_t sum = 0;
        for (int i = 3 * row; i < 3 * row + 3; i++) {
            colors->coef[i] = static_cast<int32_t>(param.coef[i]);
            sum += colors->coef[i] < 0 ? -static_cast<int64_t>(colors->coef[i]) : colors->coef[i];
        }
        is_good = is_good && sum <= MOST_SUM;
    }
    return is_good;
}

void convert_yuv(const Colors &colors, const uint8_t *y, const uint8_t *uv, int32_t count, ChannelLayout to,
                 uint8_t *out)
{
    const int32_t *c = colors.coef, size = channels(to);
    const Order at = order_of(to);
    for (int32_t i = 0; i < count; i++, out += size) {
        const int32_t luma = y[i] - colors.offset[0];
        const int32_t u = uv[2 * i] - colors.offset[1], v = uv[2 * i + 1] - colors.offset[1];
        if (size == 1) {
            out[0] = color_level(c[3] * luma);
            continue;
        }
        out[at.zero] = 0;
        out[at.b] = color_level(c[0] * luma + c[1] * u + c[2] * v);
        out[at.g] = color_level(c[3] * luma + c[4] * u + c[5] * v);
        out[at.r] = color_level(c[6] * luma + c[7] * u + c[8] * v);
    }
}

void convert_rgb(const uint8_t *rgb, int32_t count, ChannelLayout to, uint8_t *out)
{
    const Order at = order_of(to);
    for (int32_t i = 0; i < count; i++, rgb += 3, out += channels(to)) {
        out[at.zero] = 0;
        out[at.b] = rgb[2];
        out[at.g] = rgb[1];
        out[at.r] = rgb[0];
    }
}

} // namespace image
} // namespace magik
