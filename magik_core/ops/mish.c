/* Mish. */
#include "pointwise.h"

int32_t magik_mish_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, 0);
}

void magik_mish_f32(const struct magik_step *n)
{
    POINTWISE_F32(n, v * fm_tanh(fm_softplus(v)));
}
