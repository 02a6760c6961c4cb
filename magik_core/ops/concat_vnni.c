/* Concat with AVX-512 VNNI. */
#include "codes_vnni.h"
#include "concat.h"
#include "linear_vnni.h"

static void rescale(const uint8_t *x, uint8_t *y, int32_t count, const int32_t *row, const struct concat_params *p)
{
    const struct linear linear = linear_of(row[0], row[1], 0, 0, row[2], p->y_zero);
    const struct requant_codes codes = requant_codes(0, p->top);
    for (int32_t i = 0; !linear.fits && i < count; i++)
        y[i] = fx_u8(fx_rescale(x[i] - row[0], row[1], row[2]) + p->y_zero, 0, p->top);
    if (!linear.fits)
        return;
    for (int32_t i = 0; i < count; i += 64) {
        const __mmask64 mask = codes_mask(count - i);
        const __m512i a = _mm512_maskz_loadu_epi8(mask, x + i);
        _mm512_mask_storeu_epi8(y + i, mask, linear_codes(&linear, &codes, a, _mm512_setzero_si512()));
    }
}

void magik_concat_u8_vnni(const struct magik_step *n)
{
    concat_join(n, 1, n->in[n->n_in - 1]->data, rescale);
}
