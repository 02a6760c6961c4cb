/* Mul with AVX2. */
#include "codes_avx2.h"
#include "requant_avx2.h"

struct constants {
    struct requant requant;
    struct requant_codes codes;
    __m256i a_zero, b_zero;
};

/* Rescaled products of s16. */
struct two {
    __m256i first, second;
};

static inline struct two products(const struct constants *k, __m256i a, __m256i b)
{
    a = _mm256_sub_epi16(a, k->a_zero);
    b = _mm256_sub_epi16(b, k->b_zero);
    const __m256i low = _mm256_mullo_epi16(a, b), high = _mm256_mulhi_epi16(a, b);
    return (struct two){requant_rescale(&k->requant, _mm256_unpacklo_epi16(low, high)),
                        requant_rescale(&k->requant, _mm256_unpackhi_epi16(low, high))};
}

static inline __m256i mul(const struct constants *k, __m256i a, __m256i b)
{
    const __m256i none = _mm256_setzero_si256();
    const struct two one = products(k, _mm256_unpacklo_epi8(a, none), _mm256_unpacklo_epi8(b, none));
    const struct two two = products(k, _mm256_unpackhi_epi8(a, none), _mm256_unpackhi_epi8(b, none));
    return requant_pack_halves(&k->codes, one.first, one.second, two.first, two.second);
}

static void make(const struct codes_run *run)
{
    const struct constants *k = run->constants;
    CODES_RUN(run, mul(k, a, b));
}

void magik_mul_u8_avx2(const struct magik_step *n)
{
    const struct mul_params *p = n->params;
    const struct constants k = {requant_same(p->multiplier, p->shift, p->y_zero), requant_codes(p->low, p->high),
                                _mm256_set1_epi16((short)p->a_zero), _mm256_set1_epi16((short)p->b_zero)};
    if (p->low <= p->high)
        codes_walk(n, &k, make);
    else
        magik_mul_u8(n);
}
