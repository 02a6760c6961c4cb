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

void magik_log_softmax_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct lines l = lines_of(n->in[0], p->axis);
    int32_t r, end;
    op_span(n, l.outer * l.inner, &r, &end);
    for (; r < end; r++) {
        const float *x = (const float *)n->in[0]->data + line_start(&l, r);
        float *y = (float *)n->out[0]->data + line_start(&l, r);
        const float most = fm_largest(x, l.size, l.inner);
        float total = 0.0f;
        for (int32_t i = 0; i < l.size; i++)
            total += fm_exp(x[i * l.inner] - most);
        const float log_total = fm_log(total);
        for (int32_t i = 0; i < l.size; i++)
            y[i * l.inner] = (x[i * l.inner] - most) - log_total;
    }
}
