/* Rescaling and saturating of 32-bit sums with MSA: the bits of fx_u8(fx_rescale(acc, m, s) + zero, low, high). */
#ifndef MAGIK_REQUANT_MSA_H
#define MAGIK_REQUANT_MSA_H

#include <msa.h>

#include "fixed.h"
#include "op.h"

/* Limits less the zero point, and the zero point, which is added to bytes modulo 256. */
struct codes_msa {
    v4i32 low, high;
    v16i8 zero;
};

/* low <= high: with them the other way about, which only a hostile file has, the portable kernel decides. */
static inline struct codes_msa codes_msa(int32_t y_zero, int32_t low, int32_t high)
{
    return (struct codes_msa){__msa_fill_w(low - y_zero), __msa_fill_w(high - y_zero), __msa_fill_b(y_zero)};
}

/* Whether rescale_quick_msa covers m and s: floor(acc * m / 2^31) is then a whole number of rounding's steps. */
static inline int is_quick_msa(int32_t m, int32_t s)
{
    return s >= 32 && m != INT32_MIN;
}

/* acc * m / 2^s, rounded half up, s given less 31: cut off at 2^31 first, which is exact from s = 32 up. */
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

/* 16 codes of what limit_msa left. */
static inline v16i8 pack_msa(v4i32 a, v4i32 b, v4i32 c, v4i32 d, const struct codes_msa *q)
{
    const v8i16 low = __msa_pckev_h((v8i16)b, (v8i16)a), high = __msa_pckev_h((v8i16)d, (v8i16)c);
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

#endif
