/* LSTM, in f32. */
#include "recurrent.h"

enum { C = RECURRENT_MORE, PEEPHOLES, INPUTS }; /* c (D, N, H), peepholes (D, 3 H) */
enum { GATES = 4 };                             /* i, o, f, and what the cell is to take in */

int32_t magik_lstm_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (n->n_in != INPUTS || n->n_out != RECURRENT_LAST_C + 1)
        return MAGIK_BAD_STEP;
    const int32_t status = recurrent_shape(n, y, GATES, GATES);
    if (status != MAGIK_OK)
        return status;
    const struct magik_tensor *h = n->in[RECURRENT_H], *p = n->in[PEEPHOLES];
    if (!recurrent_dims(n->in[C], MAGIK_F32, h->dims[0], h->dims[1], h->dims[2]) || !op_is(p, MAGIK_F32, 2) ||
        p->dims[0] != h->dims[0] || p->dims[1] != 3 * h->dims[2])
        return MAGIK_BAD_SHAPE;
    op_like(&y[RECURRENT_LAST_C], h);
    return MAGIK_OK;
}

size_t magik_lstm_f32_scratch(const struct magik_step *n)
{
    return recurrent_scratch(n);
}

static void advance(struct recurrent_cell *k, const float *x)
{
    const int32_t hidden = k->hidden, columns = GATES * hidden;
    const float *a = k->sums, *p = k->peepholes;
    memcpy(k->sums, k->b, sizeof(float) * (size_t)columns);
    recurrent_add(x, k->width, k->w, columns, columns, k->sums);
    recurrent_add(k->h, hidden, k->r, columns, columns, k->sums);
    for (int32_t j = 0; j < hidden; j++) {
        const float c = k->c[j];
        const float i = recurrent_gate(k, 0, a[j] + p[j] * c);
        const float f = k->p->is_coupled ? 1.0f - i : recurrent_gate(k, 0, a[2 * hidden + j] + p[2 * hidden + j] * c);
        k->c[j] = f * c + i * recurrent_gate(k, 1, a[3 * hidden + j]);
        const float o = recurrent_gate(k, 0, a[hidden + j] + p[hidden + j] * k->c[j]);
        k->h[j] = o * recurrent_function(k, 2, k->c[j]);
    }
}

void magik_lstm_f32(const struct magik_step *n)
{
    recurrent_run(n, advance);
}
