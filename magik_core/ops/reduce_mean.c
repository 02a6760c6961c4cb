/* ReduceMean and GlobalAveragePool. */
#include "fixed.h"
#include "reduce.h"

struct params {
    struct reduce reduce;
    int32_t x_zero, y_zero;    /* [0, 255] */
    int32_t top;               /* largest code of y, [0, 255] */
    int32_t multiplier, shift; /* s_x / s_y / 2^16; shift [1, 62] */
};

enum { MAX_COUNT = 1 << 22 }; /* 255 * MAX_COUNT fits int32 */

int32_t magik_reduce_mean_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (!op_between(p->x_zero, 0, 255) || !op_between(p->y_zero, 0, 255) || !op_between(p->top, 0, 255) || !op_between(p->shift, 1, FX_MAX_SHIFT))
        return MAGIK_BAD_PARAMS;
    const int32_t status = reduce_shape(&p->reduce, n->in[0], y);
    if (status != MAGIK_OK)
        return status;
    return n->in[0]->dtype != n->dtype || (n->dtype == MAGIK_U8 && reduce_count(&p->reduce, n->in[0]) > MAX_COUNT) ? MAGIK_BAD_SHAPE : MAGIK_OK;
}

REDUCE_FOLD(sum_u8, uint8_t, int32_t, 0, a + v)
REDUCE_FOLD(sum_f32, float, float, 0.0f, a + v)

void magik_reduce_mean_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct reduce_walk w = reduce_of(&p->reduce, n->in[0]);
    const int32_t size = reduce_count(&p->reduce, n->in[0]), zeros = size * p->x_zero;
    uint8_t *y = n->out[0]->data;
    int32_t o, end, count;
    op_span(n, n->out[0]->count, &o, &end);
    for (; o < end; o += count) {
        int32_t acc[REDUCE_BLOCK];
        count = reduce_block(&w, o, end);
        sum_u8(&w, (const uint8_t *)n->in[0]->data + reduce_at(&w.kept, o), count, acc);
        for (int32_t i = 0; i < count; i++) {
            const int32_t mean = (int32_t)fx_average(acc[i] - zeros, size);
            y[o + i] = fx_u8(fx_rescale(mean, p->multiplier, p->shift) + p->y_zero, 0, p->top);
        }
    }
}

void magik_reduce_mean_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct reduce_walk w = reduce_of(&p->reduce, n->in[0]);
    const float size = (float)reduce_count(&p->reduce, n->in[0]);
    float *y = n->out[0]->data;
    int32_t o, end, count;
    op_span(n, n->out[0]->count, &o, &end);
    for (; o < end; o += count) {
        count = reduce_block(&w, o, end);
        sum_f32(&w, (const float *)n->in[0]->data + reduce_at(&w.kept, o), count, y + o);
        for (int32_t i = 0; i < count; i++)
            y[o + i] /= size;
    }
}
