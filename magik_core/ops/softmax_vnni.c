/* Softmax with AVX-512 along the last axis: the table of exponentials in 16 registers. */
#include "fixed.h"
#include "lines.h"
#include "requant_vnni.h"

struct params {
    int32_t axis;       /* [0, rank) */
    int32_t y_zero;     /* [0, 255] */
    int32_t multiplier; /* 2^-30 / s_y */
    int32_t shift;      /* [1, 62] */
    int32_t top;        /* [0, 255] */
};

void magik_softmax_u8(const struct magik_step *n);

enum { ROWS = 16, LANES = 16 };

static inline __mmask16 lanes_of(int32_t count)
{
    return (__mmask16)(count < LANES ? (1 << count) - 1 : 0xffff);
}

/* Codes in lanes of 32 bits, 0 where a line has no more. */
static inline __m512i load(const uint8_t *x, int32_t i, int32_t size)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes_of(size - i), x + i));
}

static inline int32_t largest(const uint8_t *x, int32_t size)
{
    __m512i most = _mm512_setzero_si512();
    for (int32_t i = 0; i < size; i += LANES)
        most = _mm512_max_epi32(most, load(x, i, size));
    return _mm512_reduce_max_epi32(most);
}

/* Entries at index modulo 256: a pair of rows by its low 5 bits, then one of the 8 pairs. */
static inline __m512i look_up(const __m512i *rows, __m512i index)
{
    const __mmask16 bit5 = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32)), bit6 = _mm512_test_epi32_mask(index, _mm512_set1_epi32(64));
    const __mmask16 bit7 = _mm512_test_epi32_mask(index, _mm512_set1_epi32(128));
    __m512i v[8];
    for (int32_t k = 0; k < 8; k++)
        v[k] = _mm512_permutex2var_epi32(rows[2 * k], index, rows[2 * k + 1]);
    for (int32_t k = 0; k < 4; k++)
        v[k] = _mm512_mask_mov_epi32(v[2 * k], bit5, v[2 * k + 1]);
    const __m512i below = _mm512_mask_mov_epi32(v[0], bit6, v[1]), above = _mm512_mask_mov_epi32(v[2], bit6, v[3]);
    return _mm512_mask_mov_epi32(below, bit7, above);
}

/* fx_rescale(e, m, 31), e in [0, 2^30]: the upper halves of e * 2m, rounded. */
static inline __m512i shares(__m512i e, __m512i twice)
{
    const __m512i half = _mm512_set1_epi64((int64_t)1 << 31);
    const __m512i even = _mm512_add_epi64(_mm512_mul_epu32(e, twice), half);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epu32(_mm512_srli_epi64(e, 32), twice), half);
    return _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
}

static inline int64_t total_of(const __m512i *rows, const uint8_t *x, int32_t size, __m512i most)
{
    __m512i total = _mm512_setzero_si512();
    for (int32_t i = 0; i < size; i += LANES) {
        const __m512i e = _mm512_maskz_mov_epi32(lanes_of(size - i), look_up(rows, _mm512_sub_epi32(most, load(x, i, size))));
        total = _mm512_add_epi64(total, _mm512_add_epi64(_mm512_and_si512(e, _mm512_set1_epi64(UINT32_MAX)), _mm512_srli_epi64(e, 32)));
    }
    return _mm512_reduce_add_epi64(total);
}

static inline void line_u8(const struct params *p, const __m512i *rows, const uint8_t *x, uint8_t *y, int32_t size)
{
    const __m512i most = _mm512_set1_epi32(largest(x, size));
    const struct fx_reciprocal by = fx_reciprocal(total_of(rows, x, size, most));
    const int32_t shift = p->shift + by.k > FX_MAX_SHIFT ? FX_MAX_SHIFT : p->shift + by.k;
    const struct requant q = requant_same(p->multiplier, shift, p->y_zero);
    const struct requant_codes codes = requant_codes(0, p->top);
    const __m512i twice = _mm512_set1_epi64(2 * (int64_t)by.m);
    for (int32_t i = 0; i < size; i += LANES) {
        const __m512i e = look_up(rows, _mm512_sub_epi32(most, load(x, i, size)));
        _mm_mask_storeu_epi8(y + i, lanes_of(size - i), requant_pack16(&codes, requant_rescale(&q, shares(e, twice))));
    }
}

void magik_softmax_u8_vnni(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct lines l = lines_of(n->in[0], p->axis);
    if (l.inner > 1 || l.size < LANES / 2) {
        magik_softmax_u8(n);
        return;
    }
    __m512i rows[ROWS];
    for (int32_t k = 0; k < ROWS; k++)
        rows[k] = _mm512_loadu_si512((const int32_t *)n->in[1]->data + LANES * k);
    int32_t r, end;
    op_span(n, l.outer, &r, &end);
    for (; r < end; r++)
        line_u8(p, rows, (const uint8_t *)n->in[0]->data + r * l.size, (uint8_t *)n->out[0]->data + r * l.size, l.size);
}
