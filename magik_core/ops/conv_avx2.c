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
