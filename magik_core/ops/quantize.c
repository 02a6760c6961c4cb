/* Quantize: f32 to codes. */
#include "fixed.h"
#include "op.h"

struct params {
    float scale; /* > 0 */
    float zero;  /* [0, top] */
    int32_t top; /* 2^bits - 1 */
};

int32_t magik_quantize_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != MAGIK_F32)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->top, 0, n->dtype == MAGIK_U8 ? 255 : 65535))
        return MAGIK_BAD_PARAMS;
    op_like(y, n->in[0]);
    y->dtype = n->dtype;
    return MAGIK_OK;
}

void magik_quantize_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const float *x = n->in[0]->data;
    uint8_t *y = n->out[0]->data;
    uint16_t *wide = n->dtype == MAGIK_U16 ? n->out[0]->data : NULL;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++) {
        const int32_t code = fx_quantize(x[i], p->scale, p->zero, p->top);
        if (wide != NULL)
            wide[i] = (uint16_t)code;
        else
            y[i] = (uint8_t)code;
    }
}

void magik_quantize_u16(const struct magik_step *n)
{
    magik_quantize_u8(n);
}
