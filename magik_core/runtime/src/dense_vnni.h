/* The tile of dense.h with AVX-512 VNNI: 8 pixels x 32 channels of sums in registers. vpdpbusd adds four
 * products of u8 and s8 to a sum without saturating, so that sums wrap as fx_mac does. */
#ifndef MAGIK_DENSE_VNNI_H
#define MAGIK_DENSE_VNNI_H

#include <immintrin.h>

#include "dense.h"

enum { DENSE_STEP = 4, DENSE_WEIGHT = 1, DENSE_WIDENED = 0 };

static inline void dense_weight(uint8_t *to, int8_t w)
{
    *to = (uint8_t)w;
}

/* The kernel reads the codes where they are. */
static inline void dense_take(struct dense_tile *t, int32_t rows, void *room)
{
    (void)t, (void)rows, (void)room;
}

/* 16 channels of one pixel as words in [low, high] of a code. */
static inline __m512i dense_rescale(const struct dense *d, const struct dense_table *t, __m512i acc)
{
    if (d->way == DENSE_LEFT) {
        const __m512i most = _mm512_load_si512(t->most);
        const __m512i least = _mm512_xor_si512(most, _mm512_set1_epi32(-1));
        acc = _mm512_sllv_epi32(_mm512_min_epi32(_mm512_max_epi32(acc, least), most), _mm512_load_si512(t->left));
    }
    const __m512i m = _mm512_load_si512(t->m);
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, m), _mm512_load_si512(t->round));
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(m, 32)),
                                         _mm512_load_si512(t->round + DENSE_BLOCK / 2));
    const __m512i upper = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    const __m512i v = _mm512_add_epi32(_mm512_srav_epi32(upper, _mm512_load_si512(t->shift)), _mm512_set1_epi32(d->y_zero));
    return _mm512_min_epi32(_mm512_max_epi32(v, _mm512_set1_epi32(d->low)), _mm512_set1_epi32(d->high));
}

/* P pixels x B blocks: P and B are constants where this is inlined. Channels of y from `c`, `count` of them. */
static inline __attribute__((always_inline)) void dense_sums(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t c,
                                                              int32_t count, const int P, const int B)
{
    __m512i acc[DENSE_PIXELS][2];
    const struct dense_table *table = d->tables + block;
    const uint8_t *w = d->weights + (size_t)block * d->block_bytes;
    for (int p = 0; p < P; p++)
        for (int b = 0; b < B; b++)
            acc[p][b] = _mm512_loadu_si512(t->start == NULL ? table[b].bias : t->start + p * DENSE_PAIR + b * DENSE_BLOCK);
    for (int32_t row = 0; row < d->shape.rows; row++) {
        const uint8_t *x = (const uint8_t *)t->x + t->from + row * t->row_step;
        for (int32_t tap = 0; tap < d->shape.taps; tap++, x += t->tap_step)
            for (int32_t k = 0; k < d->steps; k++, w += 64) {
                __m512i v[2];
                for (int b = 0; b < B; b++)
                    v[b] = _mm512_load_si512(w + (size_t)b * d->block_bytes);
                for (int p = 0; p < P; p++) {
                    int32_t four;
                    memcpy(&four, x + p * t->pixel_step + 4 * k, sizeof four);
                    for (int b = 0; b < B; b++)
                        acc[p][b] = _mm512_dpbusd_epi32(acc[p][b], _mm512_set1_epi32(four), v[b]);
                }
            }
    }
    if (d->way == DENSE_ONE_BY_ONE) {
        int32_t sums[DENSE_PIXELS * DENSE_PAIR];
        for (int p = 0; p < P; p++)
            for (int b = 0; b < B; b++)
                _mm512_storeu_si512(sums + p * DENSE_PAIR + b * DENSE_BLOCK, acc[p][b]);
        dense_finish(d, t, sums, c, count);
        return;
    }
    for (int b = 0; b < B; b++) {
        const int32_t left = count - b * DENSE_BLOCK;
        const __mmask16 mask = (__mmask16)(left >= DENSE_BLOCK ? 0xffff : (1 << left) - 1);
        for (int p = 0; p < P; p++)
            _mm_mask_storeu_epi8(t->y + p * t->y_step + c + b * DENSE_BLOCK, mask, _mm512_cvtepi32_epi8(dense_rescale(d, table + b, acc[p][b])));
    }
}

static inline __attribute__((always_inline)) void dense_pixels(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t c,
                                                                int32_t count, const int B)
{
    switch (t->pixels) {
    case 1: dense_sums(d, t, block, c, count, 1, B); break;
    case 2: dense_sums(d, t, block, c, count, 2, B); break;
    case 3: dense_sums(d, t, block, c, count, 3, B); break;
    case 4: dense_sums(d, t, block, c, count, 4, B); break;
    case 5: dense_sums(d, t, block, c, count, 5, B); break;
    case 6: dense_sums(d, t, block, c, count, 6, B); break;
    case 7: dense_sums(d, t, block, c, count, 7, B); break;
    default: dense_sums(d, t, block, c, count, 8, B); break;
    }
}

static void dense_run(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t c, int32_t count)
{
    if (count > DENSE_BLOCK)
        dense_pixels(d, t, block, c, count, 2);
    else
        dense_pixels(d, t, block, c, count, 1);
}

#endif
