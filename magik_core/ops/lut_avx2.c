/* Lut with AVX2: the table in 16 vectors, one of them chosen by the upper half of a code. */
#include <immintrin.h>

#include "op.h"

enum { ROWS = 16 };

/* Of the rows [2 * pair, 2 * pair + 2): the one that bit 4 of the codes says. */
static inline __m256i pair_of(const __m256i *rows, __m256i low, __m256i bit4, int32_t pair)
{
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(rows[2 * pair], low), _mm256_shuffle_epi8(rows[2 * pair + 1], low), bit4);
}

/* A blend goes by the top bit of each byte: shifts bring the bits of a code there. */
static inline __m256i look_up(const __m256i *rows, __m256i x)
{
    const __m256i low = _mm256_and_si256(x, _mm256_set1_epi8(15));
    const __m256i bit4 = _mm256_slli_epi16(x, 3), bit5 = _mm256_slli_epi16(x, 2), bit6 = _mm256_slli_epi16(x, 1);
    __m256i four[4];
    for (int32_t k = 0; k < 4; k++)
        four[k] = _mm256_blendv_epi8(pair_of(rows, low, bit4, 2 * k), pair_of(rows, low, bit4, 2 * k + 1), bit5);
    const __m256i below = _mm256_blendv_epi8(four[0], four[1], bit6), above = _mm256_blendv_epi8(four[2], four[3], bit6);
    return _mm256_blendv_epi8(below, above, x);
}

void magik_lut_u8_avx2(const struct magik_step *n)
{
    const uint8_t *x = n->in[0]->data, *table = n->in[1]->data;
    uint8_t *y = n->out[0]->data;
    __m256i rows[ROWS];
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (int32_t k = 0; k < ROWS; k++)
        rows[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(table + 16 * k)));
    for (; i + 32 <= end; i += 32)
        _mm256_storeu_si256((__m256i *)(void *)(y + i), look_up(rows, _mm256_loadu_si256((const __m256i *)(const void *)(x + i))));
    for (; i < end; i++)
        y[i] = table[x[i]];
}
