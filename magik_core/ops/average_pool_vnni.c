/* AveragePool with AVX-512. */
#include "average.h"
#include "requant_vnni.h"

/* fx_average of 8 sums. The quotient in f64 is within 2^-29 of the true one, which is whole or 2^-22 from a whole one. */
static inline __m256i mean(__m256i acc, __m512d taps, __m512d half)
{
    const __m512d total = _mm512_add_pd(_mm512_mul_pd(_mm512_cvtepi32_pd(acc), _mm512_set1_pd(1 << FX_AVERAGE_BITS)), half);
    return _mm512_cvt_roundpd_epi32(_mm512_div_pd(total, taps), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

static void finish(const struct average_params *p, const int32_t *acc, int32_t count, int32_t taps, uint8_t *y)
{
    const struct requant q = requant_same(p->multiplier, p->shift, p->y_zero);
    const struct requant_codes codes = requant_codes(0, p->top_code);
    const __m512d by = _mm512_set1_pd(taps), half = _mm512_set1_pd(taps >> 1);
    for (int32_t i = 0; i < count; i += 16) {
        const __m512i v = _mm512_loadu_si512(acc + i);
        const __m256i low = mean(_mm512_castsi512_si256(v), by, half), high = mean(_mm512_extracti64x4_epi64(v, 1), by, half);
        const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        const __mmask16 mask = (__mmask16)(count - i < 16 ? (1 << (count - i)) - 1 : 0xffff);
        _mm_mask_storeu_epi8(y + i, mask, requant_pack16(&codes, requant_rescale(&q, both)));
    }
}

void magik_average_pool_u8_vnni(const struct magik_step *n)
{
    average_run(n, finish);
}
