/* ReduceMax, ReduceMin and GlobalMaxPool. */
#include "fmath.h"
#include "reduce.h"

struct params {
    struct reduce reduce;
    int32_t is_min; /* 0, 1 */
};

int32_t magik_reduce_max_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (!op_between(p->is_min, 0, 1))
        return MAGIK_BAD_PARAMS;
    return n->in[0]->dtype == n->dtype ? reduce_shape(&p->reduce, n->in[0], y) : MAGIK_BAD_SHAPE;
}

REDUCE_FOLD(max_u8, uint8_t, uint8_t, 0, v > a ? v : a)
REDUCE_FOLD(min_u8, uint8_t, uint8_t, 255, v < a ? v : a)
REDUCE_FOLD(max_f32, float, float, fm_from_bits(0xff800000u), v > a ? v : a)
REDUCE_FOLD(min_f32, float, float, fm_from_bits(0x7f800000u), v < a ? v : a)

void magik_reduce_max_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct reduce_walk w = reduce_of(&p->reduce, n->in[0]);
    int32_t o, end, count;
    op_span(n, n->out[0]->count, &o, &end);
    for (; o < end; o += count) {
        const uint8_t *x = (const uint8_t *)n->in[0]->data + reduce_at(&w.kept, o);
        uint8_t *y = (uint8_t *)n->out[0]->data + o;
        count = reduce_block(&w, o, end);
        if (p->is_min)
            min_u8(&w, x, count, y);
        else
            max_u8(&w, x, count, y);
    }
}

void magik_reduce_max_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct reduce_walk w = reduce_of(&p->reduce, n->in[0]);
    int32_t o, end, count;
    op_span(n, n->out[0]->count, &o, &end);
    for (; o < end; o += count) {
        const float *x = (const float *)n->in[0]->data + reduce_at(&w.kept, o);
        float *y = (float *)n->out[0]->data + o;
        count = reduce_block(&w, o, end);
        if (p->is_min)
            min_f32(&w, x, count, y);
        else
            max_f32(&w, x, count, y);
    }
}
