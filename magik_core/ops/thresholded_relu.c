/* ThresholdedRelu. */
#include "pointwise.h"

struct params {
    float alpha;
};

int32_t magik_thresholded_relu_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, sizeof(struct params));
}

void magik_thresholded_relu_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    POINTWISE_F32(n, v > p->alpha ? v : 0.0f);
}
