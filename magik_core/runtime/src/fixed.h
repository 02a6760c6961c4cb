/* All integer arithmetic of magik, in C; magik_core/numerics.py says the same in numpy.
 * docs/quantization.md is the normative text. >> of a negative number is arithmetic here, as on every
 * compiler that the build accepts. */
#ifndef MAGIK_FIXED_H
#define MAGIK_FIXED_H

#include <stdint.h>

#define FX_MAX_SHIFT 62
#define FX_AVERAGE_BITS 16
#define FX_FIXED_BITS 20 /* fraction bits of the numbers inside of a recurrent layer */
#define FX_FIXED_ONE (1 << FX_FIXED_BITS)
#define FX_FIXED_MOST (1 << 30) /* their largest size */

/* v / 2^s, rounded half up; s in [1, 62], |v| <= 2^62 + 2^30 */
static inline int64_t fx_shift(int64_t v, int32_t s)
{
    return (v + ((int64_t)1 << (s - 1))) >> s;
}

/* The same of any sum: what a hostile file has made too large wraps, as an unsigned number. */
static inline int64_t fx_shift_wrap(uint64_t v, int32_t s)
{
    return (int64_t)(v + (uint64_t)((int64_t)1 << (s - 1))) >> s;
}

/* acc * m / 2^s, rounded half up; s in [1, 62] */
static inline int64_t fx_rescale(int32_t acc, int32_t m, int32_t s)
{
    return fx_shift((int64_t)acc * m, s);
}

/* The same for |acc| <= 2^62, whose product takes two parts, whole * 2^31 + rest. Beyond 2^31 only the result's sign and that
 * it is beyond mean something. */
static inline int64_t fx_rescale_wide(int64_t acc, int32_t m, int32_t s)
{
    const int64_t low = (acc & INT32_MAX) * m, whole = (acc >> 31) * m + (low >> 31), rest = low & INT32_MAX;
    if (s <= 31) {
        const int64_t limit = (int64_t)1 << 32, near = whole < -limit ? -limit : whole > limit ? limit : whole;
        return near * ((int64_t)1 << (31 - s)) + fx_shift(rest, s);
    }
    return fx_shift(whole, s - 31);
}

/* The same, or if `is_twice` and s is above 31 rounded twice: to s - 31 fraction bits, half up, then to a whole number, half
 * away from zero */
static inline int64_t fx_rescale_as(int32_t acc, int32_t m, int32_t s, int is_twice)
{
    int64_t v = (int64_t)acc * m;
    if (is_twice && s > 31)
        v += v < 0 ? -(1 << 30) : 1 << 30;
    return fx_shift(v, s);
}

/* acc + x * w, |x * w| < 2^31. Lowering proves that the sum does not overflow; in a hostile file it wraps, defined. */
static inline int32_t fx_mac(int32_t acc, int32_t x, int32_t w)
{
    return (int32_t)((uint32_t)acc + (uint32_t)(x * w));
}

/* floor(a / n) for n > 0 */
static inline int64_t fx_floor_div(int64_t a, int64_t n)
{
    int64_t q = a / n;
    return q - (a % n < 0);
}

/* total / count with FX_AVERAGE_BITS fraction bits, rounded half up; |total| < 2^46, count in [1, 2^22] */
static inline int64_t fx_average_wide(int64_t total, int32_t count)
{
    return fx_floor_div(total * (1 << FX_AVERAGE_BITS) + (count >> 1), count);
}

/* The same for |total| < 2^31. */
static inline int64_t fx_average(int32_t total, int32_t count)
{
    if (total > -(1 << 14) && total < (1 << 14)) { /* fits 32 bits, where division is quick */
        const int32_t sum = total * (1 << FX_AVERAGE_BITS) + (count >> 1);
        return sum / count - (sum % count < 0);
    }
    return fx_average_wide(total, count);
}

/* m = 2^(61 + k) / total, cut off: m in [2^30, 2^31), total / 2^k in [2^30, 2^31); total in [2^30, 2^60).
 * A smaller total, which only a hostile file can bring, counts as 2^30. */
struct fx_reciprocal {
    int32_t m, k;
};

static inline struct fx_reciprocal fx_reciprocal(int64_t total)
{
    int32_t k = 0;
    total = total < (int64_t)1 << 30 ? (int64_t)1 << 30 : total;
    while (total >> k >= (int64_t)1 << 31)
        k++;
    const int64_t m = ((int64_t)1 << 61) / (total >> k);
    return (struct fx_reciprocal){(int32_t)(m > INT32_MAX ? INT32_MAX : m), k};
}

/* 1 / sqrt(square) = m * 2^(k - 61), cut off: m in (2^30, 2^31], k in [1, 30]; square in [1, 2^60) */
struct fx_root {
    int64_t m;
    int32_t k;
};

static inline struct fx_root fx_inverse_root(int64_t square)
{
    int32_t k = 1;
    while (square >> (60 - 2 * k) == 0)
        k++;
    int64_t rest = square * ((int64_t)1 << (2 * k)), root = 0;
    for (int64_t bit = (int64_t)1 << 60; bit != 0; bit >>= 2) {
        const int64_t with = root + bit;
        root >>= 1;
        if (rest >= with) {
            rest -= with;
            root += bit;
        }
    }
    return (struct fx_root){((int64_t)1 << 61) / root, k};
}

static inline int64_t fx_clamp(int64_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Code i of a tensor in u8, or u16 if `is_wide`. */
static inline int32_t fx_code(const void *codes, int32_t i, int is_wide)
{
    return is_wide ? ((const uint16_t *)codes)[i] : ((const uint8_t *)codes)[i];
}

static inline void fx_put(void *codes, int32_t i, int is_wide, int64_t v, int32_t low, int32_t high)
{
    if (is_wide)
        ((uint16_t *)codes)[i] = (uint16_t)fx_clamp(v, low, high);
    else
        ((uint8_t *)codes)[i] = (uint8_t)fx_clamp(v, low, high);
}

static inline int32_t fx_fixed(int64_t v)
{
    return (int32_t)fx_clamp(v, -FX_FIXED_MOST, FX_FIXED_MOST);
}

/* A product of two fixed numbers, or a sum of two, as a fixed number; |product| < 2^62 */
static inline int32_t fx_fix(int64_t product)
{
    return fx_fixed(fx_shift(product, FX_FIXED_BITS));
}

static inline uint8_t fx_u8(int64_t v, int32_t low, int32_t high)
{
    return (uint8_t)fx_clamp(v, low, high);
}

/* f32 limits; a NaN passes */
static inline float fx_clip(float v, float low, float high)
{
    v = v < low ? low : v;
    return v > high ? high : v;
}

/* Code of a real: x / scale + zero in f32, rounded half up, saturated; NaN gives 0. */
static inline int32_t fx_quantize(float x, float scale, float zero, int32_t top)
{
    const float t = x / scale + zero;
    if (!(t > 0.0f))
        return 0;
    if (t >= (float)top)
        return top;
    const int32_t whole = (int32_t)t;
    return whole + (t - (float)whole >= 0.5f);
}

static inline float fx_dequantize(int32_t q, float scale, float zero)
{
    return scale * ((float)q - zero);
}

#endif
