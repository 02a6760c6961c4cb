/* What the reductions share, once in a program for a board. */
#include "reduce.h"

int32_t magik_reduce_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct reduce_params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (x->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    const int32_t top = op_top(n);
    if (!op_between(p->keep, 0, 1) || !op_between(p->x_zero, 0, top) || !op_between(p->y_zero, 0, top) ||
        !op_between(p->shift, 1, FX_MAX_SHIFT) || !op_between(p->top, 0, top))
        return MAGIK_BAD_PARAMS;
    int64_t values = 1;
    y->dtype = x->dtype;
    y->rank = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        if (!op_between(p->reduced[i], 0, 1))
            return MAGIK_BAD_PARAMS;
        values *= p->reduced[i] ? x->dims[i] : 1;
        if (!p->reduced[i] || p->keep)
            y->dims[y->rank++] = p->reduced[i] ? 1 : x->dims[i];
    }
    return values <= REDUCE_MAX_COUNT ? MAGIK_OK : MAGIK_BAD_SHAPE;
}

struct reduce magik_reduce_of(const struct magik_tensor *x, const int32_t *reduced)
{
    struct reduce r = {.inner = 1, .outer = 1, .run = 1, .step = 1, .runs = 1};
    int32_t last = x->rank, stride = x->count;
    while (last > 0 && !reduced[last - 1])
        r.inner *= x->dims[--last];
    for (int32_t i = 0; i < last; i++) {
        stride /= x->dims[i];
        if (reduced[i]) {
            r.value_size[r.value_rank] = x->dims[i];
            r.value_stride[r.value_rank++] = stride;
        } else {
            r.outer_size[r.outer_rank] = x->dims[i];
            r.outer_stride[r.outer_rank++] = stride;
            r.outer *= x->dims[i];
        }
    }
    if (r.value_rank > 0) {
        r.run = r.value_size[--r.value_rank];
        r.step = r.value_stride[r.value_rank];
    }
    for (int32_t i = 0; i < r.value_rank; i++)
        r.runs *= r.value_size[i];
    return r;
}

int32_t magik_reduce_at(const int32_t *size, const int32_t *stride, int32_t rank, int32_t k)
{
    int32_t at = 0;
    for (int32_t i = rank - 1; i >= 0; i--) {
        at += k % size[i] * stride[i];
        k /= size[i];
    }
    return at;
}
