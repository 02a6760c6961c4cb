/* Two whole numbers in one double, for kernels of a MIPS without SIMD: low + high * 2^LANE, each below
 * LANE_LIMIT in size. One multiplication and addition then does two of them, exactly; and codes are scaled
 * in doubles where that provably rounds as fixed.h says. */
#ifndef MAGIK_LANES_FP64_H
#define MAGIK_LANES_FP64_H

#include "fixed.h"
#include "op.h"

enum { LANE = 23, LANE_LIMIT = 1 << 22, LEAST_SHIFT = 32, MOST_SHIFT = 43 };
enum { LANE_PRODUCTS = 96, LANE_BIAS = 1 << 20 }; /* 96 * 255 * 128 + 2^20 < LANE_LIMIT */

#define LANE_ROUND 0x1.8p75 /* 1.5 * 2^(52 + LANE) */

/* 2^e, e in [-1022, 1023] */
static inline double lane_power(int32_t e)
{
    const uint64_t bits = (uint64_t)(1023 + e) << 52;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline double lane_pair(int32_t low, int32_t high)
{
    return (double)low + (double)high * (double)(1 << LANE);
}

/* Two codes as a pair: the number fits an int32, so that one conversion does. */
static inline double lane_codes(uint8_t low, uint8_t high)
{
    return (double)(low | high << LANE);
}

/* high * 2^LANE of a pair: the sum rounds to a multiple of 2^LANE, and `low` is less than half of one. */
static inline double lane_high(double pair)
{
    return (pair + LANE_ROUND) - LANE_ROUND;
}

/* How codes are made of sums in doubles: code = cut off(sum * m + c), clamped.
 *
 * For a shift s in [LEAST_SHIFT, MOST_SHIFT] and any int32 sum and multiplier this is fx_rescale + zero.
 * c = zero + 1/2 + 2^-(s+1) is exact. The true T = sum * m / 2^s + zero + 1/2 is a multiple of 2^-s, and what
 * is computed is T + 2^-(s+1) + e. Where T lies in [0, 256), product and sum are below 256 in size and each
 * rounds by at most 2^-46, so that |e| <= 2^-45 < 2^-(s+1) and both have the same floor. Where T < 0 or
 * T >= 256 the result is too, since rounding keeps order, and is clamped. Cutting off differs from the floor
 * for negative numbers alone. Every result fits an int32: |sum * m| / 2^s <= 2^30. */
struct lane_scale {
    double m, m_high, c; /* m_high: for lane_high */
};

static inline int lane_can_scale(int32_t shift)
{
    return op_between(shift, LEAST_SHIFT, MOST_SHIFT);
}

static inline struct lane_scale lane_scale(int32_t m, int32_t shift, int32_t zero)
{
    struct lane_scale s;
    s.m = (double)m * lane_power(-shift);
    s.m_high = s.m * lane_power(-LANE);
    s.c = (double)zero + 0.5 + lane_power(-shift - 1);
    return s;
}

static inline uint8_t lane_u8(double sum, double m, double c, int32_t low, int32_t high)
{
    const int32_t v = (int32_t)(sum * m + c);
    return (uint8_t)(v < low ? low : v > high ? high : v);
}

#endif
