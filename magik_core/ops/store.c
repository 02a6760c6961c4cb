/* Store: codes in another storage. */
#include "op.h"

int32_t magik_store_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!op_has(n, 1, 1, 0))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != (n->dtype == MAGIK_U8 ? MAGIK_U16 : MAGIK_U8))
        return MAGIK_BAD_SHAPE;
    op_like(y, n->in[0]);
    y->dtype = n->dtype;
    return MAGIK_OK;
}

void magik_store_u8(const struct magik_step *n)
{
    const uint16_t *x = n->in[0]->data;
    uint8_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = x[i] > UINT8_MAX ? UINT8_MAX : (uint8_t)x[i];
}

void magik_store_u16(const struct magik_step *n)
{
    const uint8_t *x = n->in[0]->data;
    uint16_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = x[i];
}
