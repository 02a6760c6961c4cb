/* The functions of recurrent layers, on f32 and on fixed numbers; magik_core/ops/activation.py says the same. */
#ifndef MAGIK_ACTIVATION_H
#define MAGIK_ACTIVATION_H

#include "fixed.h"
#include "fmath.h"

enum activation {
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH,
    ACTIVATION_RELU,
    ACTIVATION_AFFINE,
    ACTIVATION_LEAKY_RELU,
    ACTIVATION_THRESHOLDED_RELU,
    ACTIVATION_SCALED_TANH,
    ACTIVATION_HARD_SIGMOID,
    ACTIVATION_ELU,
    ACTIVATION_SOFTSIGN,
    ACTIVATION_SOFTPLUS,
    ACTIVATIONS
};

static inline float activation_f32(int32_t kind, float alpha, float beta, float v)
{
    switch (kind) {
    case ACTIVATION_SIGMOID:
        return fm_sigmoid(v);
    case ACTIVATION_TANH:
        return fm_tanh(v);
    case ACTIVATION_RELU:
        return v < 0.0f ? 0.0f : v;
    case ACTIVATION_AFFINE:
        return alpha * v + beta;
    case ACTIVATION_LEAKY_RELU:
        return v < 0.0f ? alpha * v : v;
    case ACTIVATION_THRESHOLDED_RELU:
        return v < alpha ? 0.0f : v;
    case ACTIVATION_SCALED_TANH:
        return alpha * fm_tanh(beta * v);
    case ACTIVATION_HARD_SIGMOID:
        return fx_clip(alpha * v + beta, 0.0f, 1.0f);
    case ACTIVATION_ELU:
        return v < 0.0f ? alpha * (fm_exp(v) - 1.0f) : v;
    case ACTIVATION_SOFTSIGN:
        return v / (1.0f + fm_abs(v));
    default: /* ACTIVATION_SOFTPLUS */
        return fm_softplus(v);
    }
}

/* A function of fixed numbers: its table of ACTIVATION_SEGMENTS + 1, bits of a segment, alpha = multiplier / 2^shift, and
 * beta or a limit. */
struct activation_fixed {
    int32_t kind;
    const int32_t *table;
    int32_t segment; /* [1, 20] */
    int32_t multiplier, shift; /* [1, 62] */
    int32_t offset;
};

enum { ACTIVATION_SEGMENTS = 2048 };

static inline int32_t activation_interpolate(const struct activation_fixed *f, int32_t v)
{
    const int64_t reach = (int64_t)(ACTIVATION_SEGMENTS / 2) << f->segment;
    int64_t u = v + reach;
    u = u < 0 ? 0 : u > 2 * reach ? 2 * reach : u;
    const int32_t i = (int32_t)(u >> f->segment) < ACTIVATION_SEGMENTS ? (int32_t)(u >> f->segment) : ACTIVATION_SEGMENTS - 1;
    const int64_t rise = ((int64_t)f->table[i + 1] - f->table[i]) * (u - ((int64_t)i << f->segment));
    return fx_fixed(f->table[i] + fx_shift(rise, f->segment));
}

static inline int32_t activation_s32(const struct activation_fixed *f, int32_t v)
{
    switch (f->kind) {
    case ACTIVATION_RELU:
        return v < 0 ? 0 : v;
    case ACTIVATION_AFFINE:
        return fx_fixed(fx_rescale(v, f->multiplier, f->shift) + f->offset);
    case ACTIVATION_LEAKY_RELU:
        return v < 0 ? fx_fixed(fx_rescale(v, f->multiplier, f->shift) + f->offset) : v;
    case ACTIVATION_THRESHOLDED_RELU:
        return v < f->offset ? 0 : v;
    case ACTIVATION_HARD_SIGMOID:
        return (int32_t)fx_clamp(fx_rescale(v, f->multiplier, f->shift) + f->offset, 0, FX_FIXED_ONE);
    case ACTIVATION_SOFTSIGN: {
        const int64_t d = FX_FIXED_ONE + (int64_t)(v < 0 ? -v : v);
        return (int32_t)fx_floor_div((int64_t)v * FX_FIXED_ONE + (d >> 1), d);
    }
    case ACTIVATION_ELU:
    case ACTIVATION_SOFTPLUS:
        if (v >= (int64_t)(ACTIVATION_SEGMENTS / 2) << f->segment)
            return v;
        return activation_interpolate(f, v);
    default: /* ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_SCALED_TANH */
        return activation_interpolate(f, v);
    }
}

#endif
