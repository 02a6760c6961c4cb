/* The functions of recurrent layers on f32; magik_core/ops/activation.py says the same. */
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

#endif
