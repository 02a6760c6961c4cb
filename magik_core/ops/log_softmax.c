/* LogSoftmax along one axis. */
#include "fmath.h"
#include "lines.h"

struct params {
    int32_t axis; /* [0, rank) */
};

int32_t magik_log_softmax_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != MAGIK_F32)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->axis, 0, n->in[0]->rank - 1))
        return MAGIK_BAD_PARAMS;
    op_like(y, n->in[0]);
    return MAGIK_OK;
}

static void line_f32(const struct magik_step *n, int32_t at, int32_t size, int32_t step)
{
    const float *x = (const float *)n->in[0]->data + at;
    float *y = (float *)n->out[0]->data + at;
    const float most = fm_largest(x, size, step);
    float total = 0.0f;
    for (int32_t i = 0; i < size; i++)
        total += fm_exp(x[i * step] - most);
    const float log_total = fm_log(total);
    for (int32_t i = 0; i < size; i++)
        y[i * step] = (x[i * step] - most) - log_total;
}

void magik_log_softmax_f32(const struct magik_step *n)
{
    lines_each(n, ((const struct params *)n->params)->axis, line_f32);
}
