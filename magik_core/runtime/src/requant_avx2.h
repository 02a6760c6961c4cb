/* fx_u8(fx_rescale(acc, m, s) + zero, low, high) of 8 sums at a time, bit for bit, for any m and s that a check lets
 * pass and low <= high; for AVX2. */
#ifndef MAGIK_REQUANT_AVX2_H
#define MAGIK_REQUANT_AVX2_H

#include <immintrin.h>
#include <stdint.h>

/* Multipliers, the odd ones also where a product of 64 bits takes its factor; shifts; what is added before. The sum of the
 * upper halves of a product and of 2^(s - 1) + zero * 2^s, shifted by the rest of s, has no carry to miss, as their lower
 * halves are 0 for s in [33, 54]: that leaves room for the sum, too. */
struct requant {
    __m256i m, m_odd, add, shift;
    int32_t zero;
    int is_wide; /* some s is not of these: the whole in 64 bits */
};

/* The limits of y's codes in u8 */
struct requant_codes {
    __m256i low, high;
};

static inline struct requant requant_of(__m256i m, __m256i shift, int32_t zero)
{
    const __m256i one = _mm256_set1_epi32(1), rest = _mm256_sub_epi32(shift, _mm256_set1_epi32(32));
    struct requant q = {.m = m, .m_odd = _mm256_srli_epi64(m, 32), .zero = zero};
    q.add = _mm256_add_epi32(_mm256_sllv_epi32(one, _mm256_sub_epi32(rest, one)), _mm256_sllv_epi32(_mm256_set1_epi32(zero), rest));
    q.is_wide = _mm256_movemask_epi8(_mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(33), shift), _mm256_cmpgt_epi32(shift, _mm256_set1_epi32(54)))) != 0;
    q.shift = q.is_wide ? shift : rest;
    return q;
}

/* Of `count` channels, [1, 8]; what lies behind them is not read. */
static inline struct requant requant_load(const int32_t *m, const int32_t *shift, int32_t zero, int32_t count)
{
    const __m256i lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256i shifts = _mm256_blendv_epi8(_mm256_set1_epi32(54), _mm256_maskload_epi32(shift, lanes), lanes);
    return requant_of(_mm256_maskload_epi32(m, lanes), shifts, zero);
}

static inline struct requant requant_same(int32_t m, int32_t shift, int32_t zero)
{
    return requant_of(_mm256_set1_epi32(m), _mm256_set1_epi32(shift), zero);
}

static inline struct requant_codes requant_codes(int32_t low, int32_t high)
{
    return (struct requant_codes){_mm256_set1_epi8((char)low), _mm256_set1_epi8((char)high)};
}

/* fx_shift(v, shift), within +-2^30. AVX2 has no arithmetic shift of 64 bits: one of v + 2^63, and what that added. */
static inline __m256i requant_wide(__m256i v, __m256i shift)
{
    const __m256i most = _mm256_set1_epi64x(1 << 30), least = _mm256_set1_epi64x(-(1 << 30));
    const __m256i one = _mm256_set1_epi64x(1), top = _mm256_set1_epi64x(INT64_MIN);
    v = _mm256_add_epi64(v, _mm256_srli_epi64(_mm256_sllv_epi64(one, shift), 1));
    v = _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_xor_si256(v, top), shift), _mm256_srlv_epi64(top, shift));
    v = _mm256_blendv_epi8(v, most, _mm256_cmpgt_epi64(v, most));
    return _mm256_blendv_epi8(v, least, _mm256_cmpgt_epi64(least, v));
}

/* fx_rescale + zero of 8 sums where q is not wide. */
static inline __m256i requant_narrow(const struct requant *q, __m256i acc)
{
    const __m256i even = _mm256_mul_epi32(acc, q->m), odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), q->m_odd);
    const __m256i two = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_srav_epi32(_mm256_add_epi32(two, q->add), q->shift);
}

/* The same for any q; where it exceeds +-2^30, a number past the same end of s16. */
static inline __m256i requant_rescale(const struct requant *q, __m256i acc)
{
    if (!q->is_wide)
        return requant_narrow(q, acc);
    const __m256i even = _mm256_mul_epi32(acc, q->m), odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), q->m_odd);
    const __m256i odd_shift = _mm256_srli_epi64(q->shift, 32), shift = _mm256_and_si256(q->shift, _mm256_set1_epi64x(0xff));
    const __m256i two = _mm256_blend_epi32(requant_wide(even, shift), _mm256_slli_epi64(requant_wide(odd, odd_shift), 32), 0xaa);
    return _mm256_add_epi32(two, _mm256_set1_epi32(q->zero));
}

/* Codes of 4 x 8 rescaled sums: 16 bytes of the first halves of all, and of the second. */
static inline __m256i requant_pack_halves(const struct requant_codes *c, __m256i v0, __m256i v1, __m256i v2, __m256i v3)
{
    const __m256i one = _mm256_packs_epi32(v0, v1);
    const __m256i two = _mm256_packs_epi32(v2, v3);
    const __m256i v = _mm256_packus_epi16(one, two);
    return _mm256_min_epu8(_mm256_max_epu8(v, c->low), c->high);
}

/* Codes of 4 x 8 rescaled sums, in their order. */
static inline __m256i requant_pack32(const struct requant_codes *c, __m256i v0, __m256i v1, __m256i v2, __m256i v3)
{
    return _mm256_permutevar8x32_epi32(requant_pack_halves(c, v0, v1, v2, v3), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Codes of 8 rescaled sums, in the low half. */
static inline __m128i requant_pack8(const struct requant_codes *c, __m256i v)
{
    const __m128i two = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i codes = _mm_packus_epi16(two, two);
    return _mm_min_epu8(_mm_max_epu8(codes, _mm256_castsi256_si128(c->low)), _mm256_castsi256_si128(c->high));
}

#endif
