/* Gemm on AVX-512 VNNI. */
#include "dense_vnni.h"

#include "dense_gemm.h"

size_t magik_gemm_u8_vnni_prepare(const struct magik_step *n, void *memory)
{
    const struct dense_job j = gemm_constants(n);
    return dense_prepare(&j, memory);
}

size_t magik_gemm_u8_vnni_scratch(const struct magik_step *n)
{
    const struct dense_job j = gemm_constants(n);
    return dense_scratch(&j);
}

void magik_gemm_u8_vnni(const struct magik_step *n)
{
    gemm_work(n);
}
