/* Weights of Conv, ConvTranspose, DepthwiseConv and Gemm: f32, s8, in kernels u8_s16 s16, in those of u8_twice and u16
 * either; and the sums of their products. */
#ifndef MAGIK_WEIGHTS_H
#define MAGIK_WEIGHTS_H

#include "fixed.h"
#include "op.h"

/* The largest bias of s64. A tensor has less than 2^29 elements and a product less than 31 bits: no sum reaches 2^61. */
#define WEIGHTS_BIAS ((int64_t)1 << 53)

/* Number i of a bias of s64, which a file aligns to 4 bytes. */
static inline int64_t weights_long(const struct magik_tensor *b, int32_t i)
{
    int64_t v;
    memcpy(&v, (const uint8_t *)b->data + sizeof v * (size_t)i, sizeof v);
    return v;
}

/* Whether a kernel on u16 takes a bias: one of s64 asks for sums in 64 bits. */
static inline int weights_bias_fits(const struct magik_tensor *b)
{
    for (int32_t i = 0; b->dtype == MAGIK_S64 && i < b->count; i++)
        if (weights_long(b, i) < -WEIGHTS_BIAS || weights_long(b, i) > WEIGHTS_BIAS)
            return 0;
    return b->dtype == MAGIK_S32 || (b->dtype == MAGIK_S64 && b->is_constant);
}

/* Whether x, weights and bias, the first three inputs, hold what the kernel's name says. */
static inline int weights_fit(const struct magik_step *n)
{
    const int32_t x = n->in[0]->dtype, w = n->in[1]->dtype, b = n->in[2]->dtype;
    if (n->dtype == MAGIK_F32)
        return x == MAGIK_F32 && w == MAGIK_F32 && b == MAGIK_F32;
    if (n->dtype == MAGIK_U16)
        return x == MAGIK_U16 && (w == MAGIK_S8 || w == MAGIK_S16) && weights_bias_fits(n->in[2]);
    const int is_wide = n->dtype == MAGIK_U8_S16 || (n->dtype == MAGIK_U8_TWICE && w == MAGIK_S16);
    return x == MAGIK_U8 && w == (is_wide ? MAGIK_S16 : MAGIK_S8) && b == MAGIK_S32;
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

/* A sum in units of y's scale, rounded as the kernel's name says. */
static inline int64_t weights_rescale(const struct magik_step *n, int32_t acc, int32_t m, int32_t s)
{
    return fx_rescale_as(acc, m, s, n->dtype == MAGIK_U8_TWICE);
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

/* The products of `count` codes of u16 less `zero` and weights side by side, each less than 2^31. Sums of s8 take 32 bits
 * for 256 of them; those of s16 take 64 if `is_long`, else lowering proves that 32 do. */
static inline int64_t weights_dot_u16(struct weights w, const uint16_t *x, int32_t zero, int32_t count, int is_long)
{
    const int16_t *wide = w.codes;
    const int8_t *narrow = w.codes;
    int64_t sum = 0;
    int32_t acc = 0;
    if (w.is_wide && is_long) {
        for (int32_t i = 0; i < count; i++)
            sum += (x[i] - zero) * wide[i];
        return sum;
    }
    if (w.is_wide) {
        for (int32_t i = 0; i < count; i++)
            acc = fx_mac(acc, x[i] - zero, wide[i]);
        return acc;
    }
    for (int32_t from = 0; from < count; from += 256, sum += acc, acc = 0) {
        const int32_t end = count - from < 256 ? count : from + 256;
        for (int32_t i = from; i < end; i++)
            acc += (x[i] - zero) * narrow[i];
    }
    return sum;
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

/* Of a body that kernels on u8 and u16 share: only so are the members of `struct sums` constants in each. */
#define SUMS_INLINE static inline __attribute__((always_inline))

/* What differs between kernels on u8, whose sums are those of s32, and on u16. */
struct sums {
    const struct magik_step *n;
    int32_t is_wide; /* u16 */
    int32_t is_long; /* 64 bits */
};

static inline struct sums sums_of(const struct magik_step *n)
{
    return (struct sums){n, n->dtype == MAGIK_U16, n->in[2]->dtype == MAGIK_S64};
}

/* Number i of the bias. */
static inline int64_t sums_bias(struct sums s, int32_t i)
{
    return s.is_long ? weights_long(s.n->in[2], i) : ((const int32_t *)s.n->in[2]->data)[i];
}

/* x from code i on. */
static inline const void *sums_from(struct sums s, const void *x, int32_t i)
{
    return (const uint8_t *)x + (s.is_wide ? 2 * i : i);
}

/* y from code i on. */
static inline void *sums_to(struct sums s, int32_t i)
{
    return (uint8_t *)s.n->out[0]->data + (s.is_wide ? 2 * i : i);
}

/* Make `count` codes all `code`. */
static inline void sums_fill(struct sums s, void *to, int32_t code, int32_t count)
{
    if (!s.is_wide) {
        memset(to, code, (size_t)count);
        return;
    }
    for (int32_t i = 0; i < count; i++)
        ((uint16_t *)to)[i] = (uint16_t)code;
}

/* The products of `count` codes less `zero` and weights side by side. */
static inline int64_t sums_dot(struct sums s, struct weights w, const void *x, int32_t zero, int32_t count)
{
    return s.is_wide ? weights_dot_u16(w, x, zero, count, s.is_long) : weights_dot(w, x, zero, count, 0);
}

/* A sum in units of y's scale; on u8 it wraps to 32 bits, where no file but a hostile one has more. */
static inline int64_t sums_rescale(struct sums s, int64_t acc, int32_t m, int32_t shift)
{
    return s.is_wide ? fx_rescale_wide(acc, m, shift) : weights_rescale(s.n, (int32_t)acc, m, shift);
}

#endif
