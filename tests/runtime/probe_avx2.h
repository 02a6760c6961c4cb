/* What requant.c tries: the vectors of AVX2. */
#include "linear_avx2.h"

enum { LANES = 8 };

struct trial {
    int32_t m[LANES], s[LANES], acc[4 * LANES], zero, low, high, count;
};

static void requant_probe(const struct trial *t, uint8_t *all, uint8_t *parts, uint8_t *one)
{
    const struct requant q = requant_load(t->m, t->s, t->zero, t->count);
    const struct requant_codes c = requant_codes(t->low, t->high);
    __m256i v[4];
    for (int32_t k = 0; k < 4; k++)
        v[k] = requant_rescale(&q, _mm256_loadu_si256((const __m256i *)(const void *)(t->acc + LANES * k)));
    _mm256_storeu_si256((__m256i *)(void *)all, requant_pack32(&c, v[0], v[1], v[2], v[3]));
    _mm256_storeu_si256((__m256i *)(void *)parts, requant_pack_halves(&c, v[0], v[1], v[2], v[3]));
    _mm_storeu_si128((__m128i *)(void *)one, requant_pack8(&c, v[0]));
}

static void linear_probe(const struct linear *l, const uint8_t *a, const uint8_t *b, uint8_t *y)
{
    const struct requant_codes c = requant_codes(0, 255);
    _mm256_storeu_si256((__m256i *)(void *)y, linear_codes(l, &c, _mm256_loadu_si256((const __m256i *)(const void *)(a)), _mm256_loadu_si256((const __m256i *)(const void *)(b))));
}
