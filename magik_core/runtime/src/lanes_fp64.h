/* Two whole numbers in one double, for kernels of a MIPS without SIMD: low + high * 2^lane, each below
 * 2^(lane - 1) in size. One multiplication and addition then does two of them, exactly; and codes are scaled in
 * doubles where that provably rounds as fixed.h says. */
#ifndef MAGIK_LANES_FP64_H
#define MAGIK_LANES_FP64_H

#include "fixed.h"
#include "op.h"

enum { LEAST_SHIFT = 32, MOST_SHIFT = 43 };
#define LANE_INLINE static inline __attribute__((always_inline)) /* sums in arrays live in registers only there */

/* 2^e, e in [-1022, 1023] */
static inline double lane_power(int32_t e)
{
    const uint64_t bits = (uint64_t)(1023 + e) << 52;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* What is added and taken off again to leave high * 2^lane of a pair: such a sum is a multiple of 2^lane, and
 * `low` is less than half of one. */
static inline double lane_round(int32_t lane)
{
    return 1.5 * lane_power(52 + lane);
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
    double m, m_high, c; /* m_high: for high * 2^lane */
};

static inline int lane_can_scale(int32_t shift)
{
    return op_between(shift, LEAST_SHIFT, MOST_SHIFT);
}

static inline struct lane_scale lane_scale(int32_t m, int32_t shift, int32_t zero, int32_t lane)
{
    struct lane_scale s;
    s.m = (double)m * lane_power(-shift);
    s.m_high = s.m * lane_power(-lane);
    s.c = (double)zero + 0.5 + lane_power(-shift - 1);
    return s;
}

/* Code of a sum, clamped from below alone. */
static inline int32_t lane_code(double sum, double m, double c, int32_t low)
{
    const int32_t v = (int32_t)(sum * m + c);
    return v < low ? low : v;
}

/* What codes of quick channels are clamped to from above. */
enum { LANE_TOP = 255 };

static inline int32_t lane_capped(int32_t v)
{
    return v > LANE_TOP ? LANE_TOP : v;
}

/* Codes of 3 pairs, clamped from below: v[0] to v[5], the low one of a pair first. One test finds that none is
 * above LANE_TOP, which is rare. */
LANE_INLINE void lane_codes6(double a, double b, double c, const struct lane_scale *s, double round, int32_t low, int32_t *v)
{
    const double x = (a + round) - round, y = (b + round) - round, z = (c + round) - round;
    v[0] = lane_code(a - x, s->m, s->c, low);
    v[1] = lane_code(x, s->m_high, s->c, low);
    v[2] = lane_code(b - y, s->m, s->c, low);
    v[3] = lane_code(y, s->m_high, s->c, low);
    v[4] = lane_code(c - z, s->m, s->c, low);
    v[5] = lane_code(z, s->m_high, s->c, low);
    if ((uint32_t)(v[0] | v[1] | v[2] | v[3] | v[4] | v[5]) > LANE_TOP) {
        v[0] = lane_capped(v[0]);
        v[1] = lane_capped(v[1]);
        v[2] = lane_capped(v[2]);
        v[3] = lane_capped(v[3]);
        v[4] = lane_capped(v[4]);
        v[5] = lane_capped(v[5]);
    }
}

#endif
