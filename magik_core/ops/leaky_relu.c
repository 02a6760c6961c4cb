/* LeakyRelu. */
#include "pointwise.h"

struct params {
    float alpha;
};

int32_t magik_leaky_relu_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, sizeof(struct params));
}

void magik_leaky_relu_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    POINTWISE_F32(n, v < 0.0f ? p->alpha * v : v);
}
