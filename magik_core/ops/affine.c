/* Affine: a number multiplied and another added, then limits. */
#include "fixed.h"
#include "op.h"

struct params {
    int32_t multiplier;              /* gain * s_x / s_y */
    int32_t shift;                   /* [1, 44] */
    int32_t offset_low, offset_high; /* s64 in units of 2^-shift: [-2^61, 2^61) */
    int32_t low, high;               /* [0, 65535] */
};

#define MAX_SHIFT 44

int32_t magik_affine_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    const int32_t most = 1 << 29;
    if (!op_between(p->shift, 1, MAX_SHIFT) || !op_between(p->offset_high, -most, most - 1) ||
        !op_between(p->low, 0, op_top(n)) || !op_between(p->high, 0, op_top(n)))
        return MAGIK_BAD_PARAMS;
    op_like(y, n->in[0]);
    return MAGIK_OK;
}

void magik_affine_u16(const struct magik_step *n)
{
    const struct params *p = n->params;
    const uint16_t *x = n->in[0]->data;
    uint16_t *y = n->out[0]->data;
    const int64_t offset = (int64_t)p->offset_high * ((int64_t)1 << 32) + (uint32_t)p->offset_low;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++) /* below 2^47 + 2^61 */
        y[i] = (uint16_t)fx_clamp(fx_shift((int64_t)x[i] * p->multiplier + offset, p->shift), p->low, p->high);
}
