/* Celu. */
#include "pointwise.h"

struct params {
    float alpha;
};

int32_t magik_celu_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, sizeof(struct params));
}

void magik_celu_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    POINTWISE_F32(n, v > 0.0f ? v : p->alpha * (fm_exp(v / p->alpha) - 1.0f));
}
