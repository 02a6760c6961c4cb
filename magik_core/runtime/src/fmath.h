/* Functions of f32 values without a math library; magik_core/fmath.py repeats every operation.
 * Built with -ffp-contract=off: each operation is rounded to f32 by itself. */
#ifndef MAGIK_FMATH_H
#define MAGIK_FMATH_H

#include <stdint.h>
#include <string.h>

static inline float fm_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t fm_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* floor for |v| < 2^31 */
static inline float fm_floor(float v)
{
    const float whole = (float)(int32_t)v;
    return whole > v ? whole - 1.0f : whole;
}

static inline float fm_exp(float x)
{
    if (x != x)
        return x;
    if (x > 88.0f)
        return fm_from_bits(0x7f800000u);
    if (x < -87.0f)
        return 0.0f;
    const float n = fm_floor(x * 1.44269504f + 0.5f);
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691e-4f;
    p = p * r + 1.3981999e-3f;
    p = p * r + 8.3334519e-3f;
    p = p * r + 4.1665796e-2f;
    p = p * r + 1.6666666e-1f;
    p = p * r + 0.5f;
    const float y = (p * (r * r) + r) + 1.0f;
    return y * fm_from_bits((uint32_t)((int32_t)n + 127) << 23);
}

static inline float fm_sigmoid(float x)
{
    return 1.0f / (1.0f + fm_exp(-x));
}

static inline float fm_tanh(float x)
{
    const float e = fm_exp(-2.0f * (x < 0.0f ? -x : x));
    const float t = (1.0f - e) / (1.0f + e);
    return x < 0.0f ? -t : t;
}

#endif
