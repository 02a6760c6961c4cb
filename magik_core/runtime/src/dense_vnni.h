/* The tile of dense.h with AVX-512 VNNI: 8 pixels x 32 channels of sums in registers. vpdpbusd adds four
 * products of u8 and s8 to a sum without saturating, so that sums wrap as fx_mac does. */
#ifndef MAGIK_DENSE_VNNI_H
#define MAGIK_DENSE_VNNI_H

#include <immintrin.h>

#include "dense.h"

enum { DENSE_STEP = 4, DENSE_WEIGHT = 1, DENSE_WIDENED = 0 };

static inline void dense_weight(uint8_t *to, int32_t w)
{
    *to = (uint8_t)w;
}

/* The kernel reads the codes where they are. */
static inline void dense_take(struct dense_tile *t, int32_t rows, void *room)
{
    (void)t, (void)rows, (void)room;
}

/* What the rescale of a block takes. */
struct dense_scale {
    __m512i m, odd, round, shift;
};

static inline struct dense_scale dense_scale_of(const struct dense_table *t)
{
    const __m512i m = _mm512_load_si512(t->m);
    return (struct dense_scale){m, _mm512_srli_epi64(m, 32), _mm512_load_si512(t->round), _mm512_load_si512(t->shift)};
}

/* Sums of 16 channels as codes less the zero point, not limited yet. */
static inline __m512i dense_rescale(struct dense_scale s, __m512i acc)
{
    const __m512i even = _mm512_mul_epi32(acc, s.m), odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), s.odd);
    const __m512i upper = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    return _mm512_srav_epi32(_mm512_add_epi32(upper, s.round), s.shift);
}

/* Sums for DENSE_LEFT. */
static inline __m512i dense_left(const struct dense_table *t, __m512i acc)
{
    const __m512i most = _mm512_load_si512(t->most), least = _mm512_xor_si512(most, _mm512_set1_epi32(-1));
    return _mm512_sllv_epi32(_mm512_min_epi32(_mm512_max_epi32(acc, least), most), _mm512_load_si512(t->left));
}

/* What codes of y take. */
struct dense_limits {
    __m512i zero, low, high, turn;
};

static inline struct dense_limits dense_limits_of(const struct dense *d)
{
    return (struct dense_limits){_mm512_set1_epi16((int16_t)d->y_zero), _mm512_set1_epi8((int8_t)d->low), _mm512_set1_epi8((int8_t)d->high),
                                 _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)};
}

/* Four times 16 channels, side by side. */
static inline __m512i dense_codes(struct dense_limits l, __m512i a, __m512i b, __m512i c, __m512i e)
{
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), l.zero), high = _mm512_adds_epi16(_mm512_packs_epi32(c, e), l.zero);
    const __m512i v = _mm512_permutexvar_epi32(l.turn, _mm512_packus_epi16(low, high));
    return _mm512_min_epu8(_mm512_max_epu8(v, l.low), l.high);
}

/* P pixels of two blocks, two pixels at a time; an odd one goes twice. */
static inline __attribute__((always_inline)) void dense_write_two(const struct dense *d, const struct dense_table *t, __m512i acc[][2], uint8_t *y,
                                                                   int32_t y_step, int32_t count, const int P)
{
    const struct dense_scale s = dense_scale_of(t), s1 = dense_scale_of(t + 1);
    const struct dense_limits l = dense_limits_of(d);
    const __mmask32 mask = (__mmask32)(count >= DENSE_PAIR ? ~0u : (1u << count) - 1);
#pragma GCC unroll 4
    for (int p = 0; p < P; p += 2, y += 2 * y_step) {
        const int q = p + 1 < P ? p + 1 : p;
        const __m512i v = dense_codes(l, dense_rescale(s, acc[p][0]), dense_rescale(s1, acc[p][1]), dense_rescale(s, acc[q][0]),
                                      dense_rescale(s1, acc[q][1]));
        _mm256_mask_storeu_epi8(y, mask, _mm512_castsi512_si256(v));
        if (q > p)
            _mm256_mask_storeu_epi8(y + y_step, mask, _mm512_extracti64x4_epi64(v, 1));
    }
}

/* P pixels of one block, four pixels at a time; the last one goes more than once. */
static inline __attribute__((always_inline)) void dense_write_one(const struct dense *d, const struct dense_table *t, __m512i acc[][2], uint8_t *y,
                                                                   int32_t y_step, int32_t count, const int P)
{
    const struct dense_scale k = dense_scale_of(t);
    const struct dense_limits l = dense_limits_of(d);
    const __mmask16 mask = (__mmask16)(count >= DENSE_BLOCK ? ~0u : (1u << count) - 1);
#pragma GCC unroll 2
    for (int p = 0; p < P; p += 4, y += 4 * y_step) {
        const int q = p + 1 < P ? p + 1 : p, r = p + 2 < P ? p + 2 : p, s = p + 3 < P ? p + 3 : p;
        const __m512i v = dense_codes(l, dense_rescale(k, acc[p][0]), dense_rescale(k, acc[q][0]), dense_rescale(k, acc[r][0]),
                                      dense_rescale(k, acc[s][0]));
        _mm_mask_storeu_epi8(y, mask, _mm512_castsi512_si128(v));
        if (q > p)
            _mm_mask_storeu_epi8(y + y_step, mask, _mm512_extracti32x4_epi32(v, 1));
        if (r > p)
            _mm_mask_storeu_epi8(y + 2 * y_step, mask, _mm512_extracti32x4_epi32(v, 2));
        if (s > p)
            _mm_mask_storeu_epi8(y + 3 * y_step, mask, _mm512_extracti32x4_epi32(v, 3));
    }
}

/* P pixels x B blocks: P and B are constants where this is inlined. Channels of y from `c`, `count` of them. */
static inline __attribute__((always_inline)) void dense_sums(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t c,
                                                              int32_t count, const int P, const int B)
{
    __m512i acc[DENSE_PIXELS][2];
    const struct dense_table *table = d->tables + block;
    const uint8_t *w = d->weights + (size_t)block * d->block_bytes;
#pragma GCC unroll 8
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
#pragma GCC unroll 8
                for (int p = 0; p < P; p++) {
                    int32_t four;
                    memcpy(&four, x + p * t->pixel_step + 4 * k, sizeof four);
                    for (int b = 0; b < B; b++)
                        acc[p][b] = _mm512_dpbusd_epi32(acc[p][b], _mm512_set1_epi32(four), v[b]);
                }
            }
    }
    const int32_t ways = B == 1 || table[0].way[0] > table[B - 1].way[0] ? table[0].way[0] : table[B - 1].way[0];
    const int32_t way = ways > d->way ? ways : d->way;
    if (way == DENSE_ONE_BY_ONE) {
        int32_t sums[DENSE_PIXELS * DENSE_PAIR];
#pragma GCC unroll 8
        for (int p = 0; p < P; p++)
            for (int b = 0; b < B; b++)
                _mm512_storeu_si512(sums + p * DENSE_PAIR + b * DENSE_BLOCK, acc[p][b]);
        dense_finish(d, t, sums, c, count);
        return;
    }
    if (way == DENSE_LEFT)
#pragma GCC unroll 8
        for (int p = 0; p < P; p++)
            for (int b = 0; b < B; b++)
                acc[p][b] = dense_left(table + b, acc[p][b]);
    if (B == 2)
        dense_write_two(d, table, acc, t->y + c, t->y_step, count, P);
    else
        dense_write_one(d, table, acc, t->y + c, t->y_step, count, P);
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
