/* Pow by one constant. */
#include "pointwise.h"

struct params {
    float exponent; /* finite */
};

int32_t magik_pow_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    const int32_t status = pointwise_shape(n, y, sizeof *p);
    if (status == MAGIK_OK && !(fm_abs(p->exponent) < FM_INF))
        return MAGIK_BAD_PARAMS;
    return status;
}

void magik_pow_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    POINTWISE_F32(n, fm_power(v, p->exponent));
}
