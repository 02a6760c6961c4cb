/* MaxPool on codes for kernels that work on many bytes at a time: first the largest down each column of x, into a
 * padded row, then along it at every column, then the columns that the stride meets. */
#ifndef MAGIK_POOL_ROWS_H
#define MAGIK_POOL_ROWS_H

#include "move.h"
#include "pool.h"

void magik_max_pool_u8(const struct magik_step *n); /* what the others leave */

enum { POOL_SCRATCH = 1 << 20 };

/* The largest of `taps` runs of `count` codes, `stride` apart; taps >= 1. */
typedef void pool_largest(uint8_t *to, const uint8_t *from, int32_t stride, int32_t taps, int32_t count);

/* Columns of the padded row, and those where a window may begin. */
struct pool_row {
    int64_t columns, places;
};

static inline struct pool_row pool_row_of(const struct magik_step *n)
{
    const struct pool *p = n->params;
    const int64_t places = (int64_t)(image_of(n->out[0]).w - 1) * p->window.stride_w + 1;
    return (struct pool_row){places + (int64_t)(p->kernel_w - 1) * p->window.dilation_w, places};
}

/* Bytes for both; 0: too many. */
static inline size_t pool_scratch(const struct magik_step *n)
{
    const struct pool_row r = pool_row_of(n);
    const int32_t c = image_of(n->in[0]).c;
    return r.columns + r.places > POOL_SCRATCH / c ? 0 : (size_t)(r.columns + r.places) * (size_t)c;
}

/* The padded row of the windows whose first row is `top`. Padding is 0, which is never larger. */
static inline void pool_down(const struct magik_step *n, const uint8_t *x, int32_t top, int32_t columns, uint8_t *row, pool_largest *largest)
{
    const struct pool *p = n->params;
    const struct image s = image_of(n->in[0]);
    const struct span v = pool_span(top, s.h, p->kernel_h, p->window.dilation_h);
    const int32_t left = p->window.left < columns ? p->window.left : columns;
    const int32_t end = left + s.w < columns ? left + s.w : columns, is_empty = span_count(v) == 0 || end == left;
    memset(row, 0, (size_t)((is_empty ? columns : left) * s.c));
    if (is_empty)
        return;
    largest(row + left * s.c, x + (v.start + v.begin * p->window.dilation_h) * s.w * s.c, p->window.dilation_h * s.w * s.c, span_count(v), (end - left) * s.c);
    memset(row + end * s.c, 0, (size_t)((columns - end) * s.c));
}

/* Body of a kernel. */
static inline void pool_run(const struct magik_step *n, pool_largest *largest)
{
    const struct window *q = &((const struct pool *)n->params)->window;
    const struct image s = image_of(n->in[0]), o = image_of(n->out[0]);
    const struct pool_row r = pool_row_of(n);
    const int32_t along = q->dilation_w * s.c, taps = ((const struct pool *)n->params)->kernel_w, places = (int32_t)r.places * s.c;
    uint8_t *padded = n->scratch, *all = padded + r.columns * s.c;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const uint8_t *x = (const uint8_t *)n->in[0]->data + row / o.h * (s.h * s.w * s.c);
        uint8_t *y = (uint8_t *)n->out[0]->data + row * (o.w * o.c);
        pool_down(n, x, row % o.h * q->stride_h - q->top, (int32_t)r.columns, padded, largest);
        largest(q->stride_w == 1 ? y : all, padded, along, taps, places);
        if (q->stride_w != 1)
            move_rows(y, o.c, all, q->stride_w * s.c, o.w, (size_t)o.c);
    }
}

#endif
