/* Div. */
#include "broadcast.h"

int32_t magik_div_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!op_has(n, 2, 1, 0))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != n->dtype || n->in[1]->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    y->dtype = n->dtype;
    return broadcast_shape(n->in[0], n->in[1], y);
}

void magik_div_f32(const struct magik_step *n)
{
    const struct broadcast w = broadcast_of(n->in[0], n->in[1], n->out[0]);
    int32_t r, end;
    op_span(n, w.rows, &r, &end);
    for (; r < end; r++) {
        const float *a = (const float *)w.a->data + broadcast_at(&w, w.a, r);
        const float *b = (const float *)w.b->data + broadcast_at(&w, w.b, r);
        float *y = (float *)w.y->data + r * w.row;
        for (int32_t i = 0; i < w.row; i++, a += w.a_step, b += w.b_step)
            y[i] = *a / *b;
    }
}
