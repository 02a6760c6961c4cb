/* Concat with MSA: rescales 16 codes at a time. */
#include "concat.h"
#include "requant_msa.h"

void magik_concat_u8(const struct magik_step *n);

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

/* All 256 codes rescaled: for rows too short for 16 at a time. */
static void fill_table(const struct how *h, uint8_t *table)
{
    v16i8 x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int32_t i = 0; i < 256; i += 16, x = __msa_addv_b(x, __msa_ldi_b(16)))
        store_msa(rescale(h, x), table + i, 16);
}

/* Rows of `size` codes, one after the other in x, y_step codes apart in y. */
static void rescale_rows(const struct how *h, const uint8_t *x, uint8_t *y, int32_t rows, int32_t size, int32_t y_step)
{
    uint8_t table[256];
    if (size < 16)
        fill_table(h, table);
    for (int32_t r = 0; r < rows; r++, x += size, y += y_step)
        if (size >= 16)
            rescale_row(h, x, y, size);
        else
            for (int32_t i = 0; i < size; i++)
                y[i] = table[x[i]];
}

static void copy_rows(const uint8_t *x, uint8_t *y, int32_t rows, int32_t size, int32_t y_step)
{
    for (int32_t r = 0; r < rows; r++, x += size, y += y_step) {
        int32_t i = 0;
        for (; i + 16 <= size; i += 16)
            store_msa(load_msa(x + i, 16), y + i, 16);
        for (; i < size; i++)
            y[i] = x[i];
    }
}

/* Whether every part is copied, or rescaled as rescale_quick_msa can. Parts that lie inside y stay where they are. */
static int covers(const struct magik_step *n)
{
    const int32_t *row = n->in[n->n_in - 1]->data;
    for (int32_t k = 0; k < concat_parts(n); k++, row += 3)
        if (row[1] != 0 && !is_quick_msa(row[1], row[2] + UP, 255 << UP))
            return 0;
    return 1;
}

void magik_concat_u8_msa(const struct magik_step *n)
{
    const struct concat_params *p = n->params;
    const struct magik_tensor *out = n->out[0];
    const int32_t after = op_product(out, p->axis + 1, out->rank), row = after * out->dims[p->axis];
    const int32_t *table = n->in[n->n_in - 1]->data;
    int32_t begin, end, at = 0;
    if (!covers(n)) {
        magik_concat_u8(n);
        return;
    }
    op_span(n, op_product(out, 0, p->axis), &begin, &end);
    for (int32_t k = 0; k < concat_parts(n); k++, table += 3) {
        const int32_t size = n->in[k]->dims[p->axis] * after;
        const struct how h = {__msa_fill_w(table[0] * (1 << UP)), __msa_fill_w(table[1]), __msa_fill_w(table[2] + UP - 31), codes_msa(p->y_zero, 0, p->top)};
        const uint8_t *x = (const uint8_t *)n->in[k]->data + begin * size;
        uint8_t *y = (uint8_t *)out->data + begin * row + at;
        if (table[1] != 0)
            rescale_rows(&h, x, y, end - begin, size, row);
        else if (x != y)
            copy_rows(x, y, end - begin, size, row);
        at += size;
    }
}
