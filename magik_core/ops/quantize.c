/* Quantize: f32 to codes. */
#include "fixed.h"
#include "op.h"

struct params {
    float scale; /* > 0 */
    float zero;  /* [0, 255] */
    int32_t top; /* 2^bits - 1 */
};

int32_t magik_quantize_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != MAGIK_F32)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->top, 0, 255))
        return MAGIK_BAD_PARAMS;
    op_like(y, n->in[0]);
    y->dtype = MAGIK_U8;
    return MAGIK_OK;
}

void magik_quantize_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const float *x = n->in[0]->data;
    uint8_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = (uint8_t)fx_quantize(x[i], p->scale, p->zero, p->top);
}
