#include "image.h"

#include <string.h>

namespace magik {
namespace image {

namespace {

const double FAR = 524288.0;              /* pixels; nothing of a picture is there */
const int32_t NOWHERE = -(1 << 30);       /* as a position: outside of every picture */
const int32_t HALF = ONE / 2;
const uint8_t BLACK[4] = {0, 0, 0, 0};
const uint8_t BLACK_Y[1] = {16};
const uint8_t BLACK_UV[2] = {128, 128};

int32_t clamp(int32_t v, int32_t size)
{
    return v < 0 ? 0 : v < size ? v : size - 1;
}

/* Four pixels and how far between them, in [0, ONE): sums of at most 2^22 * 255. */
inline void blend(const uint8_t *const tap[4], int32_t fx, int32_t fy, int32_t channels, uint8_t *out)
{
    const int32_t both = fx * fy, right = (fx << FRACTION) - both, below = (fy << FRACTION) - both;
    const int32_t first = (ONE << FRACTION) - both - right - below;
    for (int32_t c = 0; c < channels; c++) {
        const int32_t sum = tap[0][c] * first + tap[1][c] * right + tap[2][c] * below + tap[3][c] * both;
        out[c] = static_cast<uint8_t>((sum + (1 << (2 * FRACTION - 1))) >> (2 * FRACTION));
    }
}

const uint8_t *row_of(const Plane &p, int32_t y)
{
    return p.at + (clamp(y, p.height) >> p.shift) * p.stride;
}

/* Pixel i of `to` is at ((2i + 1) * from / to - 1) / 2, rounded to the nearest 2^-11, halves up. */
void scale_row(const Plane &from, const Plane &to, int32_t y, uint8_t *out)
{
    const int64_t numerator = (2 * static_cast<int64_t>(y) + 1) * from.height * ONE + to.height;
    const int32_t v = static_cast<int32_t>(numerator / (2 * to.height)) - HALF;
    const uint8_t *above = row_of(from, v >> FRACTION), *below = row_of(from, (v >> FRACTION) + 1);
    const int32_t twice = 2 * to.width, step = 2 * from.width * ONE;
    int32_t u = (from.width * ONE + to.width) / twice, rest = (from.width * ONE + to.width) % twice;
    const int32_t whole = step / twice, part = step % twice;
    for (int32_t x = 0; x < to.width; x++) {
        const int32_t at = (u - HALF) >> FRACTION;
        const int32_t left = (clamp(at, from.width) >> from.shift) * from.channels;
        const int32_t right = (clamp(at + 1, from.width) >> from.shift) * from.channels;
        const uint8_t *const tap[4] = {above + left, above + right, below + left, below + right};
        blend(tap, (u - HALF) & (ONE - 1), v & (ONE - 1), from.channels, out);
        out += from.channels;
        u += whole;
        rest += part;
        if (rest >= twice) {
            rest -= twice;
            u++;
        }
    }
}

/* Nearest 2^-11, halves up. */
int32_t position(double at)
{
    if (!(at > -FAR && at < FAR))
        return NOWHERE;
    const double scaled = at * ONE + 0.5;
    const int32_t whole = static_cast<int32_t>(scaled);
    return whole > scaled ? whole - 1 : whole;
}

const uint8_t *tap_of(const Plane &p, const uint8_t *outside, int32_t x, int32_t y)
{
    if (x < 0 || y < 0 || x >= p.width || y >= p.height)
        return outside;
    return p.at + (y >> p.shift) * p.stride + (x >> p.shift) * p.channels;
}

void warp_row(const Plane &from, const uint8_t *outside, const Map &map, int32_t width, int32_t row, uint8_t *out)
{
    const double *m = map.m, y = static_cast<double>(row);
    const double base_u = m[1] * y + m[2], base_v = m[4] * y + m[5], base_w = m[7] * y + m[8];
    for (int32_t x = 0; x < width; x++, out += from.channels) {
        double u = m[0] * x + base_u, v = m[3] * x + base_v;
        if (!map.is_affine) {
            const double w = m[6] * x + base_w;
            u = u / w; /* by 0: an infinity or a NaN, both nowhere */
            v = v / w;
        }
        const int32_t px = position(u), py = position(v), left = px >> FRACTION, top = py >> FRACTION;
        const uint8_t *const tap[4] = {tap_of(from, outside, left, top), tap_of(from, outside, left + 1, top),
                                       tap_of(from, outside, left, top + 1), tap_of(from, outside, left + 1, top + 1)};
        blend(tap, px & (ONE - 1), py & (ONE - 1), from.channels, out);
    }
}

void sample_row(const Plane &from, const uint8_t *outside, const Map &map, const Plane &to, int32_t y, uint8_t *out)
{
    if (map.is_warp)
        warp_row(from, outside, map, to.width, y, out);
    else
        scale_row(from, to, y, out);
}

/* The UV plane as a picture of its own size. */
Plane halved(const Plane &uv)
{
    Plane p = uv;
    p.height /= 2;
    p.width /= 2;
    p.shift = 0;
    return p;
}

/* The same map between pictures of half the size, whose pixel i lies at 2i + 1/2. */
Map halved(const Map &map)
{
    Map h = map;
    double *m = h.m;
    for (int row = 0; row < 3; row++) { /* m * (2 0 1/2, 0 2 1/2, 0 0 1) */
        double *r = m + 3 * row;
        r[2] = 0.5 * r[0] + 0.5 * r[1] + r[2];
        r[0] *= 2.0;
        r[1] *= 2.0;
    }
    for (int column = 0; column < 3; column++) { /* (1/2 0 -1/4, 0 1/2 -1/4, 0 0 1) * m */
        m[column] = 0.5 * m[column] - 0.25 * m[6 + column];
        m[3 + column] = 0.5 * m[3 + column] - 0.25 * m[6 + column];
    }
    return h;
}

void draw_plane(const Plane &from, const uint8_t *outside, const Plane &to, const Map &map)
{
    for (int32_t y = 0; y < to.height; y++)
        sample_row(from, outside, map, to, y, to.at + y * to.stride);
}

} // namespace

int32_t channels(ChannelLayout layout)
{
    switch (layout) {
    case ChannelLayout::BGRA:
    case ChannelLayout::RGBA:
    case ChannelLayout::ARGB:
        return 4;
    case ChannelLayout::RGB:
        return 3;
    case ChannelLayout::GRAY:
    case ChannelLayout::NV12:
        return 1;
    default:
        return 0;
    }
}

Picture picture(ChannelLayout layout, uint8_t *at, int32_t height, int32_t width, int32_t stride)
{
    Picture p;
    p.layout = layout;
    p.height = height;
    p.width = width;
    p.plane[0] = {at, height, width, stride, channels(layout), 0};
    p.plane[1] = p.plane[0];
    if (layout == ChannelLayout::NV12)
        p.plane[1] = {at + height * stride, height, width, stride, 2, 1};
    return p;
}

Picture crop(const Picture &from, const Rect &rect)
{
    Picture p = from;
    p.height = rect.height;
    p.width = rect.width;
    for (Plane &plane : p.plane) {
        plane.at += (rect.y >> plane.shift) * plane.stride + (rect.x >> plane.shift) * plane.channels;
        plane.height = rect.height;
        plane.width = rect.width;
    }
    return p;
}

void fill(const Picture &to, uint8_t value)
{
    const Plane &first = to.plane[0], &uv = to.plane[1];
    for (int32_t y = 0; y < to.height; y++)
        memset(first.at + y * first.stride, value, static_cast<size_t>(first.width * first.channels));
    for (int32_t y = 0; to.layout == ChannelLayout::NV12 && y < to.height / 2; y++)
        memset(uv.at + y * uv.stride, 128, static_cast<size_t>(uv.width));
}

Rect place(int32_t from_height, int32_t from_width, int32_t to_height, int32_t to_width, venus::BsPadType pad)
{
    if (pad == venus::BsPadType::NONE)
        return {0, 0, to_width, to_height};
    /* f32, as programs compute the same numbers to bring boxes back */
    const float tall = static_cast<float>(to_height) / static_cast<float>(from_height);
    const float wide = static_cast<float>(to_width) / static_cast<float>(from_width);
    const float scale = tall < wide ? tall : wide;
    const int32_t size[2] = {from_width, from_height}, most[2] = {to_width, to_height};
    int32_t content[2], start[2];
    for (int i = 0; i < 2; i++) {
        const int32_t scaled = static_cast<int32_t>(scale * static_cast<float>(size[i]));
        const int32_t even = scaled < LEAST ? LEAST : scaled + scaled % 2;
        content[i] = even < most[i] ? even : most[i];
        const int32_t half = (most[i] - content[i]) / 2;
        start[i] = pad == venus::BsPadType::SYMMETRY ? half + half % 2 : 0;
    }
    return {start[0], start[1], content[0], content[1]};
}

Map scaling()
{
    Map map;
    memset(&map, 0, sizeof map);
    return map;
}

bool warping(const float *matrix, bool is_affine, Map *map)
{
    double a[9] = {0, 0, 0, 0, 0, 0, 0, 0, 1}, *m = map->m;
    for (int i = 0; i < (is_affine ? 6 : 9); i++)
        a[i] = static_cast<double>(matrix[i]);
    map->is_warp = true;
    map->is_affine = is_affine;
    m[0] = a[4] * a[8] - a[5] * a[7];
    m[3] = a[5] * a[6] - a[3] * a[8];
    m[6] = a[3] * a[7] - a[4] * a[6];
    m[1] = a[2] * a[7] - a[1] * a[8];
    m[4] = a[0] * a[8] - a[2] * a[6];
    m[7] = a[1] * a[6] - a[0] * a[7];
    m[2] = a[1] * a[5] - a[2] * a[4];
    m[5] = a[2] * a[3] - a[0] * a[5];
    m[8] = a[0] * a[4] - a[1] * a[3];
    const double determinant = a[0] * m[0] + a[1] * m[3] + a[2] * m[6];
    bool is_finite = determinant > 0.0 || determinant < 0.0;
    for (int i = 0; i < 9; i++) {
        m[i] = m[i] / determinant;
        is_finite = is_finite && m[i] - m[i] == 0.0;
    }
    return is_finite;
}

bool is_possible(ChannelLayout from, ChannelLayout to)
{
    if (channels(from) == 0 || channels(to) == 0)
        return false;
    return from == to || from == ChannelLayout::NV12 || (from == ChannelLayout::RGB && is_four(to));
}

void draw(const Picture &from, const Picture &to, const Map &map, const Colors &colors)
{
    const bool has_planes = from.layout == ChannelLayout::NV12;
    const uint8_t *outside = has_planes ? BLACK_Y : BLACK;
    if (from.layout == to.layout) {
        draw_plane(from.plane[0], outside, to.plane[0], map);
        if (has_planes)
            draw_plane(halved(from.plane[1]), BLACK_UV, halved(to.plane[1]), map.is_warp ? halved(map) : map);
        return;
    }
    uint8_t row[3 * MOST], *uv = row + MOST;
    for (int32_t y = 0; y < to.height; y++) {
        uint8_t *out = to.plane[0].at + y * to.plane[0].stride;
        sample_row(from.plane[0], outside, map, to.plane[0], y, row);
        if (has_planes) {
            sample_row(from.plane[1], BLACK_UV, map, to.plane[0], y, uv);
            convert_yuv(colors, row, uv, to.width, to.layout, out);
        } else {
            convert_rgb(row, to.width, to.layout, out);
        }
    }
}

} // namespace image
} // namespace magik
