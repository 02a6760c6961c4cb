/* Rescaling and saturating of 32-bit sums with MSA: the bits of fx_u8(fx_rescale(acc, m, s) + zero, low, high). */
#ifndef MAGIK_REQUANT_MSA_H
#define MAGIK_REQUANT_MSA_H

#include <msa.h>

#include "fixed.h"
#include "op.h"

/* acc + the products of a and b in pairs. An instruction by name: GCC's __msa_dpadd_s_w writes its sum over the
 * variable that acc comes from, even where that is used again. */
static inline v4i32 dpadd_msa(v4i32 acc, v8i16 a, v8i16 b)
{
    __asm__("dpadd_s.w %w0,%w1,%w2" : "+f"(acc) : "f"(a), "f"(b));
    return acc;
}

/* Limits less the zero point, and the zero point, which is added to bytes modulo 256. */
struct codes_msa {
    v4i32 low, high;
    v8i16 half_low, half_high;
    v16i8 zero;
};

/* low <= high: with them the other way about, which only a hostile file has, the portable kernel decides. */
static inline struct codes_msa codes_msa(int32_t y_zero, int32_t low, int32_t high)
{
    return (struct codes_msa){__msa_fill_w(low - y_zero), __msa_fill_w(high - y_zero), __msa_fill_h(low - y_zero),
                              __msa_fill_h(high - y_zero), __msa_fill_b(y_zero)};
}

/* Whether rescale_quick_msa covers m and s, |acc| <= most, and gives numbers of 16 bits. */
static inline int is_quick_msa(int32_t m, int32_t s, int64_t most)
{
    const int64_t size = m < 0 ? -(int64_t)m : m;
    return s >= 32 && s <= FX_MAX_SHIFT && m != INT32_MIN && most < INT32_MAX && most * size >> s < INT16_MAX;
}

/* acc * m / 2^s, rounded half up, s given less 31: cut off at 2^31 first, which loses nothing from s = 32 up. */
static inline v4i32 rescale_quick_msa(v4i32 acc, v4i32 m, v4i32 s)
{
    return __msa_srar_w(__msa_mul_q_w(acc, m), s);
}

/* The same for any m and s (as it is), in 64 bits; saturated to 32 bits, beyond which no code lies. */
static inline v4i32 rescale_wide_msa(v4i32 acc, v4i32 m, v4i32 s)
{
    const v4i32 zero = __msa_ldi_w(0);
    const v2i64 even = __msa_dotp_s_d(acc, __msa_ilvev_w(zero, m)), odd = __msa_dotp_s_d(acc, __msa_ilvod_w(m, zero));
    const v2i64 low = __msa_sat_s_d(__msa_srar_d(even, (v2i64)s), 31);
    const v2i64 high = __msa_sat_s_d(__msa_srar_d(odd, (v2i64)__msa_ilvod_w(s, s)), 31);
    return __msa_ilvev_w((v4i32)high, (v4i32)low);
}

static inline v4i32 limit_msa(v4i32 v, const struct codes_msa *q)
{
    return __msa_min_s_w(__msa_max_s_w(v, q->low), q->high);
}

/* 16 codes of numbers of 16 bits. */
static inline v16i8 pack_msa(v4i32 a, v4i32 b, v4i32 c, v4i32 d, const struct codes_msa *q)
{
    v8i16 low = __msa_pckev_h((v8i16)b, (v8i16)a), high = __msa_pckev_h((v8i16)d, (v8i16)c);
    low = __msa_min_s_h(__msa_max_s_h(low, q->half_low), q->half_high);
    high = __msa_min_s_h(__msa_max_s_h(high, q->half_low), q->half_high);
    return __msa_addv_b(__msa_pckev_b((v16i8)high, (v16i8)low), q->zero);
}

/* The first `count` bytes, [1, 16]. */
static inline void store_msa(v16i8 v, uint8_t *y, int32_t count)
{
    if (count == 16) {
        __msa_st_b(v, y, 0);
        return;
    }
    if (count & 8) {
        const int32_t two[2] = {__msa_copy_s_w((v4i32)v, 0), __msa_copy_s_w((v4i32)v, 1)};
        memcpy(y, two, sizeof two);
        v = (v16i8)__msa_splati_d((v2i64)v, 1);
        y += 8;
    }
    if (count & 4) {
        const int32_t one = __msa_copy_s_w((v4i32)v, 0);
        memcpy(y, &one, sizeof one);
        v = (v16i8)__msa_splati_w((v4i32)v, 1);
        y += 4;
    }
    uint32_t rest = (uint32_t)__msa_copy_s_w((v4i32)v, 0);
    for (int32_t i = 0; i < (count & 3); i++, rest >>= 8)
        y[i] = (uint8_t)rest;
}

/* The first `count` bytes, [0, 16], then zeros. */
static inline v16i8 load_msa(const void *x, int32_t count)
{
    if (count == 16)
        return __msa_ld_b((void *)(uintptr_t)x, 0);
    int8_t room[16] = {0};
    memcpy(room, x, (size_t)count);
    return __msa_ld_b(room, 0);
}

/* Elements [i, i + count) of an operand, count in [1, 16]; with a step of 0 they are all the first. */
static inline v16i8 operand_msa(const uint8_t *at, int32_t step, int32_t i, int32_t count)
{
    return step != 0 ? load_msa(at + i, count) : __msa_fill_b(at[0]);
}

#define OPERANDS_AT_MSA(run, EXPRESSION, some)                                                                         \
    do {                                                                                                               \
        const v16i8 a = operand_msa((run)->a, a_step, i, some), b = operand_msa((run)->b, b_step, i, some);            \
        store_msa(EXPRESSION, (run)->y + i, some);                                                                     \
    } while (0)

/* Body of a codes_walk's function: 16 codes, EXPRESSION of the vectors a and b, after the others. */
#define OPERANDS_MSA(run, EXPRESSION)                                                                                  \
    do {                                                                                                               \
        const int32_t a_step = (run)->a_step, b_step = (run)->b_step, count = (run)->count;                            \
        int32_t i = 0;                                                                                                 \
        for (; i + 16 <= count; i += 16)                                                                               \
            OPERANDS_AT_MSA(run, EXPRESSION, 16);                                                                      \
        if (i < count)                                                                                                 \
            OPERANDS_AT_MSA(run, EXPRESSION, count - i);                                                               \
    } while (0)

#endif
