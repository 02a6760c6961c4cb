/* ReduceMax and GlobalMaxPool. */
#include "reduce.h"

int32_t magik_reduce_max_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return magik_reduce_shape(n, y);
}

void magik_reduce_max_u8(const struct magik_step *n)
{
    REDUCE(n, uint8_t, uint8_t, v, v > a ? v : a, a);
}

void magik_reduce_max_u16(const struct magik_step *n)
{
    REDUCE(n, uint16_t, uint16_t, v, v > a ? v : a, a);
}

void magik_reduce_max_f32(const struct magik_step *n)
{
    REDUCE(n, float, float, v, v > a ? v : a, a);
}
