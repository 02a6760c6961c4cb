/* What requant.c tries: the vectors of AVX-512. */
#include "linear_vnni.h"

enum { LANES = 16 };

struct trial {
    int32_t m[LANES], s[LANES], acc[4 * LANES], zero, low, high, count;
};

static void requant_probe(const struct trial *t, uint8_t *all, uint8_t *parts, uint8_t *one)
{
    const struct requant q = requant_load(t->m, t->s, t->zero, (__mmask16)((1u << t->count) - 1));
    const struct requant_codes c = requant_codes(t->low, t->high);
    __m512i v[4];
    for (int32_t k = 0; k < 4; k++)
        v[k] = requant_rescale(&q, _mm512_loadu_si512(t->acc + LANES * k));
    _mm512_storeu_si512(all, requant_pack64(&c, v[0], v[1], v[2], v[3]));
    _mm512_storeu_si512(parts, requant_pack_quarters(&c, v[0], v[1], v[2], v[3]));
    _mm_storeu_si128((__m128i *)(void *)one, requant_pack16(&c, v[0]));
}

static void linear_probe(const struct linear *l, const uint8_t *a, const uint8_t *b, uint8_t *y)
{
    const struct requant_codes c = requant_codes(0, 255);
    _mm512_storeu_si512(y, linear_codes(l, &c, _mm512_loadu_si512(a), _mm512_loadu_si512(b)));
}
