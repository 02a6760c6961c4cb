/* What the x86 kernels of Conv and Gemm share: pixels of x (or rows) times weights, tile by tile.
 *
 * A pixel meets rows x taps runs of neighboring codes. Weights lie in blocks of 16 channels, a block in steps
 * of a few codes of a run, with zeros behind the end of a run. dense_vnni.h and dense_avx2.h hold what is
 * left, under the same names:
 *
 *   DENSE_STEP        codes of a step: how many products one instruction adds to each sum
 *   DENSE_WEIGHT      bytes of a weight
 *   DENSE_WIDENED     bytes of a code where dense_take copies, or 0
 *   dense_weight      writes one weight
 *   dense_take        hands the tile's codes over in the form that dense_run reads
 *   dense_run         all sums of a tile in one or two blocks, rescaled and stored
 */
#ifndef MAGIK_DENSE_H
#define MAGIK_DENSE_H

#include "weights.h"

enum {
    DENSE_BLOCK = 16,           /* channels */
    DENSE_PAIR = 2 * DENSE_BLOCK,
    DENSE_PIXELS = 8,           /* of a tile, at most */
    DENSE_MOST_CODES = 1 << 18, /* of a tile; a larger window is left to the portable kernel */
    DENSE_SLACK = 64,           /* codes behind those of a tile that may be read and count for nothing */
};

/* What the shifts of a block ask for, the worse the greater. */
enum dense_way {
    DENSE_PLAIN,      /* all are 33 and above: rounding does not touch the lower word of a product */
    DENSE_LEFT,       /* some are less, with multipliers in [2^30, 2^31) */
    DENSE_TWICE,      /* all are 33 and above, of a step that rounds twice; AVX2 has such steps */
    DENSE_ONE_BY_ONE, /* what no good file has: smaller shifts or multipliers, low above high */
};
enum { DENSE_SHIFT = 33, DENSE_LEAST_SHIFT = 22, DENSE_MOST = 2048 }; /* 2048 * 2^30 / 2^32 is above all codes; 2048 << 11 fits */

/* How 16 channels are rescaled: the upper word of acc * m, + round, >> shift. With a shift s below 33, acc goes
 * 33 - s to the left before; it is limited first, to where y is at a limit anyway, so that it fits. */
struct dense_table {
    int32_t bias[DENSE_BLOCK], m[DENSE_BLOCK];
    int32_t round[DENSE_BLOCK], shift[DENSE_BLOCK]; /* 2^(s - 33), s - 32 */
    int32_t left[DENSE_BLOCK], most[DENSE_BLOCK];   /* acc is limited to [-most - 1, most] */
    int32_t way[DENSE_BLOCK];                       /* enum dense_way in the first; the rest keeps tables at 64 bytes */
};

/* Shape of the weights: `groups` times `channels` of y, each from rows x taps runs of `run` codes. */
struct dense_shape {
    int32_t groups, channels, rows, taps, run;
};

struct dense {
    struct dense_shape shape;
    int32_t blocks, steps; /* of a group; of a run */
    size_t block_bytes;    /* of weights */
    const struct dense_table *tables;
    const uint8_t *weights;
    const int32_t *m, *shift; /* of all channels */
    int32_t y_zero, low, high;
    int32_t way; /* enum dense_way, the least for all blocks */
    const struct magik_step *n;
};

/* Pixels of one row of y, side by side. Steps are in codes. */
struct dense_tile {
    const void *x; /* u8; after dense_take what the kernel reads */
    int32_t from;  /* code of x where the group's channels begin */
    int32_t pixel_step, row_step, tap_step;
    int32_t span; /* codes that the pixels meet in one row of the window, first to last */
    int32_t pixels;
    uint8_t *y; /* first pixel, first channel */
    int32_t y_step;
    const int32_t *start; /* what sums start from, or NULL: the bias; DENSE_PAIR per pixel */
};

static inline int32_t dense_ceil(int32_t a, int32_t b)
{
    return (a + b - 1) / b;
}

static inline int32_t dense_way_of(int32_t m, int32_t shift, int is_twice)
{
    if (m == 0 || shift >= DENSE_SHIFT) /* a dead channel gives zero with any shift */
        return is_twice ? DENSE_TWICE : DENSE_PLAIN;
    return !is_twice && shift >= DENSE_LEAST_SHIFT && m >= 1 << 30 ? DENSE_LEFT : DENSE_ONE_BY_ONE;
}

/* The table of `count` channels; those missing give zero. */
static inline void dense_fill(struct dense_table *t, const int32_t *bias, const int32_t *m, const int32_t *shift, int32_t count, int is_twice)
{
    memset(t, 0, sizeof *t);
    for (int32_t c = 0; c < count; c++) {
        const int32_t way = dense_way_of(m[c], shift[c], is_twice), s = shift[c] < DENSE_SHIFT ? DENSE_SHIFT : shift[c];
        t->bias[c] = bias[c];
        t->m[c] = m[c];
        t->round[c] = m[c] == 0 ? 0 : 1 << (s - DENSE_SHIFT);
        t->shift[c] = s - 32;
        t->left[c] = way == DENSE_LEFT ? DENSE_SHIFT - shift[c] : 0;
        t->most[c] = way == DENSE_LEFT ? DENSE_MOST : INT32_MAX;
        t->way[0] = way > t->way[0] ? way : t->way[0];
    }
}

/* Rescale sums one by one: acc holds DENSE_PAIR per pixel, `c` is the first channel of `count`. */
static inline void dense_finish(const struct dense *d, const struct dense_tile *t, const int32_t *acc, int32_t c, int32_t count)
{
    for (int32_t p = 0; p < t->pixels; p++)
        for (int32_t i = 0; i < count; i++) {
            const int64_t v = weights_rescale(d->n, acc[p * DENSE_PAIR + i], d->m[c + i], d->shift[c + i]) + d->y_zero;
            t->y[p * t->y_step + c + i] = fx_u8(v, d->low, d->high);
        }
}

#endif
