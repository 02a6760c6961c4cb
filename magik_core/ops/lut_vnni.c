/* Lut with AVX-512: the table in 16 registers, one of them chosen by the upper half of a code. */
#include <immintrin.h>

#include "op.h"

enum { ROWS = 16 };

/* Of the rows [2 * pair, 2 * pair + 2): the one that bit 4 of the codes says. */
static inline __m512i pair_of(const __m512i *rows, __m512i low, __mmask64 bit4, int32_t pair)
{
    return _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(rows[2 * pair], low), bit4, rows[2 * pair + 1], low);
}

static inline __m512i look_up(const __m512i *rows, __m512i x)
{
    const __m512i low = _mm512_and_si512(x, _mm512_set1_epi8(15));
    const __mmask64 bit4 = _mm512_test_epi8_mask(x, _mm512_set1_epi8(16)), bit5 = _mm512_test_epi8_mask(x, _mm512_set1_epi8(32));
    const __mmask64 bit6 = _mm512_test_epi8_mask(x, _mm512_set1_epi8(64)), bit7 = _mm512_movepi8_mask(x);
    __m512i four[4];
    for (int32_t k = 0; k < 4; k++)
        four[k] = _mm512_mask_mov_epi8(pair_of(rows, low, bit4, 2 * k), bit5, pair_of(rows, low, bit4, 2 * k + 1));
    const __m512i below = _mm512_mask_mov_epi8(four[0], bit6, four[1]), above = _mm512_mask_mov_epi8(four[2], bit6, four[3]);
    return _mm512_mask_mov_epi8(below, bit7, above);
}

void magik_lut_u8_vnni(const struct magik_step *n)
{
    const uint8_t *x = n->in[0]->data, *table = n->in[1]->data;
    uint8_t *y = n->out[0]->data;
    __m512i rows[ROWS];
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (int32_t k = 0; k < ROWS; k++)
        rows[k] = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(table + 16 * k)));
    for (; i < end; i += 64) {
        const __mmask64 mask = end - i < 64 ? ((uint64_t)1 << (end - i)) - 1 : ~(uint64_t)0;
        _mm512_mask_storeu_epi8(y + i, mask, look_up(rows, _mm512_maskz_loadu_epi8(mask, x + i)));
    }
}
