/* Cast between f32, s32 and bool. */
#include "op.h"

struct params {
    int32_t result; /* index in results */
};

static const int32_t results[] = {MAGIK_S32, MAGIK_F32, MAGIK_BOOL};

int32_t magik_cast_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != (n->dtype == MAGIK_X8 ? MAGIK_BOOL : n->dtype))
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->result, 0, 2))
        return MAGIK_BAD_PARAMS;
    op_like(y, n->in[0]);
    y->dtype = results[p->result];
    return MAGIK_OK;
}

/* Cut off towards zero, saturated; NaN gives 0. */
static int32_t whole_of(float v)
{
    if (!(v > -2147483648.0f))
        return v <= -2147483648.0f ? INT32_MIN : 0;
    return v < 2147483648.0f ? (int32_t)v : INT32_MAX;
}

#define CAST(n, TYPE, RESULT, EXPRESSION)             \
    do {                                              \
        const TYPE *x = (n)->in[0]->data;             \
        RESULT *y = (n)->out[0]->data;                \
        int32_t i, end;                               \
        op_span((n), (n)->out[0]->count, &i, &end);   \
        for (; i < end; i++) {                        \
            const TYPE v = x[i];                      \
            y[i] = (EXPRESSION);                      \
        }                                             \
    } while (0)

void magik_cast_f32(const struct magik_step *n)
{
    const int32_t to = n->out[0]->dtype;
    if (to == MAGIK_S32)
        CAST(n, float, int32_t, whole_of(v));
    else if (to == MAGIK_BOOL)
        CAST(n, float, uint8_t, v != 0.0f);
    else
        CAST(n, float, float, v);
}

void magik_cast_s32(const struct magik_step *n)
{
    const int32_t to = n->out[0]->dtype;
    if (to == MAGIK_F32)
        CAST(n, int32_t, float, (float)v);
    else if (to == MAGIK_BOOL)
        CAST(n, int32_t, uint8_t, v != 0);
    else
        CAST(n, int32_t, int32_t, v);
}

void magik_cast_x8(const struct magik_step *n)
{
    const int32_t to = n->out[0]->dtype;
    if (to == MAGIK_F32)
        CAST(n, uint8_t, float, (float)v);
    else if (to == MAGIK_S32)
        CAST(n, uint8_t, int32_t, v);
    else
        CAST(n, uint8_t, uint8_t, v != 0);
}
