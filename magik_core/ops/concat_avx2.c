/* Concat with AVX2. */
#include "codes_avx2.h"
#include "concat.h"
#include "linear_avx2.h"

static void rescale(const uint8_t *x, uint8_t *y, int32_t count, const int32_t *row, const struct concat_params *p)
{
    const struct linear linear = linear_of(row[0], row[1], 0, 0, row[2], p->y_zero);
    const struct requant_codes codes = requant_codes(0, p->top);
    for (int32_t i = 0; !linear.fits && i < count; i++)
        y[i] = fx_u8(fx_rescale(x[i] - row[0], row[1], row[2]) + p->y_zero, 0, p->top);
    if (!linear.fits)
        return;
    for (int32_t i = 0; i < count; i += 32) {
        const int32_t some = count - i < 32 ? count - i : 32;
        codes_store(y + i, linear_codes(&linear, &codes, codes_load(x, 1, i, some), _mm256_setzero_si256()), some);
    }
}

void magik_concat_u8_avx2(const struct magik_step *n)
{
    concat_join(n, 1, n->in[n->n_in - 1]->data, rescale);
}
