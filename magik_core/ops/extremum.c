/* Min and Max. */
#include "broadcast.h"
#include "fixed.h"

struct params {
    int32_t a_zero, b_zero, y_zero;     /* [0, 255] */
    int32_t a_multiplier, b_multiplier; /* s_a / s_y and s_b / s_y over one shift */
    int32_t shift;                      /* [1, 62] */
    int32_t top;                        /* [0, 255] */
    int32_t is_max;                     /* [0, 1] */
};

int32_t magik_extremum_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != n->dtype || n->in[1]->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->shift, 1, FX_MAX_SHIFT) || !op_between(p->top, 0, 255) || !op_between(p->is_max, 0, 1) ||
        !op_between(p->a_zero, 0, 255) || !op_between(p->b_zero, 0, 255) || !op_between(p->y_zero, 0, 255))
        return MAGIK_BAD_PARAMS;
    y->dtype = n->dtype;
    return broadcast_shape(n->in[0], n->in[1], y);
}

void magik_extremum_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct broadcast w = broadcast_of(n->in[0], n->in[1], n->out[0]);
    int32_t r, end;
    op_span(n, w.rows, &r, &end);
    for (; r < end; r++) {
        const uint8_t *a = (const uint8_t *)w.a->data + broadcast_at(&w, w.a, r);
        const uint8_t *b = (const uint8_t *)w.b->data + broadcast_at(&w, w.b, r);
        uint8_t *y = (uint8_t *)w.y->data + r * w.row;
        for (int32_t i = 0; i < w.row; i++, a += w.a_step, b += w.b_step) {
            const int64_t u = (int64_t)(*a - p->a_zero) * p->a_multiplier, v = (int64_t)(*b - p->b_zero) * p->b_multiplier;
            y[i] = fx_u8(fx_shift((u > v) == p->is_max ? u : v, p->shift) + p->y_zero, 0, p->top);
        }
    }
}

static float pick(float a, float b, int32_t is_max)
{
    const int is_left = is_max ? a > b : a < b;
    return is_left || a != a ? a : b;
}

void magik_extremum_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct broadcast w = broadcast_of(n->in[0], n->in[1], n->out[0]);
    int32_t r, end;
    op_span(n, w.rows, &r, &end);
    for (; r < end; r++) {
        const float *a = (const float *)w.a->data + broadcast_at(&w, w.a, r);
        const float *b = (const float *)w.b->data + broadcast_at(&w, w.b, r);
        float *y = (float *)w.y->data + r * w.row;
        for (int32_t i = 0; i < w.row; i++, a += w.a_step, b += w.b_step)
            y[i] = pick(*a, *b, p->is_max);
    }
}
