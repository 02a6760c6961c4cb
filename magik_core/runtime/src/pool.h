/* What MaxPool and AveragePool share: their window, its check, and which taps of it lie inside. */
#ifndef MAGIK_POOL_H
#define MAGIK_POOL_H

#include "window.h"

enum { POOL_MAX = 2048 }; /* taps per axis: 255 * POOL_MAX^2 fits int32, on u16 int64 holds the sums */

struct pool {
    struct window window;
    int32_t kernel_h, kernel_w; /* [1, POOL_MAX] */
    int32_t ceil_mode;          /* 0, 1: a last window may reach past the padding */
};

static inline int32_t pool_count(int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t before, int32_t after, int32_t ceil_mode)
{
    if (!ceil_mode)
        return window_count(size, kernel, stride, dilation, before, after);
    const int64_t room = (int64_t)size + before + after - (int64_t)dilation * (kernel - 1) - 1;
    if (room < 0)
        return 0;
    const int64_t count = (room + stride - 1) / stride + 1;
    return (int32_t)((count - 1) * stride >= (int64_t)size + before ? count - 1 : count);
}

/* Make `y` the result of pooling x, (N, H, W, C) or (N, L, C). */
static inline int32_t pool_shape(const struct pool *p, const struct magik_tensor *x, struct magik_tensor *y)
{
    const struct window *q = &p->window;
    if (!window_is_sane(q) || !op_between(p->kernel_h, 1, POOL_MAX) || !op_between(p->kernel_w, 1, POOL_MAX) || !op_between(p->ceil_mode, 0, 1))
        return MAGIK_BAD_PARAMS;
    if (x->rank != 3 && x->rank != 4)
        return MAGIK_BAD_SHAPE;
    const struct image s = image_of(x);
    const int32_t oh = pool_count(s.h, p->kernel_h, q->stride_h, q->dilation_h, q->top, q->bottom, p->ceil_mode);
    const int32_t ow = pool_count(s.w, p->kernel_w, q->stride_w, q->dilation_w, q->left, q->right, p->ceil_mode);
    if (oh < 1 || ow < 1 || (x->rank == 3 && oh != 1))
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    y->dims[x->rank - 2] = ow;
    if (x->rank == 4)
        y->dims[1] = oh;
    return MAGIK_OK;
}

/* Taps [begin, end) of `kernel` lie inside [0, size); the first tap lies at `start`. */
struct span {
    int32_t start, begin, end;
};

static inline struct span pool_span(int32_t start, int32_t size, int32_t kernel, int32_t dilation)
{
    struct span s = {start, 0, kernel};
    if (start < 0)
        s.begin = (dilation - 1 - start) / dilation;
    if (start + (kernel - 1) * dilation >= size)
        s.end = start < size ? (size - start + dilation - 1) / dilation : 0;
    s.end = s.end < kernel ? s.end : kernel;
    s.begin = s.begin < s.end ? s.begin : s.end;
    return s;
}

static inline int32_t span_count(struct span s)
{
    return s.end - s.begin;
}

#endif
