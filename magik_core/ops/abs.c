/* Abs. */
#include "pointwise.h"

int32_t magik_abs_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, 0);
}

void magik_abs_f32(const struct magik_step *n)
{
    POINTWISE_F32(n, fm_abs(v));
}
