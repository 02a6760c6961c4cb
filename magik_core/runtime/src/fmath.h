/* Functions of f32 values without a math library; magik_core/fmath.py repeats every operation and
 * states the errors. Built with -ffp-contract=off: each operation is rounded to f32 by itself. */
#ifndef MAGIK_FMATH_H
#define MAGIK_FMATH_H

#include <stdint.h>
#include <string.h>

#define FM_LN2_HIGH 0.693359375f
#define FM_LN2_LOW -2.12194440e-4f
#define FM_INF fm_from_bits(0x7f800000u)
#define FM_NAN fm_from_bits(0x7fc00000u)

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

static inline float fm_abs(float v)
{
    return fm_from_bits(fm_bits(v) & 0x7fffffffu);
}

static inline float fm_copysign(float v, float sign)
{
    return fm_from_bits((fm_bits(v) & 0x7fffffffu) | (fm_bits(sign) & 0x80000000u));
}

static inline int fm_is_nan(float v)
{
    return v != v;
}

/* Polynomial of `count` coefficients, the highest power first. */
static inline float fm_polynomial(const float *c, int32_t count, float x)
{
    float p = c[0];
    for (int32_t i = 1; i < count; i++)
        p = p * x + c[i];
    return p;
}
#define FM_POLYNOMIAL(c, x) fm_polynomial(c, (int32_t)(sizeof(c) / sizeof *(c)), x)

/* Whole numbers; from 2^23 up every value is one. -0 stays. */
static inline float fm_floor(float v)
{
    if (!(fm_abs(v) < 8388608.0f))
        return v;
    const float whole = (float)(int32_t)v;
    return fm_copysign(whole > v ? whole - 1.0f : whole, v);
}

static inline float fm_ceil(float v)
{
    return -fm_floor(-v);
}

/* Nearest, ties to even. */
static inline float fm_round(float v)
{
    if (!(fm_abs(v) < 8388608.0f))
        return v;
    return fm_copysign((fm_abs(v) + 8388608.0f) - 8388608.0f, v);
}

static inline float fm_exp(float x)
{
    static const float c[] = {1.9875691e-4f, 1.3981999e-3f, 8.3334519e-3f, 4.1665796e-2f, 1.6666666e-1f, 0.5f};
    if (fm_is_nan(x))
        return x;
    if (x > 88.0f)
        return FM_INF;
    if (x < -87.0f)
        return 0.0f;
    const float n = fm_floor(x * 1.44269504f + 0.5f);
    const float r = (x - n * FM_LN2_HIGH) - n * FM_LN2_LOW;
    const float y = (FM_POLYNOMIAL(c, r) * (r * r) + r) + 1.0f;
    return y * fm_from_bits((uint32_t)((int32_t)n + 127) << 23);
}

static inline float fm_log(float x)
{
    static const float c[] = {7.0376836e-2f, -1.1514610e-1f, 1.1676999e-1f, -1.2420141e-1f, 1.4249323e-1f,
                              -1.6668058e-1f, 2.0000715e-1f, -2.4999994e-1f, 3.3333331e-1f};
    if (fm_is_nan(x) || x == FM_INF)
        return x;
    if (!(x > 0.0f))
        return x == 0.0f ? -FM_INF : FM_NAN;
    const int is_small = x < fm_from_bits(0x00800000u);
    const uint32_t bits = fm_bits(is_small ? x * 8388608.0f : x);
    int32_t e = (int32_t)(bits >> 23) - (is_small ? 149 : 126);
    float m = fm_from_bits((bits & 0x7fffffu) | 0x3f000000u);
    const int is_low = m < 0.707106781f;
    e -= is_low;
    m = (is_low ? m + m : m) - 1.0f;
    const float n = (float)e, z = m * m;
    float y = (FM_POLYNOMIAL(c, m) * m) * z;
    y = (y + n * FM_LN2_LOW) - 0.5f * z;
    return (m + y) + n * FM_LN2_HIGH;
}

/* floor(sqrt(v)) for v < 2^50 */
static inline uint32_t fm_whole_root(uint64_t v)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 48; bit != 0; bit >>= 2) {
        const uint64_t with = root + bit;
        root >>= 1;
        if (v >= with) {
            v -= with;
            root += bit;
        }
    }
    return (uint32_t)root;
}

/* Correctly rounded: the root of a mantissa to 25 bits is never a tie. */
static inline float fm_sqrt(float x)
{
    if (fm_is_nan(x) || x == 0.0f || x == FM_INF)
        return x;
    if (x < 0.0f)
        return FM_NAN;
    const int is_small = x < fm_from_bits(0x00800000u);
    const uint32_t bits = fm_bits(is_small ? x * 16777216.0f : x);
    const int32_t e = (int32_t)(bits >> 23) - 127 - (is_small ? 24 : 0), odd = e & 1;
    const uint64_t m = (uint64_t)((bits & 0x7fffffu) | 0x800000u) << (25 + odd);
    const uint32_t root = (fm_whole_root(m) + 1) >> 1; /* [2^23, 2^24] */
    return fm_from_bits(((uint32_t)((e - odd) / 2 + 126) << 23) + root);
}

static inline float fm_sigmoid(float x)
{
    return 1.0f / (1.0f + fm_exp(-x));
}

