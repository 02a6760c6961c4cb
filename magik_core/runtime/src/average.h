/* AveragePool: its params, and the walk that its kernels share. */
#ifndef MAGIK_AVERAGE_H
#define MAGIK_AVERAGE_H

#include "fixed.h"
#include "pool.h"

struct average_params {
    struct pool pool;
    int32_t count_include_pad;  /* 0, 1 */
    int32_t x_zero, y_zero;     /* codes */
    int32_t top_code;           /* largest code of y */
    int32_t multiplier, shift;  /* s_x / s_y / 2^16; shift [1, 62] */
};

enum { AVERAGE_BLOCK = 64 }; /* channels whose sums are held at a time */

/* Taps of a window along one axis that lie inside x or its padding; `after` is what follows x. */
static inline int32_t average_padded(struct span s, int32_t size, int32_t kernel, int32_t dilation, int32_t after)
{
    return pool_span(s.start, size + after, kernel, dilation).end;
}

/* The windows of one row of outputs. */
struct average_row {
    const struct average_params *p;
    struct image s, o;
    struct span h;    /* taps along the height */
    int32_t padded_h;
    int32_t in, out;  /* first elements of the image in x and of the row in y */
};

static inline struct average_row average_row_of(const struct magik_step *n, int32_t index)
{
    const struct average_params *p = n->params;
    const struct pool *q = &p->pool;
    struct average_row r = {.p = p, .s = image_of(n->in[0]), .o = image_of(n->out[0])};
    r.h = pool_span(index % r.o.h * q->window.stride_h - q->window.top, r.s.h, q->kernel_h, q->window.dilation_h);
    r.padded_h = average_padded(r.h, r.s.h, q->kernel_h, q->window.dilation_h, q->window.bottom);
    r.in = index / r.o.h * (r.s.h * r.s.w * r.s.c);
    r.out = index * (r.o.w * r.o.c);
    return r;
}

static inline struct span average_across(const struct average_row *r, int32_t ow)
{
    const struct window *q = &r->p->pool.window;
    return pool_span(ow * q->stride_w - q->left, r->s.w, r->p->pool.kernel_w, q->dilation_w);
}

/* Taps that count, at least 1. */
static inline int32_t average_count_of(const struct average_row *r, struct span w)
{
    const struct pool *q = &r->p->pool;
    int32_t count = span_count(r->h) * span_count(w);
    if (r->p->count_include_pad)
        count = r->padded_h * average_padded(w, r->s.w, q->kernel_w, q->window.dilation_w, q->window.right);
    return count < 1 ? 1 : count;
}

/* Element of the image that a tap meets in channel 0. */
static inline int32_t average_meets(const struct average_row *r, struct span w, int32_t kh, int32_t kw)
{
    const struct window *q = &r->p->pool.window;
    return ((r->h.start + kh * q->dilation_h) * r->s.w + w.start + kw * q->dilation_w) * r->s.c;
}

/* Sums of channels [c, c + count) of the window w. */
static inline void average_sum_u8(const struct average_row *r, struct span w, const uint8_t *x, int32_t c, int32_t count, int32_t *restrict acc)
{
    const int32_t zeros = -span_count(r->h) * span_count(w) * r->p->x_zero;
    for (int32_t i = 0; i < count; i++)
        acc[i] = zeros;
    for (int32_t kh = r->h.begin; kh < r->h.end; kh++)
        for (int32_t kw = w.begin; kw < w.end; kw++) {
            const uint8_t *from = x + average_meets(r, w, kh, kw) + c;
            for (int32_t i = 0; i < count; i++)
                acc[i] += from[i];
        }
}

/* Codes of `count` sums of as many taps; `acc` has room for AVERAGE_BLOCK. */
typedef void average_finish(const struct average_params *p, const int32_t *acc, int32_t count, int32_t taps, uint8_t *y);

/* Body of a kernel on u8. */
static inline void average_run(const struct magik_step *n, average_finish *finish)
{
    const struct average_params *p = n->params;
    const struct image o = image_of(n->out[0]);
    int32_t acc[AVERAGE_BLOCK] = {0}, row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct average_row r = average_row_of(n, row);
        const uint8_t *x = (const uint8_t *)n->in[0]->data + r.in;
        uint8_t *y = (uint8_t *)n->out[0]->data + r.out;
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            const struct span w = average_across(&r, ow);
            const int32_t taps = average_count_of(&r, w);
            for (int32_t c = 0; c < o.c; c += AVERAGE_BLOCK) {
                const int32_t count = o.c - c < AVERAGE_BLOCK ? o.c - c : AVERAGE_BLOCK;
                average_sum_u8(&r, w, x, c, count, acc);
                finish(p, acc, count, taps, y + c);
            }
        }
    }
}

#endif
