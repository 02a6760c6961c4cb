/* ReduceSum. */
#include "reduce.h"

int32_t magik_reduce_sum_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return reduce_shape(n, y);
}

void magik_reduce_sum_u8(const struct magik_step *n)
{
    REDUCE(n, uint8_t, int32_t, v, a + v, fx_u8(fx_rescale(a - p->x_zero * values, p->multiplier, p->shift) + p->y_zero, 0, p->top));
}

void magik_reduce_sum_f32(const struct magik_step *n)
{
    REDUCE(n, float, float, 0.0f + v, a + v, a);
}
