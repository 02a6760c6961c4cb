/* linear.h of 64 codes at a time, for AVX-512 VNNI. */
#ifndef MAGIK_LINEAR_VNNI_H
#define MAGIK_LINEAR_VNNI_H

#include "linear.h"
#include "requant_vnni.h"

static inline __m512i linear_sum(const struct linear *l, __m512i ab)
{
    const __m512i high = _mm512_dpwssd_epi32(_mm512_set1_epi32(l->k_high), ab, _mm512_set1_epi32(l->high));
    const __m512i low = _mm512_dpwssd_epi32(_mm512_set1_epi32(l->k_low), ab, _mm512_set1_epi32(l->low));
    return _mm512_sra_epi32(_mm512_add_epi32(high, _mm512_srai_epi32(low, 16)), _mm_cvtsi32_si128(l->shift));
}

/* Codes of 64 pairs of codes. */
static inline __m512i linear_codes(const struct linear *l, const struct requant_codes *c, __m512i a, __m512i b)
{
    const __m512i none = _mm512_setzero_si512(), first = _mm512_unpacklo_epi8(a, b), second = _mm512_unpackhi_epi8(a, b);
    return requant_pack_quarters(c, linear_sum(l, _mm512_unpacklo_epi8(first, none)), linear_sum(l, _mm512_unpackhi_epi8(first, none)),
                                 linear_sum(l, _mm512_unpacklo_epi8(second, none)), linear_sum(l, _mm512_unpackhi_epi8(second, none)));
}

#endif
