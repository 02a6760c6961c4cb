/* What the reductions share: their axes, the shape of the result, and a walk that runs along memory. */
#ifndef MAGIK_REDUCE_H
#define MAGIK_REDUCE_H

#include "op.h"

enum { REDUCE_BLOCK = 64 }; /* outputs held at a time */

struct reduce {
    int32_t axes;     /* bit i: axis i is reduced; [0, 2^rank) */
    int32_t keepdims; /* 0, 1: reduced axes stay, with size 1 */
};

static inline int32_t reduce_shape(const struct reduce *p, const struct magik_tensor *x, struct magik_tensor *y)
{
    if (!op_between(p->axes, 0, (1 << x->rank) - 1) || !op_between(p->keepdims, 0, 1))
        return MAGIK_BAD_PARAMS;
    y->dtype = x->dtype;
    y->rank = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        const int is_reduced = p->axes >> i & 1;
        if (!is_reduced || p->keepdims)
            y->dims[y->rank++] = is_reduced ? 1 : x->dims[i];
    }
    return MAGIK_OK;
}

/* Elements of x that one output takes in. */
static inline int32_t reduce_count(const struct reduce *p, const struct magik_tensor *x)
{
    int32_t count = 1;
    for (int32_t i = 0; i < x->rank; i++)
        count *= p->axes >> i & 1 ? x->dims[i] : 1;
    return count;
}

/* Runs of axes that lie together, the innermost first: `kept` make an output, `gone` are taken in. */
struct reduce_axes {
    int32_t n, size[MAGIK_MAX_DIMS], step[MAGIK_MAX_DIMS];
};

struct reduce_walk {
    struct reduce_axes kept, gone;
    int32_t run;  /* reduced elements in a row: 1 where the innermost run of axes is kept */
    int32_t rows; /* such rows per output */
};

static inline int32_t reduce_at(const struct reduce_axes *a, int32_t index)
{
    int32_t at = 0;
    for (int32_t i = 0; i < a->n; i++) {
        at += index % a->size[i] * a->step[i];
        index /= a->size[i];
    }
    return at;
}

static inline struct reduce_walk reduce_of(const struct reduce *p, const struct magik_tensor *x)
{
    struct reduce_walk w = {.run = 1, .rows = 1};
    struct reduce_axes *last = NULL;
    int32_t step = 1;
    for (int32_t i = x->rank - 1; i >= 0; i--) {
        struct reduce_axes *a = p->axes >> i & 1 ? &w.gone : &w.kept;
        if (x->dims[i] == 1)
            continue;
        if (a == last) {
            a->size[a->n - 1] *= x->dims[i];
        } else {
            a->size[a->n] = x->dims[i];
            a->step[a->n++] = step;
        }
        step *= x->dims[i];
        last = a;
    }
    if (w.gone.n > 0 && w.gone.step[0] == 1) {
        w.run = w.gone.size[0];
        w.gone.n--;
        memmove(w.gone.size, w.gone.size + 1, sizeof(int32_t) * (size_t)w.gone.n);
        memmove(w.gone.step, w.gone.step + 1, sizeof(int32_t) * (size_t)w.gone.n);
    }
    for (int32_t i = 0; i < w.gone.n; i++)
        w.rows *= w.gone.size[i];
    return w;
}

/* Outputs from `o` on that lie together in x, at most REDUCE_BLOCK and not past `end`. */
static inline int32_t reduce_block(const struct reduce_walk *w, int32_t o, int32_t end)
{
    const int32_t together = w->kept.n > 0 && w->kept.step[0] == 1 ? w->kept.size[0] - o % w->kept.size[0] : 1;
    const int32_t left = end - o < together ? end - o : together;
    return left < REDUCE_BLOCK ? left : REDUCE_BLOCK;
}

/* Define NAME(w, x, count, acc): fold a block of outputs, whose first element of x is *x, in the order of
 * memory: acc starts as START and becomes STEP of itself, `a`, and an element, `v`. */
#define REDUCE_FOLD(NAME, TYPE, ACC, START, STEP)                                                \
    static void NAME(const struct reduce_walk *w, const TYPE *x, int32_t count, ACC *acc)        \
    {                                                                                            \
        for (int32_t i = 0; i < count; i++)                                                      \
            acc[i] = START;                                                                      \
        for (int32_t r = 0; r < w->rows; r++) {                                                  \
            const TYPE *row = x + reduce_at(&w->gone, r);                                        \
            if (w->run == 1)                                                                     \
                for (int32_t i = 0; i < count; i++) {                                            \
                    const ACC a = acc[i], v = row[i];                                            \
                    acc[i] = STEP;                                                               \
                }                                                                                \
            else                                                                                 \
                for (int32_t i = 0; i < w->run; i++) {                                           \
                    const ACC a = acc[0], v = row[i];                                            \
                    acc[0] = STEP;                                                               \
                }                                                                                \
        }                                                                                        \
    }

#endif
