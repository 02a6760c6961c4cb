/* MaxPool with AVX2. */
#include <immintrin.h>

#include "pool_rows.h"

static inline __m256i load(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* Of less than a vector. */
static void largest_few(uint8_t *to, const uint8_t *from, int32_t stride, int32_t taps, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        uint8_t most = from[i];
        for (int32_t t = 1; t < taps; t++)
            most = from[i + (ptrdiff_t)t * stride] > most ? from[i + (ptrdiff_t)t * stride] : most;
        to[i] = most;
    }
}

/* The last vector ends where the run ends, over the one before it. */
static void largest(uint8_t *to, const uint8_t *from, int32_t stride, int32_t taps, int32_t count)
{
    if (count < 32) {
        largest_few(to, from, stride, taps, count);
        return;
    }
    for (int32_t i = 0; i < count; i += 32) {
        const int32_t at = i + 32 <= count ? i : count - 32;
        __m256i most = load(from + at);
        for (int32_t t = 1; t < taps; t++)
            most = _mm256_max_epu8(most, load(from + at + (ptrdiff_t)t * stride));
        _mm256_storeu_si256((__m256i *)(void *)(to + at), most);
    }
}

size_t magik_max_pool_u8_avx2_scratch(const struct magik_step *n)
{
    return pool_scratch(n);
}

void magik_max_pool_u8_avx2(const struct magik_step *n)
{
    if (pool_scratch(n) == 0)
        magik_max_pool_u8(n);
    else
        pool_run(n, largest);
}
