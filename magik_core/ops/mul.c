/* Mul. */
#include "arithmetic.h"
#include "fixed.h"

int32_t magik_mul_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct mul_params *p = n->params;
    const int32_t status = broadcast_step(n, y, sizeof *p);
    if (status != MAGIK_OK)
        return status;
    const int32_t top = op_top(n);
    if (!op_between(p->shift, 1, FX_MAX_SHIFT) || !op_between(p->low, 0, top) || !op_between(p->high, 0, top) ||
        !op_between(p->a_zero, 0, top) || !op_between(p->b_zero, 0, top) || !op_between(p->y_zero, 0, top))
        return MAGIK_BAD_PARAMS;
    return MAGIK_OK;
}

void magik_mul_u8(const struct magik_step *n)
{
    const struct mul_params *p = n->params;
    BROADCAST(n, uint8_t, fx_u8(fx_rescale((a - p->a_zero) * (b - p->b_zero), p->multiplier, p->shift) + p->y_zero, p->low, p->high));
}

/* A product has 33 bits. */
static uint16_t product(const struct mul_params *p, int32_t a, int32_t b)
{
    const int64_t v = (int64_t)(a - p->a_zero) * (b - p->b_zero);
    return (uint16_t)fx_clamp(fx_rescale_wide(v, p->multiplier, p->shift) + p->y_zero, p->low, p->high);
}

void magik_mul_u16(const struct magik_step *n)
{
    const struct mul_params *p = n->params;
    BROADCAST(n, uint16_t, product(p, a, b));
}

void magik_mul_f32(const struct magik_step *n)
{
    const struct mul_params *p = n->params;
    BROADCAST(n, float, fx_clip(a * b, p->real_low, p->real_high));
}
