/* Gelu. */
#include "pointwise.h"

struct params {
    int32_t is_tanh; /* [0, 1] */
};

int32_t magik_gelu_shape(const struct magik_step *n, struct magik_tensor *y)
{
    return pointwise_shape(n, y, sizeof(struct params));
}

void magik_gelu_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    if (p->is_tanh)
        POINTWISE_F32(n, (0.5f * v) * (1.0f + fm_tanh(0.7978846f * (v + 0.044715f * (v * v * v)))));
    else
        POINTWISE_F32(n, (0.5f * v) * (1.0f + fm_erf(v * 0.70710677f)));
}
