/* Conv on AVX2. */
#include "dense_avx2.h"

#include "dense_conv.h"

size_t magik_conv_u8_avx2_prepare(const struct magik_step *n, void *memory)
{
    const struct dense_job j = conv_constants(n);
    return dense_prepare(&j, memory);
}

size_t magik_conv_u8_avx2_scratch(const struct magik_step *n)
{
    const struct dense_job j = conv_constants(n);
    return dense_scratch(&j);
}

void magik_conv_u8_avx2(const struct magik_step *n)
{
    conv_work(n);
}

/* Weights of s16 are already what those of s8 are widened to. */
size_t magik_conv_u8_s16_avx2_prepare(const struct magik_step *n, void *memory)
{
    return magik_conv_u8_avx2_prepare(n, memory);
}

size_t magik_conv_u8_s16_avx2_scratch(const struct magik_step *n)
{
    return magik_conv_u8_avx2_scratch(n);
}

void magik_conv_u8_s16_avx2(const struct magik_step *n)
{
    magik_conv_u8_avx2(n);
}

/* Sums are the same. */
size_t magik_conv_u8_twice_avx2_prepare(const struct magik_step *n, void *memory)
{
    return magik_conv_u8_avx2_prepare(n, memory);
}

size_t magik_conv_u8_twice_avx2_scratch(const struct magik_step *n)
{
    return magik_conv_u8_avx2_scratch(n);
}

void magik_conv_u8_twice_avx2(const struct magik_step *n)
{
    magik_conv_u8_avx2(n);
}
