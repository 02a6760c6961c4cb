/* GRU, in f32. */
#include "recurrent.h"

enum { GATES = 3 }; /* z, r, and what h is to become */

int32_t magik_gru_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (n->n_in != RECURRENT_MORE || n->n_out != RECURRENT_LAST_H + 1)
        return MAGIK_BAD_STEP;
    return recurrent_shape(n, y, GATES, GATES + 1);
}

size_t magik_gru_f32_scratch(const struct magik_step *n)
{
    return recurrent_scratch(n);
}

/* What the reset gates leave of h's share in the candidates: r * (b + h R), or (r * h) R. */
static void add_reset(struct recurrent_cell *k)
{
    const int32_t hidden = k->hidden, columns = GATES * hidden;
    float *a = k->sums, *v = k->more;
    const float *r = k->r + 2 * hidden;
    if (k->p->is_coupled) {
        memcpy(v, k->b + columns, sizeof(float) * (size_t)hidden);
        recurrent_add(k->h, hidden, r, columns, hidden, v);
        for (int32_t j = 0; j < hidden; j++)
            a[2 * hidden + j] += a[hidden + j] * v[j];
        return;
    }
    for (int32_t j = 0; j < hidden; j++)
        v[j] = a[hidden + j] * k->h[j];
    recurrent_add(v, hidden, r, columns, hidden, a + 2 * hidden);
}

static void advance(struct recurrent_cell *k, const float *x)
{
    const int32_t hidden = k->hidden, columns = GATES * hidden;
    float *a = k->sums;
    memcpy(a, k->b, sizeof(float) * (size_t)columns);
    recurrent_add(x, k->width, k->w, columns, columns, a);
    recurrent_add(k->h, hidden, k->r, columns, 2 * hidden, a);
    for (int32_t j = 0; j < 2 * hidden; j++)
        a[j] = recurrent_gate(k, 0, a[j]);
    add_reset(k);
    for (int32_t j = 0; j < hidden; j++)
        k->h[j] = (1.0f - a[j]) * recurrent_gate(k, 1, a[2 * hidden + j]) + a[j] * k->h[j];
}

void magik_gru_f32(const struct magik_step *n)
{
    recurrent_run(n, advance);
}
