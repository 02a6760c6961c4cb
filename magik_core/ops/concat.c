/* Concat: tensors one after the other along an axis. */
#include "concat.h"

static int is_table(const struct magik_tensor *t, int32_t parts, int32_t top)
{
    if (t->dtype != MAGIK_S32 || !t->is_constant || t->count != 3 * parts)
        return 0;
    const int32_t *row = t->data;
    for (int32_t k = 0; k < parts; k++, row += 3)
        if (!op_between(row[0], 0, top) || !op_between(row[2], 1, FX_MAX_SHIFT))
            return 0;
    return 1;
}

int32_t magik_concat_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct concat_params *p = n->params;
    const int32_t parts = concat_parts(n);
    if (n->n_out != 1 || n->params_bytes != sizeof *p || parts < 1)
        return MAGIK_BAD_STEP;
    const struct magik_tensor *first = n->in[0];
    if (!op_between(p->axis, 0, first->rank - 1) || !op_between(p->top, 0, op_top(n)) || !op_between(p->y_zero, 0, op_top(n)))
        return MAGIK_BAD_PARAMS;
    op_like(y, first);
    int64_t size = 0;
    for (int32_t k = 0; k < parts; k++) {
        struct magik_tensor t = *n->in[k];
        size += t.rank == first->rank ? t.dims[p->axis] : 0;
        t.dims[p->axis] = first->dims[p->axis];
        if (!op_fits(n, &t) || t.dtype != first->dtype || !op_same_shape(&t, first))
            return MAGIK_BAD_SHAPE;
    }
    if (size > INT32_MAX)
        return MAGIK_BAD_SHAPE;
    y->dims[p->axis] = (int32_t)size;
    return concat_has_table(n) && !is_table(n->in[parts], parts, op_top(n)) ? MAGIK_BAD_PARAMS : MAGIK_OK;
}

/* Of many codes there are only 256 different ones. */
static void rescale(const uint8_t *x, uint8_t *y, int32_t count, const int32_t *row, const struct concat_params *p)
{
    enum { CODES = 256 };
    uint8_t table[CODES];
    const int32_t is_many = count > 2 * CODES, made = is_many ? CODES : count;
    uint8_t *to = is_many ? table : y;
    for (int32_t i = 0; i < made; i++)
        to[i] = fx_u8(fx_rescale((is_many ? i : x[i]) - row[0], row[1], row[2]) + p->y_zero, 0, p->top);
    for (int32_t i = 0; is_many && i < count; i++)
        y[i] = table[x[i]];
}

static void rescale_u16(const uint8_t *from, uint8_t *to, int32_t count, const int32_t *row, const struct concat_params *p)
{
    const uint16_t *x = (const void *)from;
    uint16_t *y = (void *)to;
    for (int32_t i = 0; i < count; i++)
        y[i] = (uint16_t)fx_clamp(fx_rescale(x[i] - row[0], row[1], row[2]) + p->y_zero, 0, p->top);
}

void magik_concat_u8(const struct magik_step *n)
{
    concat_join(n, 1, n->in[n->n_in - 1]->data, rescale);
}

void magik_concat_u16(const struct magik_step *n)
{
    concat_join(n, 2, n->in[n->n_in - 1]->data, rescale_u16);
}

void magik_concat_x8(const struct magik_step *n)
{
    concat_join(n, 1, NULL, rescale);
}

void magik_concat_x32(const struct magik_step *n)
{
    concat_join(n, 4, NULL, rescale);
}
