/* What the reductions share: which elements of x belong to an output, in what order. */
#ifndef MAGIK_REDUCE_H
#define MAGIK_REDUCE_H

#include "fixed.h"
#include "op.h"

enum { REDUCE_BLOCK = 64, REDUCE_MAX_COUNT = 1 << 22 };

struct reduce_params {
    int32_t reduced[MAGIK_MAX_DIMS]; /* per axis of x, 0 or 1 */
    int32_t keep;                    /* 0, 1: reduced axes stay with size 1 */
    int32_t x_zero, y_zero;          /* codes */
    int32_t multiplier;
    int32_t shift; /* [1, 62] */
    int32_t top;   /* largest code of y */
};

/* x as outputs (kept axes) by values (reduced axes). When the last axis of x is kept, `inner` outputs lie side
 * by side; the last reduced axis is walked with `step`. */
struct reduce {
    int32_t outer_size[MAGIK_MAX_DIMS], outer_stride[MAGIK_MAX_DIMS], outer_rank;
    int32_t value_size[MAGIK_MAX_DIMS], value_stride[MAGIK_MAX_DIMS], value_rank;
    int32_t inner, outer; /* outputs side by side; runs of them */
    int32_t run, step, runs; /* values along the last reduced axis; runs of them */
};

/* Make `y` the result of reducing x. */
int32_t magik_reduce_shape(const struct magik_step *n, struct magik_tensor *y);
struct reduce magik_reduce_of(const struct magik_tensor *x, const int32_t *reduced);

/* Element where index `k` of the given axes lies. */
int32_t magik_reduce_at(const int32_t *size, const int32_t *stride, int32_t rank, int32_t k);

/* Body of a kernel. FIRST makes the accumulator from a value v; NEXT combines it, `a`, with v; LAST gives the
 * output. `values` is the count per output. Threads share outputs, not runs of them: one image has one run. */
#define REDUCE(n, TYPE, ACC, FIRST, NEXT, LAST)                                                                            \
    do {                                                                                                                   \
        const struct reduce_params *p = (n)->params;                                                                       \
        const struct reduce r = magik_reduce_of((n)->in[0], p->reduced);                                                         \
        const int32_t values = r.run * r.runs;                                                                             \
        int32_t o, end, count;                                                                                             \
        (void)values;                                                                                                      \
        op_span((n), r.outer * r.inner, &o, &end);                                                                         \
        for (; o < end; o += count) {                                                                                      \
            const int32_t c = o % r.inner, left = r.inner - c < end - o ? r.inner - c : end - o;                           \
            const TYPE *x = (const TYPE *)(n)->in[0]->data + magik_reduce_at(r.outer_size, r.outer_stride, r.outer_rank, o / r.inner) + c; \
            TYPE *y = (TYPE *)(n)->out[0]->data + o;                                                                       \
            ACC acc[REDUCE_BLOCK];                                                                                         \
            count = left < REDUCE_BLOCK ? left : REDUCE_BLOCK;                                                             \
            for (int32_t i = 0; i < count; i++) {                                                                          \
                const TYPE v = x[i];                                                                                       \
                acc[i] = (FIRST);                                                                                          \
            }                                                                                                              \
            for (int32_t k = 0; k < r.runs; k++) {                                                                         \
                const TYPE *row = x + magik_reduce_at(r.value_size, r.value_stride, r.value_rank, k);                            \
                if (r.step == 1) { /* values side by side, so that `count` is 1 or the run is empty */                     \
                    ACC a = acc[0];                                                                                        \
                    for (int32_t j = k == 0; j < r.run; j++) {                                                             \
                        const TYPE v = row[j];                                                                             \
                        a = (NEXT);                                                                                        \
                    }                                                                                                      \
                    acc[0] = a;                                                                                            \
                    continue;                                                                                              \
                }                                                                                                          \
                for (int32_t j = k == 0; j < r.run; j++)                                                                   \
                    for (int32_t i = 0; i < count; i++) {                                                                  \
                        const TYPE v = row[j * r.step + i];                                                                \
                        const ACC a = acc[i];                                                                              \
                        acc[i] = (NEXT);                                                                                   \
                    }                                                                                                      \
            }                                                                                                              \
            for (int32_t i = 0; i < count; i++) {                                                                          \
                const ACC a = acc[i];                                                                                      \
                y[i] = (TYPE)(LAST);                                                                                       \
            }                                                                                                              \
        }                                                                                                                  \
    } while (0)

#endif
