/* Dequantize: codes to f32. */
#include "fixed.h"
#include "op.h"

struct params {
    float scale; /* > 0 */
    float zero;  /* code of real 0 */
};

int32_t magik_dequantize_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!op_has(n, 1, 1, sizeof(struct params)))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    op_like(y, n->in[0]);
    y->dtype = MAGIK_F32;
    return MAGIK_OK;
}

void magik_dequantize_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const uint8_t *x = n->in[0]->data;
    const uint16_t *wide = n->dtype == MAGIK_U16 ? n->in[0]->data : NULL;
    float *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = fx_dequantize(wide != NULL ? wide[i] : x[i], p->scale, p->zero);
}

void magik_dequantize_u16(const struct magik_step *n)
{
    magik_dequantize_u8(n);
}
