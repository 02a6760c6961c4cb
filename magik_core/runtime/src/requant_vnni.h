/* fx_u8(fx_rescale(acc, m, s) + zero, low, high) of 16 sums at a time, bit for bit and for any m and s that a
 * check lets pass; for AVX-512. */
#ifndef MAGIK_REQUANT_VNNI_H
#define MAGIK_REQUANT_VNNI_H

#include <immintrin.h>
#include <stdint.h>

/* Multipliers and shifts of 16 sums; the odd ones moved to where a product of 64 bits takes its factor. */
struct requant {
    __m512i m, m_odd, half, half_odd, shift;
    int is_wide; /* a shift below 32: a result may need more than 32 bits */
};

/* y's zero point in s16, and the limits of its codes in u8 */
struct requant_codes {
    __m512i zero, low, high;
};

static inline struct requant requant_of(__m512i m, __m512i shift)
{
    const __m512i one = _mm512_set1_epi64(1), before = _mm512_sub_epi32(shift, _mm512_set1_epi32(1));
    struct requant q = {.m = m, .m_odd = _mm512_srli_epi64(m, 32)};
    q.half = _mm512_sllv_epi64(one, _mm512_and_si512(before, _mm512_set1_epi64(0xff)));
    q.half_odd = _mm512_sllv_epi64(one, _mm512_srli_epi64(before, 32));
    q.is_wide = _mm512_cmplt_epi32_mask(shift, _mm512_set1_epi32(32)) != 0;
    q.shift = q.is_wide ? shift : _mm512_sub_epi32(shift, _mm512_set1_epi32(32));
    return q;
}

/* Of channels: one multiplier and one shift for each lane of `lanes`; the others are not read. */
static inline struct requant requant_load(const int32_t *m, const int32_t *shift, __mmask16 lanes)
{
    return requant_of(_mm512_maskz_loadu_epi32(lanes, m), _mm512_mask_loadu_epi32(_mm512_set1_epi32(62), lanes, shift));
}

static inline struct requant requant_same(int32_t m, int32_t shift)
{
    return requant_of(_mm512_set1_epi32(m), _mm512_set1_epi32(shift));
}

static inline struct requant_codes requant_codes(int32_t zero, int32_t low, int32_t high)
{
    return (struct requant_codes){_mm512_set1_epi16((short)zero), _mm512_set1_epi8((char)low), _mm512_set1_epi8((char)high)};
}

/* v >> shift, within +-2^30 */
static inline __m512i requant_shift_wide(__m512i v, __m512i shift)
{
    const __m512i most = _mm512_set1_epi64(1 << 30), least = _mm512_set1_epi64(-(1 << 30));
    return _mm512_max_epi64(_mm512_min_epi64(_mm512_srav_epi64(v, shift), most), least);
}

/* fx_rescale of 16 sums; where it exceeds +-2^30, a number past the same end of s16. */
static inline __m512i requant_rescale(const struct requant *q, __m512i acc)
{
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, q->m), q->half);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), q->m_odd), q->half_odd);
    if (q->is_wide) {
        const __m512i two = requant_shift_wide(even, _mm512_and_si512(q->shift, _mm512_set1_epi64(0xff)));
        return _mm512_mask_shuffle_epi32(two, 0xaaaa, requant_shift_wide(odd, _mm512_srli_epi64(q->shift, 32)), _MM_PERM_CCAA);
    }
    return _mm512_srav_epi32(_mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB), q->shift);
}

/* Codes of 4 x 16 rescaled sums: 16 bytes of the first quarters of all, of the second, ... */
static inline __m512i requant_pack_quarters(const struct requant_codes *c, __m512i v0, __m512i v1, __m512i v2, __m512i v3)
{
    const __m512i one = _mm512_adds_epi16(_mm512_packs_epi32(v0, v1), c->zero);
    const __m512i two = _mm512_adds_epi16(_mm512_packs_epi32(v2, v3), c->zero);
    const __m512i v = _mm512_packus_epi16(one, two);
    return _mm512_mask_mov_epi8(_mm512_min_epu8(v, c->high), _mm512_cmplt_epu8_mask(v, c->low), c->low);
}

/* Codes of 4 x 16 rescaled sums, in their order. */
static inline __m512i requant_pack64(const struct requant_codes *c, __m512i v0, __m512i v1, __m512i v2, __m512i v3)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, requant_pack_quarters(c, v0, v1, v2, v3));
}

/* Codes of 16 rescaled sums. */
static inline __m128i requant_pack16(const struct requant_codes *c, __m512i v)
{
    const __m256i two = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(v), _mm512_castsi512_si256(c->zero));
    const __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    const __m128i low = _mm512_castsi512_si128(c->low), high = _mm512_castsi512_si128(c->high);
    return _mm_mask_mov_epi8(_mm_min_epu8(codes, high), _mm_cmplt_epu8_mask(codes, low), low);
}

#endif
