/* ReduceSum. */
#include "reduce.h"

int32_t magik_reduce_sum_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return magik_reduce_shape(n, y);
}

void magik_reduce_sum_u8(const struct magik_step *n)
{
    REDUCE(n, uint8_t, int32_t, v, a + v, fx_u8(fx_rescale(a - p->x_zero * values, p->multiplier, p->shift) + p->y_zero, 0, p->top));
}

static uint16_t sum_wide(const struct reduce_params *p, int64_t total, int32_t count)
{
    return (uint16_t)fx_clamp(fx_rescale_wide(total - (int64_t)p->x_zero * count, p->multiplier, p->shift) + p->y_zero, 0, p->top);
}

void magik_reduce_sum_u16(const struct magik_step *n)
{
    REDUCE(n, uint16_t, int64_t, v, a + v, sum_wide(p, a, values));
}

void magik_reduce_sum_f32(const struct magik_step *n)
{
    REDUCE(n, float, float, 0.0f + v, a + v, a);
}
