/* Transpose: move axes in memory. */
#include "op.h"

struct params {
    int32_t perm[MAGIK_MAX_DIMS]; /* [0, rank); axis i of y is axis perm[i] of x */
};

int32_t magik_transpose_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (!op_fits(n, x))
        return MAGIK_BAD_SHAPE;
    uint32_t seen = 0;
    op_like(y, x);
    for (int32_t i = 0; i < x->rank; i++) {
        if (!op_between(p->perm[i], 0, x->rank - 1) || (seen >> p->perm[i] & 1u))
            return MAGIK_BAD_PARAMS;
        seen |= 1u << p->perm[i];
        y->dims[i] = x->dims[p->perm[i]];
    }
    return MAGIK_OK;
}

/* Strides in x of y's axes; returns the number of rows along y's last axis. */
static int32_t plan(const struct magik_step *n, int32_t stride[MAGIK_MAX_DIMS])
{
    const struct params *p = n->params;
    const struct magik_tensor *x = n->in[0];
    for (int32_t i = 0; i < x->rank; i++)
        stride[i] = op_product(x, p->perm[i] + 1, x->rank);
    return x->rank > 0 ? x->count / n->out[0]->dims[x->rank - 1] : 1;
}

/* Element of x where row r of y begins. */
static int32_t row_start(const struct magik_tensor *y, const int32_t *stride, int32_t r)
{
    int32_t at = 0;
    for (int32_t i = y->rank - 2; i >= 0; i--) {
        at += r % y->dims[i] * stride[i];
        r /= y->dims[i];
    }
    return at;
}

#define TRANSPOSE(n, TYPE)                                                              \
    do {                                                                                \
        const struct magik_tensor *out = (n)->out[0];                                   \
        int32_t stride[MAGIK_MAX_DIMS] = {0}, r, end;                                   \
        op_span((n), plan((n), stride), &r, &end);                                      \
        const int32_t last = out->rank > 0 ? out->rank - 1 : 0;                         \
        const int32_t row = out->rank > 0 ? out->dims[last] : 1;                        \
        for (; r < end; r++) {                                                          \
            const TYPE *x = (const TYPE *)(n)->in[0]->data + row_start(out, stride, r); \
            TYPE *y = (TYPE *)out->data + (size_t)r * (size_t)row;                      \
            for (int32_t i = 0; i < row; i++)                                           \
                y[i] = x[i * stride[last]];                                             \
        }                                                                               \
    } while (0)

void magik_transpose_x8(const struct magik_step *n)
{
    TRANSPOSE(n, uint8_t);
}

void magik_transpose_x16(const struct magik_step *n)
{
    TRANSPOSE(n, uint16_t);
}

void magik_transpose_x32(const struct magik_step *n)
{
    TRANSPOSE(n, uint32_t);
}
