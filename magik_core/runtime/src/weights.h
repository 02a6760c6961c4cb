/* Weights of Conv, ConvTranspose, DepthwiseConv and Gemm: f32, s8, or in kernels u8_s16 s16. */
#ifndef MAGIK_WEIGHTS_H
#define MAGIK_WEIGHTS_H

#include "fixed.h"
#include "op.h"

/* Whether x, weights and bias, the first three inputs, hold what the kernel's name says. */
static inline int weights_fit(const struct magik_step *n)
{
    const int is_real = n->dtype == MAGIK_F32;
    const int32_t w = is_real ? MAGIK_F32 : n->dtype == MAGIK_U8 ? MAGIK_S8 : MAGIK_S16;
    return n->in[0]->dtype == (is_real ? MAGIK_F32 : MAGIK_U8) && n->in[1]->dtype == w && n->in[2]->dtype == (is_real ? MAGIK_F32 : MAGIK_S32);
}

/* Weights in codes. */
struct weights {
    const void *codes;
    int32_t is_wide; /* s16 */
};

static inline struct weights weights_in(const struct magik_tensor *w)
{
    return (struct weights){w->data, w->dtype == MAGIK_S16};
}

static inline int32_t weights_at(struct weights w, int32_t i)
{
    return w.is_wide ? ((const int16_t *)w.codes)[i] : ((const int8_t *)w.codes)[i];
}

/* The weights from number i on. */
static inline struct weights weights_from(struct weights w, int32_t i)
{
    w.codes = (const uint8_t *)w.codes + (w.is_wide ? 2 * i : i);
    return w;
}

/* The largest of `count` weights in size, at least 1. */
static inline int32_t weights_largest(struct weights w, int32_t count)
{
    int32_t most = 1;
    for (int32_t i = 0; i < count; i++) {
        const int32_t v = weights_at(w, i);
        most = v > most ? v : -v > most ? -v : most;
    }
    return most;
}

/* acc + the products of `count` codes less `zero` and weights side by side. */
static inline int32_t weights_dot(struct weights w, const uint8_t *x, int32_t zero, int32_t count, int32_t acc)
{
    if (w.is_wide) {
        const int16_t *wide = w.codes;
        for (int32_t i = 0; i < count; i++)
            acc = fx_mac(acc, x[i] - zero, wide[i]);
        return acc;
    }
    const int8_t *narrow = w.codes;
    for (int32_t i = 0; i < count; i++)
        acc = fx_mac(acc, x[i] - zero, narrow[i]);
    return acc;
}

#endif
