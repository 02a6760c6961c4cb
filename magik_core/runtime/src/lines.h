/* A tensor as lines along one axis: element (o, i, k) lies at (o * size + i) * inner + k. */
#ifndef MAGIK_LINES_H
#define MAGIK_LINES_H

#include "op.h"

struct lines {
    int32_t outer, size, inner; /* products of the dims before, at and after the axis */
};

static inline struct lines lines_of(const struct magik_tensor *t, int32_t axis)
{
    return (struct lines){op_product(t, 0, axis), t->dims[axis], op_product(t, axis + 1, t->rank)};
}

/* First element of line r, r in [0, outer * inner); its elements are `inner` apart. */
static inline int32_t line_start(const struct lines *l, int32_t r)
{
    return r / l->inner * (l->size * l->inner) + r % l->inner;
}

#endif
