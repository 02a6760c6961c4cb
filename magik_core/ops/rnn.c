/* RNN, in f32. */
#include "recurrent.h"

int32_t magik_rnn_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (n->n_in != RECURRENT_MORE || n->n_out != RECURRENT_LAST_H + 1)
        return MAGIK_BAD_STEP;
    return recurrent_shape(n, y, 1, 1);
}

size_t magik_rnn_f32_scratch(const struct magik_step *n)
{
    return recurrent_scratch(n);
}

static void advance(struct recurrent_cell *k, const float *x)
{
    memcpy(k->sums, k->b, sizeof(float) * (size_t)k->hidden);
    recurrent_add(x, k->width, k->w, k->hidden, k->hidden, k->sums);
    recurrent_add(k->h, k->hidden, k->r, k->hidden, k->hidden, k->sums);
    for (int32_t j = 0; j < k->hidden; j++)
        k->h[j] = recurrent_gate(k, 0, k->sums[j]);
}

void magik_rnn_f32(const struct magik_step *n)
{
    recurrent_run(n, advance);
}
