/* Clip and Relu. */
#include "fixed.h"
#include "pointwise.h"

struct params {
    float low, high;
};

int32_t magik_clip_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, sizeof(struct params));
}

void magik_clip_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    POINTWISE_F32(n, fx_clip(v, p->low, p->high));
}
