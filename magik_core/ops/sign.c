/* Sign. */
#include "pointwise.h"

int32_t magik_sign_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, 0);
}

void magik_sign_f32(const struct magik_step *n)
{
    POINTWISE_F32(n, (float)((v > 0.0f) - (v < 0.0f)));
}
