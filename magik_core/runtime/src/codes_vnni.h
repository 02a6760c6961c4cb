/* Runs of codes 64 at a time, for AVX-512. */
#ifndef MAGIK_CODES_VNNI_H
#define MAGIK_CODES_VNNI_H

#include <immintrin.h>

#include "arithmetic.h"

static inline __mmask64 codes_mask(int32_t count)
{
    return count < 64 ? ((uint64_t)1 << count) - 1 : ~(uint64_t)0;
}

static inline __m512i codes_load(const uint8_t *from, int32_t step, int32_t at, __mmask64 mask)
{
    return step ? _mm512_maskz_loadu_epi8(mask, from + at) : _mm512_set1_epi8((char)*from);
}

/* Body of a run: y = MAKE(a, b). */
#define CODES_RUN(run, MAKE)                                                          \
    for (int32_t i = 0; i < (run)->count; i += 64) {                                  \
        const __mmask64 mask = codes_mask((run)->count - i);                          \
        const __m512i a = codes_load((run)->a, (run)->a_step, i, mask);               \
        const __m512i b = codes_load((run)->b, (run)->b_step, i, mask);               \
        _mm512_mask_storeu_epi8((run)->y + i, mask, MAKE);                            \
    }

#endif
