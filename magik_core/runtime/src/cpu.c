/* Which kinds of kernels the CPU runs: bits of enum magik_isa beside the portable one. */
#include "net.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* State that the operating system saves: bit 1 and 2 for AVX, 5 to 7 for AVX-512. */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t cpu_isas(void)
{
    enum { OSXSAVE = 1u << 27, AVX2 = 1u << 5, F = 1u << 16, DQ = 1u << 17, BW = 1u << 30, VNNI = 1u << 11 };
    const uint32_t vl = 1u << 31;
    uint32_t a, b, c, d, b7, c7, isas = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0 || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d))
        return 0;
    const uint32_t saved = saved_state(), wide = F | DQ | BW | vl;
    if ((saved & 6) == 6 && (b7 & AVX2) != 0)
        isas |= 1u << MAGIK_AVX2;
    if ((saved & 0xe6) == 0xe6 && (b7 & wide) == wide && (c7 & VNNI) != 0)
        isas |= 1u << MAGIK_VNNI;
    return isas;
}
#elif defined(MAGIK_HAS_MSA) /* said by the build: only the kernels of MSA are compiled with it */
uint32_t cpu_isas(void)
{
    return 1u << MAGIK_FP64 | 1u << MAGIK_MSA;
}
#elif defined(__mips__)
uint32_t cpu_isas(void)
{
    return 1u << MAGIK_FP64;
}
#else
uint32_t cpu_isas(void)
{
    return 0;
}
#endif