static inline float fm_tanh(float x)
{
    static const float c[] = {-5.7049887e-3f, 2.0639088e-2f, -5.3739715e-2f, 1.3331442e-1f, -3.3333282e-1f};
    if (fm_is_nan(x))
        return x;
    const float a = fm_abs(x), z = a * a;
    if (a < 0.625f)
        return fm_copysign((FM_POLYNOMIAL(c, z) * z) * a + a, x);
    return fm_copysign(1.0f - 2.0f / (fm_exp(a + a) + 1.0f), x);
}

static inline float fm_erf(float x)
{
    static const float low[] = {7.8891193e-5f, -8.0208411e-4f, 5.1895352e-3f, -2.6854444e-2f,
                                1.1283600e-1f, -3.7612626e-1f, 1.1283791f};
    static const float high[] = {1.8557490e-4f, -2.9396156e-3f, 2.1805352e-2f, -1.0303743e-1f,
                                 -6.3822562e-1f, -1.1270400f, -3.5370892e-4f};
    if (fm_is_nan(x))
        return x;
    const float a = fm_abs(x);
    if (a < 1.0f)
        return fm_copysign(a * FM_POLYNOMIAL(low, a * a), x);
    return fm_copysign(a < 4.0f ? 1.0f - fm_exp(FM_POLYNOMIAL(high, a)) : 1.0f, x);
}

/* ln(1 + u) for u in [0, 1] */
static inline float fm_log1p(float u)
{
    const float w = 1.0f + u;
    return w == 1.0f ? u : fm_log(w) * (u / (w - 1.0f));
}

static inline float fm_softplus(float x)
{
    if (fm_is_nan(x))
        return x;
    return (x > 0.0f ? x : 0.0f) + fm_log1p(fm_exp(-fm_abs(x)));
}

/* a^n, n in [1, 8] */
static inline float fm_whole_power(float a, int32_t n)
{
    float y = 1.0f;
    for (; n > 0; n >>= 1, a = a * a)
        y = n & 1 ? y * a : y;
    return y;
}

/* x^c, c finite */
static inline float fm_power(float x, float c)
{
    if (c == 0.0f)
        return 1.0f;
    if (fm_is_nan(x))
        return x;
    const float a = fm_abs(x), size = fm_abs(c);
    const int is_whole = fm_floor(size) == size;
    float y;
    if (size <= 8.0f && is_whole)
        y = fm_whole_power(a, (int32_t)size);
    else
        y = size == 0.5f ? fm_sqrt(a) : fm_exp(size * fm_log(a));
    if (c < 0.0f)
        y = 1.0f / y;
    if (!is_whole)
        return x < 0.0f && a != FM_INF ? FM_NAN : y;
    return size < 16777216.0f && ((int32_t)size & 1) ? fm_copysign(y, x) : y;
}

struct fm_quarters {
    float r;
    uint32_t n;
};

/* a = r + n pi/2 up to whole turns, r in [-pi/4, pi/4]; a finite, >= 0 */
static inline struct fm_quarters fm_quarters(float a)
{
    static const uint32_t two_over_pi[] = {0,           0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,
                                           0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu};
    if (a < 0.785398163f)
        return (struct fm_quarters){a, 0};
    const uint32_t bits = fm_bits(a), at = (bits >> 23) - 120, shift = at & 31;
    const uint64_t m = (bits & 0x7fffffu) | 0x800000u;
    const uint32_t *w = two_over_pi + (at >> 5);
    uint32_t window[3];
    for (int32_t i = 0; i < 3; i++)
        window[i] = (uint32_t)((((uint64_t)w[i] << 32 | w[i + 1]) << shift) >> 32);
    const uint64_t turn = m * ((uint64_t)window[0] << 32 | window[1]) + ((m * window[2]) >> 32);
    const uint32_t n = (uint32_t)((turn + ((uint64_t)1 << 61)) >> 62);
    const int64_t rest = (int64_t)(turn - ((uint64_t)n << 62));
    return (struct fm_quarters){(float)rest * 3.4061216748705226e-19f, n};
}

/* sin(r + n pi/2) */
static inline float fm_sin_of_quarter(float r, uint32_t n)
{
    static const float sine[] = {-1.9515296e-4f, 8.3321609e-3f, -1.6666655e-1f};
    static const float cosine[] = {2.4433157e-5f, -1.3887316e-3f, 4.1666646e-2f};
    const float z = r * r;
    const float y = n & 1 ? ((FM_POLYNOMIAL(cosine, z) * z) * z - 0.5f * z) + 1.0f : (FM_POLYNOMIAL(sine, z) * z) * r + r;
    return n & 2 ? -y : y;
}

static inline float fm_sin(float x)
{
    if (fm_is_nan(x))
        return x;
    if (fm_abs(x) == FM_INF)
        return FM_NAN;
    const struct fm_quarters q = fm_quarters(fm_abs(x));
    const float y = fm_sin_of_quarter(q.r, q.n);
    return fm_bits(x) >> 31 ? -y : y;
}

static inline float fm_cos(float x)
{
    if (fm_is_nan(x))
        return x;
    if (fm_abs(x) == FM_INF)
        return FM_NAN;
    const struct fm_quarters q = fm_quarters(fm_abs(x));
    return fm_sin_of_quarter(q.r, q.n + 1);
}

/* The largest of `size` values `step` apart; NaNs after the first are passed over. */
static inline float fm_largest(const float *x, int32_t size, int32_t step)
{
    float most = x[0];
    for (int32_t i = 1; i < size; i++)
        most = x[i * step] > most ? x[i * step] : most;
    return most;
}

#endif
