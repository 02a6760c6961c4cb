/* fx_u8(fx_rescale(acc, m, s) + zero, low, high) of 8 sums at a time, bit for bit and for any m and s that a
 * check lets pass; for AVX2. */
#ifndef MAGIK_REQUANT_AVX2_H
#define MAGIK_REQUANT_AVX2_H

#include <immintrin.h>
#include <stdint.h>

/* Multipliers and shifts of 8 sums; the odd ones moved to where a product of 64 bits takes its factor. */
struct requant {
    __m256i m, m_odd, half, half_odd, shift;
    int is_wide; /* a shift below 32: a result may need more than 32 bits */
};

/* y's zero point in s16, and the limits of its codes in u8 */
struct requant_codes {
    __m256i zero, low, high;
};

static inline struct requant requant_of(__m256i m, __m256i shift)
{
    const __m256i one = _mm256_set1_epi64x(1), before = _mm256_sub_epi32(shift, _mm256_set1_epi32(1));
    struct requant q = {.m = m, .m_odd = _mm256_srli_epi64(m, 32)};
    q.half = _mm256_sllv_epi64(one, _mm256_and_si256(before, _mm256_set1_epi64x(0xff)));
    q.half_odd = _mm256_sllv_epi64(one, _mm256_srli_epi64(before, 32));
    q.is_wide = _mm256_movemask_epi8(_mm256_cmpgt_epi32(_mm256_set1_epi32(32), shift)) != 0;
    q.shift = q.is_wide ? shift : _mm256_sub_epi32(shift, _mm256_set1_epi32(32));
    return q;
}

/* Of `count` channels, [1, 8]; what lies behind them is not read. */
static inline struct requant requant_load(const int32_t *m, const int32_t *shift, int32_t count)
{
    const __m256i lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256i shifts = _mm256_blendv_epi8(_mm256_set1_epi32(62), _mm256_maskload_epi32(shift, lanes), lanes);
    return requant_of(_mm256_maskload_epi32(m, lanes), shifts);
}

static inline struct requant requant_same(int32_t m, int32_t shift)
{
    return requant_of(_mm256_set1_epi32(m), _mm256_set1_epi32(shift));
}

static inline struct requant_codes requant_codes(int32_t zero, int32_t low, int32_t high)
{
    return (struct requant_codes){_mm256_set1_epi16((short)zero), _mm256_set1_epi8((char)low), _mm256_set1_epi8((char)high)};
}

/* v >> shift, within +-2^30. AVX2 has no arithmetic shift of 64 bits: one of v + 2^63, and what that added. */
static inline __m256i requant_shift_wide(__m256i v, __m256i shift)
{
    const __m256i most = _mm256_set1_epi64x(1 << 30), least = _mm256_set1_epi64x(-(1 << 30));
    const __m256i top = _mm256_set1_epi64x(INT64_MIN);
    v = _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_xor_si256(v, top), shift), _mm256_srlv_epi64(top, shift));
    v = _mm256_blendv_epi8(v, most, _mm256_cmpgt_epi64(v, most));
    return _mm256_blendv_epi8(v, least, _mm256_cmpgt_epi64(least, v));
}

/* fx_rescale of 8 sums; where it exceeds +-2^30, a number past the same end of s16. */
static inline __m256i requant_rescale(const struct requant *q, __m256i acc)
{
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, q->m), q->half);
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), q->m_odd), q->half_odd);
    if (q->is_wide) {
        const __m256i two = requant_shift_wide(even, _mm256_and_si256(q->shift, _mm256_set1_epi64x(0xff)));
        const __m256i other = requant_shift_wide(odd, _mm256_srli_epi64(q->shift, 32));
        return _mm256_blend_epi32(two, _mm256_slli_epi64(other, 32), 0xaa);
    }
    return _mm256_srav_epi32(_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa), q->shift);
}

/* Codes of 4 x 8 rescaled sums: 16 bytes of the first halves of all, and of the second. */
static inline __m256i requant_pack_halves(const struct requant_codes *c, __m256i v0, __m256i v1, __m256i v2, __m256i v3)
{
    const __m256i one = _mm256_adds_epi16(_mm256_packs_epi32(v0, v1), c->zero);
    const __m256i two = _mm256_adds_epi16(_mm256_packs_epi32(v2, v3), c->zero);
    const __m256i v = _mm256_packus_epi16(one, two);
    const __m256i is_above = _mm256_cmpeq_epi8(_mm256_max_epu8(v, c->low), v);
    return _mm256_blendv_epi8(c->low, _mm256_min_epu8(v, c->high), is_above);
}

/* Codes of 4 x 8 rescaled sums, in their order. */
static inline __m256i requant_pack32(const struct requant_codes *c, __m256i v0, __m256i v1, __m256i v2, __m256i v3)
{
    return _mm256_permutevar8x32_epi32(requant_pack_halves(c, v0, v1, v2, v3), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Codes of 8 rescaled sums, in the low half. */
static inline __m128i requant_pack8(const struct requant_codes *c, __m256i v)
{
    const __m128i low = _mm256_castsi256_si128(c->low), high = _mm256_castsi256_si128(c->high);
    const __m128i two = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    const __m128i codes = _mm_packus_epi16(_mm_adds_epi16(two, _mm256_castsi256_si128(c->zero)), _mm_setzero_si128());
    const __m128i is_above = _mm_cmpeq_epi8(_mm_max_epu8(codes, low), codes);
    return _mm_blendv_epi8(low, _mm_min_epu8(codes, high), is_above);
}

#endif
