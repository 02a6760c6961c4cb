/* PRelu: a slope per channel. */
#include "fixed.h"
#include "lines.h"

struct params {
    int32_t axis;           /* [0, rank) */
    int32_t x_zero, y_zero; /* [0, 255], on u16 [0, 65535] */
    int32_t multiplier;     /* s_x / s_y */
    int32_t shift;          /* [1, 62] */
    int32_t top;            /* as the zero points */
    int32_t x_half, y_half; /* 0, 1: the zero point is half a code below x_zero, y_zero */
};

/* Slopes: f32 one per channel, or s32 pairs of a multiplier and a shift in [1, 62]. */
static int is_table(const struct magik_step *n, const struct magik_tensor *t, int32_t channels)
{
    if (n->dtype == MAGIK_F32)
        return t->dtype == MAGIK_F32 && t->is_constant && t->count == channels;
    if (t->dtype != MAGIK_S32 || !t->is_constant || t->count != 2 * (int64_t)channels)
        return 0;
    for (int32_t i = 0; i < channels; i++)
        if (!op_between(((const int32_t *)t->data)[2 * i + 1], 1, FX_MAX_SHIFT))
            return 0;
    return 1;
}

int32_t magik_prelu_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (x->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->axis, 0, x->rank - 1) || !op_between(p->shift, 1, FX_MAX_SHIFT) ||
        !op_between(p->top, 0, op_top(n)) || !op_between(p->x_zero, 0, op_top(n)) || !op_between(p->y_zero, 0, op_top(n)) ||
        !op_between(p->x_half, 0, 1) || !op_between(p->y_half, 0, 1))
        return MAGIK_BAD_PARAMS;
    op_like(y, x);
    return is_table(n, n->in[1], x->dims[p->axis]) ? MAGIK_OK : MAGIK_BAD_SHAPE;
}

/* v: code - x_zero, to which half a code is to be added where x_half says so: it is below 0 where the sum is. */
static inline int64_t scaled(const struct params *p, const int32_t *slope, int32_t v)
{
    const int32_t m = v < 0 ? slope[0] : p->multiplier, s = v < 0 ? slope[1] : p->shift;
    return fx_shift((int64_t)v * m + p->x_half * (m >> 1) - p->y_half * ((int64_t)1 << (s - 1)), s) + p->y_zero;
}

static inline void prelu(const struct magik_step *n, int is_wide)
{
    const struct params *p = n->params;
    const struct lines l = lines_of(n->in[0], p->axis);
    const int32_t *table = n->in[1]->data;
    const void *x = n->in[0]->data;
    void *y = n->out[0]->data;
    int32_t r, end;
    op_span(n, l.outer * l.size, &r, &end);
    for (; r < end; r++) {
        const int32_t *slope = table + 2 * (r % l.size);
        for (int32_t i = r * l.inner; i < (r + 1) * l.inner; i++)
            fx_put(y, i, is_wide, scaled(p, slope, fx_code(x, i, is_wide) - p->x_zero), 0, p->top);
    }
}

void magik_prelu_u8(const struct magik_step *n)
{
    prelu(n, 0);
}

void magik_prelu_u16(const struct magik_step *n)
{
    prelu(n, 1);
}

void magik_prelu_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct lines l = lines_of(n->in[0], p->axis);
    const float *table = n->in[1]->data;
    int32_t r, end;
    op_span(n, l.outer * l.size, &r, &end);
    for (; r < end; r++) {
        const float *x = (const float *)n->in[0]->data + r * l.inner;
        float *y = (float *)n->out[0]->data + r * l.inner;
        const float slope = table[r % l.size];
        for (int32_t i = 0; i < l.inner; i++)
            y[i] = x[i] < 0.0f ? x[i] * slope : x[i];
    }
}
