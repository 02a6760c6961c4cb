/* Pointwise functions on codes: a table with a code for every code, 256 of them on u8. */
#include "op.h"

int32_t magik_lut_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!op_has(n, 2, 1, 0))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != n->dtype || !op_is(n->in[1], n->dtype, 1) || n->in[1]->count < 1 ||
        (n->dtype == MAGIK_U8 && n->in[1]->count != 256))
        return MAGIK_BAD_SHAPE;
    op_like(y, n->in[0]);
    return MAGIK_OK;
}

void magik_lut_u8(const struct magik_step *n)
{
    const uint8_t *x = n->in[0]->data, *table = n->in[1]->data;
    uint8_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = table[x[i]];
}

/* A table of fewer than 2^16 is one of fewer bits; a hostile file may have codes beyond it. */
void magik_lut_u16(const struct magik_step *n)
{
    const uint16_t *x = n->in[0]->data, *table = n->in[1]->data;
    const int32_t last = n->in[1]->count - 1;
    uint16_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = table[x[i] < last ? x[i] : last];
}
