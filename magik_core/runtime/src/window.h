/* What kernels that slide a window over an image share: one-axis tensors read as images of height 1. */
#ifndef MAGIK_WINDOW_H
#define MAGIK_WINDOW_H

#include "op.h"

struct window {
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t top, left, bottom, right;
};

struct image {
    int32_t n, h, w, c;
};

static inline struct image image_of(const struct magik_tensor *t)
{
    struct image s = {t->dims[0], 1, t->dims[1], t->dims[t->rank - 1]};
    if (t->rank == 4) {
        s.h = t->dims[1];
        s.w = t->dims[2];
    }
    return s;
}

static inline int window_is_sane(const struct window *p)
{
    return op_between(p->stride_h, 1, 1024) && op_between(p->stride_w, 1, 1024) && op_between(p->dilation_h, 1, 1024) &&
           op_between(p->dilation_w, 1, 1024) && op_between(p->top, 0, 1024) && op_between(p->left, 0, 1024) &&
           op_between(p->bottom, 0, 1024) && op_between(p->right, 0, 1024);
}

/* Positions of a window of `kernel` taps, 0 when it does not fit. */
static inline int32_t window_count(int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t before, int32_t after)
{
    const int64_t room = (int64_t)size + before + after - (int64_t)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : (int32_t)(room / stride) + 1;
}

/* Make `y` the result of sliding a kh x kw window over x, with `channels`. */
static inline int32_t window_shape(const struct window *p, const struct magik_tensor *x, int32_t kh, int32_t kw, int32_t channels, struct magik_tensor *y)
{
    const struct image s = image_of(x);
    const int32_t oh = window_count(s.h, kh, p->stride_h, p->dilation_h, p->top, p->bottom);
    const int32_t ow = window_count(s.w, kw, p->stride_w, p->dilation_w, p->left, p->right);
    if (oh < 1 || ow < 1 || (x->rank == 3 && oh != 1))
        return MAGIK_BAD_SHAPE;
    y->rank = x->rank;
    y->dims[0] = s.n;
    y->dims[x->rank - 2] = ow;
    if (x->rank == 4)
        y->dims[1] = oh;
    y->dims[x->rank - 1] = channels;
    return MAGIK_OK;
}

#endif
