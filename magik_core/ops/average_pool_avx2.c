/* AveragePool with AVX2. */
#include "average.h"
#include "requant_avx2.h"

/* fx_average of 4 sums. The quotient in f64 is within 2^-29 of the true one, which is whole or 2^-22 from a whole one. */
static inline __m128i mean(const int32_t *acc, __m256d taps, __m256d half)
{
    const __m256d sums = _mm256_cvtepi32_pd(_mm_loadu_si128((const __m128i *)(const void *)acc));
    const __m256d total = _mm256_add_pd(_mm256_mul_pd(sums, _mm256_set1_pd(1 << FX_AVERAGE_BITS)), half);
    return _mm256_cvttpd_epi32(_mm256_floor_pd(_mm256_div_pd(total, taps)));
}

static void finish(const struct average_params *p, const int32_t *acc, int32_t count, int32_t taps, uint8_t *y)
{
    const struct requant q = requant_same(p->multiplier, p->shift, p->y_zero);
    const struct requant_codes codes = requant_codes(0, p->top_code);
    const __m256d by = _mm256_set1_pd(taps), half = _mm256_set1_pd(taps >> 1);
    for (int32_t i = 0; i < count; i += 8) {
        const __m256i means = _mm256_set_m128i(mean(acc + i + 4, by, half), mean(acc + i, by, half));
        uint8_t all[16];
        _mm_storeu_si128((__m128i *)(void *)all, requant_pack8(&codes, requant_rescale(&q, means)));
        memcpy(y + i, all, count - i < 8 ? (size_t)(count - i) : 8);
    }
}

void magik_average_pool_u8_avx2(const struct magik_step *n)
{
    average_run(n, finish);
}
