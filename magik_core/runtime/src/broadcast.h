/* Numpy broadcasting of two tensors of one rank. */
#ifndef MAGIK_BROADCAST_H
#define MAGIK_BROADCAST_H

#include "op.h"

/* Shape of the result, or BAD_SHAPE. */
static inline int32_t broadcast_shape(const struct magik_tensor *a, const struct magik_tensor *b, struct magik_tensor *y)
{
    if (a->rank != b->rank)
        return MAGIK_BAD_SHAPE;
    y->rank = a->rank;
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i] && a->dims[i] != 1 && b->dims[i] != 1)
            return MAGIK_BAD_SHAPE;
        y->dims[i] = a->dims[i] == 1 ? b->dims[i] : a->dims[i];
    }
    return MAGIK_OK;
}

/* Walks the rows (runs along the last axis) of y, with the elements of a and b that belong to them. */
struct broadcast {
    const struct magik_tensor *a, *b, *y;
    int32_t row, a_step, b_step; /* length of a row; what a and b advance by along it, 0 or 1 */
    int32_t rows;
    int32_t axes; /* before those of a row */
};

static inline struct broadcast broadcast_of(const struct magik_tensor *a, const struct magik_tensor *b, const struct magik_tensor *y)
{
    struct broadcast w = {a, b, y, 1, 0, 0, 1, 0};
    if (y->rank > 0) {
        w.axes = y->rank - 1;
        w.row = y->dims[w.axes];
        w.a_step = a->dims[w.axes] != 1;
        w.b_step = b->dims[w.axes] != 1;
    }
    w.rows = y->count / w.row;
    return w;
}

/* The same with rows as long as can be: of all axes along which a and b go on as they do along the last. */
static inline struct broadcast broadcast_long(const struct magik_tensor *a, const struct magik_tensor *b, const struct magik_tensor *y)
{
    struct broadcast w = broadcast_of(a, b, y);
    for (; w.axes > 0; w.axes--) {
        const int32_t i = w.axes - 1, size = y->dims[i], a_step = a->dims[i] != 1, b_step = b->dims[i] != 1;
        if (size == 1)
            continue;
        if (w.row == 1) {
            w.a_step = a_step;
            w.b_step = b_step;
        }
        if (w.a_step != a_step || w.b_step != b_step)
            break;
        w.row *= size;
    }
    w.rows = y->count / w.row;
    return w;
}

/* Element of `t` where row `r` of y begins. */
static inline int32_t broadcast_at(const struct broadcast *w, const struct magik_tensor *t, int32_t r)
{
    int32_t at = 0, size = op_product(t, w->axes, t->rank);
    for (int32_t i = w->axes - 1; i >= 0; i--) {
        const int32_t k = r % w->y->dims[i];
        r /= w->y->dims[i];
        if (t->dims[i] != 1)
            at += k * size;
        size *= t->dims[i];
    }
    return at;
}

/* Elements [y, y + count) of y in one row, and where those of a and b begin. */
struct stretch {
    int32_t a, b, y, count;
};

/* From `at` on, to the end of the row or to `end`. */
static inline struct stretch broadcast_stretch(const struct broadcast *w, int32_t at, int32_t end)
{
    const int32_t r = at / w->row, i = at % w->row, left = w->row - i;
    return (struct stretch){broadcast_at(w, w->a, r) + i * w->a_step, broadcast_at(w, w->b, r) + i * w->b_step, at,
                            left < end - at ? left : end - at};
}

/* Check of a step with two inputs of the kernel's dtype and one output of the same. */
static inline int32_t broadcast_step(const struct magik_step *n, struct magik_tensor *y, size_t params)
{
    if (!op_has(n, 2, 1, params))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != n->dtype || n->in[1]->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    y->dtype = n->dtype;
    return broadcast_shape(n->in[0], n->in[1], y);
}

/* Body of a kernel: y = EXPRESSION of the elements a and b, for every element of y. */
#define BROADCAST(n, TYPE, EXPRESSION)                                                              \
    do {                                                                                            \
        const struct broadcast walk = broadcast_long((n)->in[0], (n)->in[1], (n)->out[0]);          \
        struct stretch k;                                                                           \
        int32_t at, end;                                                                            \
        op_span((n), walk.y->count, &at, &end);                                                     \
        for (; at < end; at += k.count) {                                                           \
            k = broadcast_stretch(&walk, at, end);                                                  \
            const TYPE *at_a = (const TYPE *)walk.a->data + k.a, *at_b = (const TYPE *)walk.b->data + k.b; \
            TYPE *y = (TYPE *)walk.y->data + k.y;                                                   \
            for (int32_t i = 0; i < k.count; i++, at_a += walk.a_step, at_b += walk.b_step) {       \
                const TYPE a = *at_a, b = *at_b;                                                    \
                y[i] = (EXPRESSION);                                                                \
            }                                                                                       \
        }                                                                                           \
    } while (0)

#endif
