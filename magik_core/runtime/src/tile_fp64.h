/* Sums of a tile of pixels by channels in doubles, two pixels in one: lanes_fp64.h. */
#ifndef MAGIK_TILE_FP64_H
#define MAGIK_TILE_FP64_H

#include "lanes_fp64.h"

/* Pixels are LANE bits apart; DEPTH_SURE products fit a lane whatever they are: 1000 * 255 * 128 < LANE_LIMIT. */
enum { LANE = 26, LANE_LIMIT = 1 << (LANE - 1), DEPTH_SURE = 1000 };
enum { PAIRS = 6, PIXELS = 2 * PAIRS, CHANNELS = 4 };

/* Codes of two pixels. */
LANE_INLINE double pair_of(uint8_t low, uint8_t high)
{
    return (double)low + (double)high * (double)(1 << LANE);
}

/* Codes of two pairs of pixels, `count` from each, PAIRS apart. */
static inline void two_pairs(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d, int32_t count, double *to)
{
    for (; count >= 4; count -= 4, a += 4, b += 4, c += 4, d += 4, to += 4 * PAIRS) {
        to[0] = pair_of(a[0], b[0]);
        to[1] = pair_of(c[0], d[0]);
        to[PAIRS] = pair_of(a[1], b[1]);
        to[PAIRS + 1] = pair_of(c[1], d[1]);
        to[2 * PAIRS] = pair_of(a[2], b[2]);
        to[2 * PAIRS + 1] = pair_of(c[2], d[2]);
        to[3 * PAIRS] = pair_of(a[3], b[3]);
        to[3 * PAIRS + 1] = pair_of(c[3], d[3]);
    }
    for (; count > 0; count--, to += PAIRS) {
        to[0] = pair_of(*a++, *b++);
        to[1] = pair_of(*c++, *d++);
    }
}

/* Codes of all pixels, `count` from each of `x`. */
static inline double *pairs(const uint8_t *const *x, int32_t at, int32_t count, double *to)
{
    for (int32_t i = 0; i < PIXELS; i += 4)
        two_pairs(x[i] + at, x[i + 1] + at, x[i + 2] + at, x[i + 3] + at, count, to + i / 2);
    return to + count * PAIRS;
}

#define MULTIPLY(i)             \
    do {                        \
        const double x = xs[i]; \
        a[4 * i] += x * w0;     \
        a[4 * i + 1] += x * w1; \
        a[4 * i + 2] += x * w2; \
        a[4 * i + 3] += x * w3; \
    } while (0)

/* One value of each pixel times one weight of each channel. */
LANE_INLINE void multiply(const double *xs, const double *w, double *a)
{
    const double w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
    MULTIPLY(0);
    MULTIPLY(1);
    MULTIPLY(2);
    MULTIPLY(3);
    MULTIPLY(4);
    MULTIPLY(5);
}

LANE_INLINE void multiply_all(const double *x, const double *w, int32_t count, double *a)
{
    for (; count >= 4; count -= 4, x += 4 * PAIRS, w += 4 * CHANNELS) {
        multiply(x, w, a);
        multiply(x + PAIRS, w + CHANNELS, a);
        multiply(x + 2 * PAIRS, w + 2 * CHANNELS, a);
        multiply(x + 3 * PAIRS, w + 3 * CHANNELS, a);
    }
    for (; count > 0; count--, x += PAIRS, w += CHANNELS)
        multiply(x, w, a);
}

/* 3 pairs of channel j at a. */
#define STORE(a, j)                                                                    \
    do {                                                                               \
        int32_t code[6];                                                               \
        lane_codes6((a)[j], (a)[j + 4], (a)[j + 8], scale + j, round, low, code);      \
        y0[j] = (uint8_t)code[0];                                                      \
        y1[j] = (uint8_t)code[1];                                                      \
        y2[j] = (uint8_t)code[2];                                                      \
        y3[j] = (uint8_t)code[3];                                                      \
        y4[j] = (uint8_t)code[4];                                                      \
        y5[j] = (uint8_t)code[5];                                                      \
    } while (0)

/* 6 pixels of all channels. */
LANE_INLINE void store(const double *a, const struct lane_scale *scale, double round, int32_t low, uint8_t *y, int32_t stride)
{
    uint8_t *y0 = y, *y1 = y0 + stride, *y2 = y1 + stride, *y3 = y2 + stride, *y4 = y3 + stride, *y5 = y4 + stride;
    STORE(a, 0);
    STORE(a, 1);
    STORE(a, 2);
    STORE(a, 3);
}

#endif
