/* Min and Max. */
#include "broadcast.h"
#include "fixed.h"

struct params {
    int32_t a_zero, b_zero, y_zero;     /* codes */
    int32_t a_multiplier, b_multiplier; /* s_a / s_y and s_b / s_y over one shift */
    int32_t shift;                      /* [1, 62] */
    int32_t top;                        /* largest code of y */
    int32_t is_max;                     /* [0, 1] */
};

int32_t magik_extremum_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    const int32_t status = broadcast_step(n, y, sizeof *p);
    if (status != MAGIK_OK)
        return status;
    const int32_t top = op_top(n);
    if (!op_between(p->shift, 1, FX_MAX_SHIFT) || !op_between(p->top, 0, top) || !op_between(p->is_max, 0, 1) ||
        !op_between(p->a_zero, 0, top) || !op_between(p->b_zero, 0, top) || !op_between(p->y_zero, 0, top))
        return MAGIK_BAD_PARAMS;
    return MAGIK_OK;
}

static uint16_t pick_code(const struct params *p, int32_t a, int32_t b)
{
    const int64_t u = (int64_t)(a - p->a_zero) * p->a_multiplier, v = (int64_t)(b - p->b_zero) * p->b_multiplier;
    return (uint16_t)fx_clamp(fx_shift((u > v) == p->is_max ? u : v, p->shift) + p->y_zero, 0, p->top);
}

void magik_extremum_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    BROADCAST(n, uint8_t, (uint8_t)pick_code(p, a, b));
}

void magik_extremum_u16(const struct magik_step *n)
{
    const struct params *p = n->params;
    BROADCAST(n, uint16_t, pick_code(p, a, b));
}

static float pick(float a, float b, int32_t is_max)
{
    const int is_left = is_max ? a > b : a < b;
    return is_left || a != a ? a : b;
}

void magik_extremum_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    BROADCAST(n, float, pick(a, b, p->is_max));
}
