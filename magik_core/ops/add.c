/* Add and Sub. */
#include "arithmetic.h"
#include "fixed.h"

int32_t magik_add_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct add_params *p = n->params;
    const int32_t status = broadcast_step(n, y, sizeof *p);
    if (status != MAGIK_OK)
        return status;
    const int32_t top = op_top(n);
    if (!op_between(p->shift, 1, FX_MAX_SHIFT) || !op_between(p->low, 0, top) || !op_between(p->high, 0, top) ||
        !op_between(p->a_zero, 0, top) || !op_between(p->b_zero, 0, top) || !op_between(p->y_zero, 0, top))
        return MAGIK_BAD_PARAMS;
    return MAGIK_OK;
}

static uint16_t sum(const struct add_params *p, int32_t a, int32_t b)
{
    const int64_t v = (int64_t)(a - p->a_zero) * p->a_multiplier + (int64_t)(b - p->b_zero) * p->b_multiplier;
    return (uint16_t)fx_clamp(fx_shift(v, p->shift) + p->y_zero, p->low, p->high);
}

void magik_add_u8(const struct magik_step *n)
{
    const struct add_params *p = n->params;
    BROADCAST(n, uint8_t, (uint8_t)sum(p, a, b));
}

void magik_add_u16(const struct magik_step *n)
{
    const struct add_params *p = n->params;
    BROADCAST(n, uint16_t, sum(p, a, b));
}

void magik_add_f32(const struct magik_step *n)
{
    const struct add_params *p = n->params;
    BROADCAST(n, float, fx_clip(p->sign > 0.0f ? a + b : a - b, p->real_low, p->real_high));
}
