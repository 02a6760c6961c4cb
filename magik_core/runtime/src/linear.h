/* (a * m + b * n + k) >> s of codes a and b, in parts that fit 32 bits: with m = 2^16 * m_high + m_low, and n and k
 * likewise, the same as (a * m_high + b * n_high + k_high + ((a * m_low + b * n_low + k_low) >> 16)) >> (s - 16). */
#ifndef MAGIK_LINEAR_H
#define MAGIK_LINEAR_H

#include "fixed.h"

struct linear {
    int32_t high, low;     /* pairs of s16: of m in the lower half, of n in the upper */
    int32_t k_high, k_low; /* k_low in [0, 2^16) */
    int32_t shift;         /* s - 16 */
    int32_t fits;          /* 0: not these numbers */
};

/* v = 2^16 * high + low, low in [-2^15, 2^15) */
static inline int32_t linear_high(int32_t v)
{
    return (int32_t)(((int64_t)v + (1 << 15)) >> 16);
}

static inline int32_t linear_pair(int32_t first, int32_t second)
{
    return (int32_t)((uint32_t)first & 0xffff) | (int32_t)((uint32_t)second << 16);
}

/* Of fx_shift((a - a_zero) * m + (b - b_zero) * n, s) + zero. */
static inline struct linear linear_of(int32_t a_zero, int32_t m, int32_t b_zero, int32_t n, int32_t s, int32_t zero)
{
    const int64_t after = s > 47 ? 0 : (int64_t)zero * ((int64_t)1 << s);
    const int64_t k = ((int64_t)1 << (s - 1)) + after - (int64_t)a_zero * m - (int64_t)b_zero * n, k_high = k >> 16;
    struct linear l = {.k_low = (int32_t)(k & 0xffff), .shift = s - 16};
    l.fits = s >= 16 && s <= 47 && linear_high(m) < 1 << 15 && linear_high(n) < 1 << 15 && k_high > -(1 << 30) && k_high < 1 << 30;
    l.k_high = l.fits ? (int32_t)k_high : 0;
    l.high = linear_pair(linear_high(m), linear_high(n));
    l.low = linear_pair(m, n);
    return l;
}

#endif
