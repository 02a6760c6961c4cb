/* linear.h of 32 codes at a time, for AVX2. */
#ifndef MAGIK_LINEAR_AVX2_H
#define MAGIK_LINEAR_AVX2_H

#include "linear.h"
#include "requant_avx2.h"

static inline __m256i linear_sum(const struct linear *l, __m256i ab)
{
    const __m256i high = _mm256_add_epi32(_mm256_set1_epi32(l->k_high), _mm256_madd_epi16(ab, _mm256_set1_epi32(l->high)));
    const __m256i low = _mm256_add_epi32(_mm256_set1_epi32(l->k_low), _mm256_madd_epi16(ab, _mm256_set1_epi32(l->low)));
    return _mm256_sra_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(low, 16)), _mm_cvtsi32_si128(l->shift));
}

/* Codes of 32 pairs of codes. */
static inline __m256i linear_codes(const struct linear *l, const struct requant_codes *c, __m256i a, __m256i b)
{
    const __m256i none = _mm256_setzero_si256(), first = _mm256_unpacklo_epi8(a, b), second = _mm256_unpackhi_epi8(a, b);
    return requant_pack_halves(c, linear_sum(l, _mm256_unpacklo_epi8(first, none)), linear_sum(l, _mm256_unpackhi_epi8(first, none)),
                               linear_sum(l, _mm256_unpacklo_epi8(second, none)), linear_sum(l, _mm256_unpackhi_epi8(second, none)));
}

#endif
