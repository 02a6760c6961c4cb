/* MaxPool with AVX-512. */
#include <immintrin.h>

#include "pool_rows.h"

static void largest(uint8_t *to, const uint8_t *from, int32_t stride, int32_t taps, int32_t count)
{
    for (int32_t i = 0; i < count; i += 64) {
        const __mmask64 mask = count - i < 64 ? ((uint64_t)1 << (count - i)) - 1 : ~(uint64_t)0;
        __m512i most = _mm512_maskz_loadu_epi8(mask, from + i);
        for (int32_t t = 1; t < taps; t++)
            most = _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(mask, from + i + (ptrdiff_t)t * stride));
        _mm512_mask_storeu_epi8(to + i, mask, most);
    }
}

size_t magik_max_pool_u8_vnni_scratch(const struct magik_step *n)
{
    return pool_scratch(n);
}

void magik_max_pool_u8_vnni(const struct magik_step *n)
{
    if (pool_scratch(n) == 0)
        magik_max_pool_u8(n);
    else
        pool_run(n, largest);
}
