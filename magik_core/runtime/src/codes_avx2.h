/* Runs of codes 32 at a time, for AVX2. */
#ifndef MAGIK_CODES_AVX2_H
#define MAGIK_CODES_AVX2_H

#include <immintrin.h>

#include "arithmetic.h"

/* `count` codes, [1, 32], and something behind them. */
static inline __m256i codes_load(const uint8_t *from, int32_t step, int32_t at, int32_t count)
{
    uint8_t memory[32];
    if (!step)
        return _mm256_set1_epi8((char)*from);
    if (count == 32)
        return _mm256_loadu_si256((const __m256i *)(const void *)(from + at));
    memset(memory, 0, sizeof memory);
    memcpy(memory, from + at, (size_t)count);
    return _mm256_loadu_si256((const __m256i *)(const void *)memory);
}

static inline void codes_store(uint8_t *to, __m256i codes, int32_t count)
{
    uint8_t memory[32];
    if (count == 32) {
        _mm256_storeu_si256((__m256i *)(void *)to, codes);
        return;
    }
    _mm256_storeu_si256((__m256i *)(void *)memory, codes);
    memcpy(to, memory, (size_t)count);
}

/* Body of a run: y = MAKE(a, b). */
#define CODES_RUN(run, MAKE)                                                               \
    for (int32_t i = 0; i < (run)->count; i += 32) {                                       \
        const int32_t left = (run)->count - i, count = left < 32 ? left : 32;              \
        const __m256i a = codes_load((run)->a, (run)->a_step, i, count);                   \
        const __m256i b = codes_load((run)->b, (run)->b_step, i, count);                   \
        codes_store((run)->y + i, MAKE, count);                                            \
    }

#endif
