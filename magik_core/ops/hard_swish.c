/* HardSwish. */
#include "fixed.h"
#include "pointwise.h"

int32_t magik_hard_swish_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, 0);
}

void magik_hard_swish_f32(const struct magik_step *n)
{
    POINTWISE_F32(n, v * fx_clip(v * 0.16666667f + 0.5f, 0.0f, 1.0f));
}
