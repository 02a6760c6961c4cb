/* HardSigmoid. */
#include "fixed.h"
#include "pointwise.h"

struct params {
    float alpha, beta;
};

int32_t magik_hard_sigmoid_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, sizeof(struct params));
}

void magik_hard_sigmoid_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    POINTWISE_F32(n, fx_clip(p->alpha * v + p->beta, 0.0f, 1.0f));
}
