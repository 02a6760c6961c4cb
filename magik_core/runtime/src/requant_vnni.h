/* fx_u8(fx_rescale(acc, m, s) + zero, low, high) of 16 sums at a time, bit for bit, for any m and s that a check lets
 * pass and low <= high; for AVX-512. */
#ifndef MAGIK_REQUANT_VNNI_H
#define MAGIK_REQUANT_VNNI_H

#include <immintrin.h>
#include <stdint.h>

/* Multipliers, the odd ones also where a product of 64 bits takes its factor; shifts; what is added before. The sum of the
 * upper halves of a product and of 2^(s - 1) + zero * 2^s, shifted by the rest of s, has no carry to miss, as their lower
 * halves are 0 for s in [33, 54]: that leaves room for the sum, too. */
struct requant {
    __m512i m, m_odd, add, shift;
    int32_t zero;
    int is_wide; /* some s is not of these: the whole in 64 bits */
};

/* The limits of y's codes in u8 */
struct requant_codes {
    __m512i low, high;
};

static inline struct requant requant_of(__m512i m, __m512i shift, int32_t zero)
{
    const __m512i one = _mm512_set1_epi32(1), rest = _mm512_sub_epi32(shift, _mm512_set1_epi32(32));
    struct requant q = {.m = m, .m_odd = _mm512_srli_epi64(m, 32), .zero = zero};
    q.add = _mm512_add_epi32(_mm512_sllv_epi32(one, _mm512_sub_epi32(rest, one)), _mm512_sllv_epi32(_mm512_set1_epi32(zero), rest));
    q.is_wide = _mm512_cmpgt_epu32_mask(_mm512_sub_epi32(shift, _mm512_set1_epi32(33)), _mm512_set1_epi32(21)) != 0;
    q.shift = q.is_wide ? shift : rest;
    return q;
}

/* Of channels: one multiplier and one shift for each lane of `lanes`; the others are not read. */
static inline struct requant requant_load(const int32_t *m, const int32_t *shift, int32_t zero, __mmask16 lanes)
{
    return requant_of(_mm512_maskz_loadu_epi32(lanes, m), _mm512_mask_loadu_epi32(_mm512_set1_epi32(54), lanes, shift), zero);
}

static inline struct requant requant_same(int32_t m, int32_t shift, int32_t zero)
{
    return requant_of(_mm512_set1_epi32(m), _mm512_set1_epi32(shift), zero);
}

static inline struct requant_codes requant_codes(int32_t low, int32_t high)
{
    return (struct requant_codes){_mm512_set1_epi8((char)low), _mm512_set1_epi8((char)high)};
}

/* fx_shift(v, shift), within +-2^30. */
static inline __m512i requant_wide(__m512i v, __m512i shift)
{
    const __m512i most = _mm512_set1_epi64(1 << 30), least = _mm512_set1_epi64(-(1 << 30));
    v = _mm512_srav_epi64(_mm512_add_epi64(v, _mm512_srli_epi64(_mm512_sllv_epi64(_mm512_set1_epi64(1), shift), 1)), shift);
    return _mm512_max_epi64(_mm512_min_epi64(v, most), least);
}

/* fx_rescale + zero of 16 sums where q is not wide. */
static inline __m512i requant_narrow(const struct requant *q, __m512i acc)
{
    const __m512i even = _mm512_mul_epi32(acc, q->m), odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), q->m_odd);
    const __m512i two = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    return _mm512_srav_epi32(_mm512_add_epi32(two, q->add), q->shift);
}

/* The same for any q; where it exceeds +-2^30, a number past the same end of s16. */
static inline __m512i requant_rescale(const struct requant *q, __m512i acc)
{
    if (!q->is_wide)
        return requant_narrow(q, acc);
    const __m512i even = _mm512_mul_epi32(acc, q->m), odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), q->m_odd);
    const __m512i odd_shift = _mm512_srli_epi64(q->shift, 32), shift = _mm512_and_si512(q->shift, _mm512_set1_epi64(0xff));
    const __m512i two = _mm512_mask_shuffle_epi32(requant_wide(even, shift), 0xaaaa, requant_wide(odd, odd_shift), _MM_PERM_CCAA);
    return _mm512_add_epi32(two, _mm512_set1_epi32(q->zero));
}

/* Codes of 4 x 16 rescaled sums: 16 bytes of the first quarters of all, of the second, ... */
static inline __m512i requant_pack_quarters(const struct requant_codes *c, __m512i v0, __m512i v1, __m512i v2, __m512i v3)
{
    const __m512i one = _mm512_packs_epi32(v0, v1);
    const __m512i two = _mm512_packs_epi32(v2, v3);
    const __m512i v = _mm512_packus_epi16(one, two);
    return _mm512_min_epu8(_mm512_max_epu8(v, c->low), c->high);
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
    const __m256i two = _mm512_cvtsepi32_epi16(v);
    const __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    return _mm_min_epu8(_mm_max_epu8(codes, _mm512_castsi512_si128(c->low)), _mm512_castsi512_si128(c->high));
}

#endif
