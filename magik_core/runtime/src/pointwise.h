/* A kernel of one f32 function, and the check that such operators share. */
#ifndef MAGIK_POINTWISE_H
#define MAGIK_POINTWISE_H

#include "fmath.h"
#include "op.h"

static inline int32_t pointwise_shape(const struct magik_step *n, struct magik_tensor *y, size_t params)
{
    if (!op_has(n, 1, 1, params))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != MAGIK_F32)
        return MAGIK_BAD_SHAPE;
    op_like(y, n->in[0]);
    return MAGIK_OK;
}

/* Body of a kernel: y = EXPRESSION of v, for every element; p are the params. */
#define POINTWISE_F32(n, EXPRESSION)                        \
    do {                                                    \
        const float *x = (n)->in[0]->data;                  \
        float *y = (n)->out[0]->data;                       \
        int32_t i, end;                                     \
        op_span((n), (n)->out[0]->count, &i, &end);         \
        for (; i < end; i++) {                              \
            const float v = x[i];                           \
            y[i] = (EXPRESSION);                            \
        }                                                   \
    } while (0)

#endif
