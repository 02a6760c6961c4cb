/* The tile of dense.h with AVX2: 4 pixels x 16 channels of sums in registers, two pixels' halves of 8 at a
 * time. Codes and weights are widened to 16 bits, as the instruction for bytes saturates. */
#ifndef MAGIK_DENSE_AVX2_H
#define MAGIK_DENSE_AVX2_H

#include <immintrin.h>

#include "dense.h"

enum { DENSE_STEP = 2, DENSE_WEIGHT = 2, DENSE_WIDENED = 2 };

static inline void dense_weight(uint8_t *to, int32_t w)
{
    const int16_t wide = (int16_t)w;
    memcpy(to, &wide, sizeof wide);
}

/* Widen the tile's rows to 16 bits in `room`. */
static inline void dense_take(struct dense_tile *t, int32_t rows, void *room)
{
    uint16_t *to = room;
    for (int32_t row = 0; row < rows; row++) {
        const uint8_t *x = (const uint8_t *)t->x + row * t->row_step;
        int32_t i = 0;
        for (; i + 16 <= t->span; i += 16)
            _mm256_storeu_si256((void *)(to + i), _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(x + i))));
        for (; i < t->span; i++)
            to[i] = x[i];
        to += t->span;
    }
    memset(to, 0, DENSE_STEP * sizeof *to); /* a run may be read past its end */
    t->x = room;
    t->row_step = t->span;
}

/* Products with 2^30 more away from zero: what rounds twice has before it is shifted. */
static inline __m256i dense_away(__m256i v)
{
    const __m256i sign = _mm256_srai_epi32(_mm256_shuffle_epi32(v, 0xf5), 31);
    return _mm256_add_epi64(v, _mm256_sub_epi64(_mm256_xor_si256(_mm256_set1_epi64x(1 << 30), sign), sign));
}

/* Sums of 8 channels as codes less the zero point, not limited yet. */
static inline __m256i dense_rescale(const struct dense_table *t, int32_t way, int half, __m256i acc)
{
    if (way == DENSE_LEFT) {
        const __m256i most = _mm256_load_si256((const void *)(t->most + 8 * half));
        const __m256i least = _mm256_xor_si256(most, _mm256_set1_epi32(-1));
        acc = _mm256_min_epi32(_mm256_max_epi32(acc, least), most);
        acc = _mm256_sllv_epi32(acc, _mm256_load_si256((const void *)(t->left + 8 * half)));
    }
    const __m256i m = _mm256_load_si256((const void *)(t->m + 8 * half));
    __m256i even = _mm256_mul_epi32(acc, m), odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(m, 32));
    if (way == DENSE_TWICE) {
        even = dense_away(even);
        odd = dense_away(odd);
    }
    const __m256i upper = _mm256_blend_epi32(_mm256_shuffle_epi32(even, 0xf5), odd, 0xaa);
    const __m256i sum = _mm256_add_epi32(upper, _mm256_load_si256((const void *)(t->round + 8 * half)));
    return _mm256_srav_epi32(sum, _mm256_load_si256((const void *)(t->shift + 8 * half)));
}

/* 16 channels of one pixel as codes. */
static inline __m128i dense_codes(const struct dense *d, const struct dense_table *t, int32_t way, const __m256i *acc)
{
    const __m256i pairs = _mm256_packs_epi32(dense_rescale(t, way, 0, acc[0]), dense_rescale(t, way, 1, acc[1]));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_adds_epi16(pairs, _mm256_set1_epi16((int16_t)d->y_zero)), 0xd8);
    const __m128i v = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    return _mm_min_epu8(_mm_max_epu8(v, _mm_set1_epi8((char)d->low)), _mm_set1_epi8((char)d->high));
}

static inline void dense_store(uint8_t *y, __m128i v, int32_t count)
{
    uint8_t room[DENSE_BLOCK];
    if (count >= DENSE_BLOCK) {
        _mm_storeu_si128((void *)y, v);
        return;
    }
    _mm_storeu_si128((void *)room, v);
    memcpy(y, room, (size_t)count);
}

/* P pixels from `first` x one block: P is a constant where this is inlined. */
static inline __attribute__((always_inline)) void dense_sums(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t first,
                                                              int32_t c, int32_t count, int32_t way, int32_t *sums, const int P)
{
    __m256i acc[4][2];
    const struct dense_table *table = d->tables + block;
    const int32_t *start = t->start == NULL ? table->bias : t->start;
    const int32_t start_step = t->start == NULL ? 0 : DENSE_PAIR;
    const uint8_t *w = d->weights + (size_t)block * d->block_bytes;
    for (int p = 0; p < P; p++)
        for (int h = 0; h < 2; h++)
            acc[p][h] = _mm256_loadu_si256((const void *)(start + (first + p) * start_step + 8 * h));
    for (int32_t row = 0; row < d->shape.rows; row++) {
        const uint16_t *x = (const uint16_t *)t->x + t->from + first * t->pixel_step + row * t->row_step;
        for (int32_t tap = 0; tap < d->shape.taps; tap++, x += t->tap_step)
            for (int32_t k = 0; k < d->steps; k++, w += 64) {
                const __m256i v0 = _mm256_load_si256((const void *)w), v1 = _mm256_load_si256((const void *)(w + 32));
                for (int p = 0; p < P; p++) {
                    int32_t two;
                    memcpy(&two, x + p * t->pixel_step + 2 * k, sizeof two);
                    acc[p][0] = _mm256_add_epi32(acc[p][0], _mm256_madd_epi16(_mm256_set1_epi32(two), v0));
                    acc[p][1] = _mm256_add_epi32(acc[p][1], _mm256_madd_epi16(_mm256_set1_epi32(two), v1));
                }
            }
    }
    for (int p = 0; p < P; p++) {
        if (way != DENSE_ONE_BY_ONE)
            dense_store(t->y + (first + p) * t->y_step + c, dense_codes(d, table, way, acc[p]), count);
        for (int h = 0; h < 2 && way == DENSE_ONE_BY_ONE; h++)
            _mm256_storeu_si256((void *)(sums + (first + p) * DENSE_PAIR + 8 * h), acc[p][h]);
    }
}

static void dense_block(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t c, int32_t count)
{
    const int32_t way = d->tables[block].way[0] > d->way ? d->tables[block].way[0] : d->way;
    int32_t sums[DENSE_PIXELS * DENSE_PAIR];
    int32_t p = 0;
    for (; p + 4 <= t->pixels; p += 4)
        dense_sums(d, t, block, p, c, count, way, sums, 4);
    switch (t->pixels - p) {
    case 3: dense_sums(d, t, block, p, c, count, way, sums, 3); break;
    case 2: dense_sums(d, t, block, p, c, count, way, sums, 2); break;
    case 1: dense_sums(d, t, block, p, c, count, way, sums, 1); break;
    default: break;
    }
    if (way == DENSE_ONE_BY_ONE)
        dense_finish(d, t, sums, c, count);
}

static void dense_run(const struct dense *d, const struct dense_tile *t, int32_t block, int32_t c, int32_t count)
{
    struct dense_tile second = *t;
    dense_block(d, t, block, c, count < DENSE_BLOCK ? count : DENSE_BLOCK);
    if (count > DENSE_BLOCK) {
        second.start = t->start == NULL ? NULL : t->start + DENSE_BLOCK;
        dense_block(d, &second, block + 1, c + DENSE_BLOCK, count - DENSE_BLOCK);
    }
}

#endif
