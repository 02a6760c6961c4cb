/* Concat with MSA: rescales 16 codes at a time. */
#include "requant_msa.h"

struct params {
    int32_t axis;
    int32_t y_zero;
    int32_t top;
};

extern void magik_concat_u8(const struct magik_step *n);

enum { UP = 8 }; /* bits by which codes are shifted up first, so that small shifts are quick as well */

/* How a part's codes become those of y: (x - zero) * m >> shift. */
struct how {
    v4i32 zero, m, shift; /* zero shifted up; shift with UP less 31 */
    struct codes_msa codes;
};

static inline v4i32 four(const struct how *h, v8i16 x)
{
    return rescale_quick_msa(__msa_subv_w((v4i32)x, h->zero), h->m, h->shift);
}

static inline v16i8 rescale(const struct how *h, v16i8 x)
{
    const v8i16 none = __msa_ldi_h(0), low = (v8i16)__msa_ilvr_b(x, (v16i8)none), high = (v8i16)__msa_ilvl_b(x, (v16i8)none);
    return pack_msa(four(h, __msa_ilvr_h(none, low)), four(h, __msa_ilvl_h(none, low)), four(h, __msa_ilvr_h(none, high)),
                    four(h, __msa_ilvl_h(none, high)), &h->codes);
}

static void rescale_row(const struct how *h, const uint8_t *x, uint8_t *y, int32_t count)
{
    int32_t i = 0;
    for (; i + 16 <= count; i += 16)
        store_msa(rescale(h, load_msa(x + i, 16)), y + i, 16);
    if (i < count)
        store_msa(rescale(h, load_msa(x + i, count - i)), y + i, count - i);
}

static void copy_row(const uint8_t *x, uint8_t *y, int32_t count)
{
    int32_t i = 0;
    for (; i + 16 <= count; i += 16)
        store_msa(load_msa(x + i, 16), y + i, 16);
    if (i < count)
        store_msa(load_msa(x + i, count - i), y + i, count - i);
}

/* Whether every part is copied, or rescaled as rescale_quick_msa can. Parts that lie inside y stay where they are. */
static int covers(const struct magik_step *n)
{
    const int32_t *row = n->in[n->n_in - 1]->data;
    for (int32_t k = 0; k < n->n_in - 1; k++, row += 3)
        if (row[1] != 0 && !is_quick_msa(row[1], row[2] + UP, 255 << UP))
            return 0;
    return 1;
}

void magik_concat_u8_msa(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct magik_tensor *out = n->out[0];
    const int32_t after = op_product(out, p->axis + 1, out->rank), row = after * out->dims[p->axis];
    const int32_t *table = n->in[n->n_in - 1]->data;
    int32_t begin, end, at = 0;
    if (!covers(n)) {
        magik_concat_u8(n);
        return;
    }
    op_span(n, op_product(out, 0, p->axis), &begin, &end);
    for (int32_t k = 0; k < n->n_in - 1; k++, table += 3) {
        const int32_t size = n->in[k]->dims[p->axis] * after;
        const struct how h = {__msa_fill_w(table[0] * (1 << UP)), __msa_fill_w(table[1]), __msa_fill_w(table[2] + UP - 31), codes_msa(p->y_zero, 0, p->top)};
        for (int32_t r = begin; r < end; r++) {
            const uint8_t *x = (const uint8_t *)n->in[k]->data + r * size;
            uint8_t *y = (uint8_t *)out->data + r * row + at;
            if (table[1] != 0)
                rescale_row(&h, x, y, size);
            else if (x != y)
                copy_row(x, y, size);
        }
        at += size;
    }
}
