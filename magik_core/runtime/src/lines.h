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

/* What computes one line: its first element is `at`, the next is `step` further. */
typedef void line_kernel(const struct magik_step *n, int32_t at, int32_t size, int32_t step);

/* A worker's share of the lines of the first input. */
static inline void lines_each(const struct magik_step *n, int32_t axis, line_kernel *line)
{
    const struct lines l = lines_of(n->in[0], axis);
    int32_t r, end;
    op_span(n, l.outer * l.inner, &r, &end);
    for (; r < end; r++)
        line(n, line_start(&l, r), l.size, l.inner);
}

#endif
