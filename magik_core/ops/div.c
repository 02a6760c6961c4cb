/* Div. */
#include "broadcast.h"

int32_t magik_div_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return broadcast_step(n, y, 0);
}

void magik_div_f32(const struct magik_step *n)
{
    BROADCAST(n, float, a / b);
}
