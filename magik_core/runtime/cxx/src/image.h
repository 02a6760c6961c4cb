/* Pictures as planes of bytes, and drawing one into another. docs/board-images.md is the rule, this the work.
 *
 * Integers alone decide a resized picture. Warps compute where each pixel comes from in doubles, one rounded
 * operation after the other, and go on in integers. So every machine makes the same bytes. */
#ifndef VENUS_IMAGE_H
#define VENUS_IMAGE_H

#include <stdint.h>

#include "common/common_utils.h"

namespace magik {
namespace image {

using venus::ChannelLayout;

enum {
    LEAST = 2, /* height and width of a picture */
    MOST = 8192, /* of both; positions, up to 2^25, and bytes of a picture then fit in 32 bits */
    FRACTION = 11, /* bits behind the point of a position */
    ONE = 1 << FRACTION,
    COLOR_BITS = 20 /* behind the point of a color's factor */
};

/* Bytes that are sampled together. `shift` is 1 where one of them stands for 2x2 pixels of the picture. */
struct Plane {
    uint8_t *at; /* of a picture that is read: never written */
    int32_t height, width, stride; /* pixels of the picture, bytes from row to row */
    int32_t channels, shift;
};

struct Picture {
    ChannelLayout layout;
    int32_t height, width;
    Plane plane[2]; /* NV12: Y, then UV; others have one */
};

struct Rect {
    int32_t x, y, width, height;
};

/* Where a pixel of the destination comes from: all of the source, scaled, or a matrix. */
struct Map {
    bool is_warp, is_affine;
    double m[9]; /* destination to source, row-major */
};

/* From Y, U, V to B, G, R, in units of 2^-COLOR_BITS. */
struct Colors {
    int32_t coef[9];
    int32_t offset[2];
};

/* Bytes of a pixel in the first plane; 0 for a layout that no picture has. */
int32_t channels(ChannelLayout layout);
inline bool is_four(ChannelLayout layout)
{
    return channels(layout) == 4;
}

Picture picture(ChannelLayout layout, uint8_t *at, int32_t height, int32_t width, int32_t stride);
Picture crop(const Picture &from, const Rect &rect);
void fill(const Picture &to, uint8_t value);

/* Where the content lies in a padded picture of this size. */
Rect place(int32_t from_height, int32_t from_width, int32_t to_height, int32_t to_width, venus::BsPadType pad);

Map scaling();
/* Of a matrix from source to destination; false where it has no inverse. */
bool warping(const float *matrix, bool is_affine, Map *map);

/* Whether `draw` can make the second of the first. */
bool is_possible(ChannelLayout from, ChannelLayout to);
/* Make all of `to` from `from`; `to` is at most MOST wide. */
void draw(const Picture &from, const Picture &to, const Map &map, const Colors &colors);

/* BT.601 of limited range, or what the caller gives; false where that would leave 32 bits. */
Colors bt601();
bool given_colors(const venus::BsBaseParam &param, Colors *colors);
/* A sum of products by `coef` as a level. */
inline uint8_t color_level(int32_t sum)
{
    const int32_t v = (sum + (1 << (COLOR_BITS - 1))) >> COLOR_BITS;
    return static_cast<uint8_t>(v < 0 ? 0 : v < 255 ? v : 255);
}
/* A row of Y and of UV, one pair per pixel, as pixels of a layout without planes. */
void convert_yuv(const Colors &colors, const uint8_t *y, const uint8_t *uv, int32_t count, ChannelLayout to,
                 uint8_t *out);
void convert_rgb(const uint8_t *rgb, int32_t count, ChannelLayout to, uint8_t *out);

} // namespace image
} // namespace magik

#endif
