/* ReduceMean and GlobalAveragePool. */
#include "reduce.h"

int32_t magik_reduce_mean_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return magik_reduce_shape(n, y);
}

static uint8_t mean(const struct reduce_params *p, int32_t total, int32_t count)
{
    const int64_t v = fx_average(total - p->x_zero * count, count);
    return fx_u8(fx_rescale((int32_t)v, p->multiplier, p->shift) + p->y_zero, 0, p->top);
}

/* Sums of 2^22 codes of u16 have 38 bits, their mean with 16 fraction bits 33. */
static uint16_t mean_wide(const struct reduce_params *p, int64_t total, int32_t count)
{
    const int64_t v = fx_average_wide(total - (int64_t)p->x_zero * count, count);
    return (uint16_t)fx_clamp(fx_rescale_wide(v, p->multiplier, p->shift) + p->y_zero, 0, p->top);
}

void magik_reduce_mean_u8(const struct magik_step *n)
{
    REDUCE(n, uint8_t, int32_t, v, a + v, mean(p, a, values));
}

void magik_reduce_mean_u16(const struct magik_step *n)
{
    REDUCE(n, uint16_t, int64_t, v, a + v, mean_wide(p, a, values));
}

void magik_reduce_mean_f32(const struct magik_step *n)
{
    REDUCE(n, float, float, 0.0f + v, a + v, a / (float)values);
}
