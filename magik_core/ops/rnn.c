/* RNN, in f32 and on codes. */
#include "recurrent_codes.h"

int32_t magik_rnn_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!magik_recurrent_has(n, RECURRENT_MORE, RECURRENT_LAST_H + 1))
        return MAGIK_BAD_STEP;
    return n->dtype == MAGIK_F32 ? magik_recurrent_shape(n, y, 1, 1) : magik_recurrent_codes_shape(n, y, 1, 1);
}

size_t magik_rnn_f32_scratch(const struct magik_step *n)
{
    return magik_recurrent_scratch(n);
}

static void advance(struct recurrent_cell *k, const float *x)
{
    memcpy(k->sums, k->b, sizeof(float) * (size_t)k->hidden);
    magik_recurrent_add(x, k->width, k->w, k->hidden, k->hidden, k->sums);
    magik_recurrent_add(k->h, k->hidden, k->r, k->hidden, k->hidden, k->sums);
    for (int32_t j = 0; j < k->hidden; j++)
        k->h[j] = magik_recurrent_gate(k, 0, k->sums[j]);
}

void magik_rnn_f32(const struct magik_step *n)
{
    magik_recurrent_run(n, advance);
}

static void advance_codes(struct recurrent_codes *k, const void *x)
{
    magik_recurrent_sums(k, x, k->h, 0, k->hidden);
    for (int32_t j = 0; j < k->hidden; j++)
        magik_recurrent_set_h(k, j, magik_recurrent_fixed_gate(k, 0, k->sums[j]));
}

size_t magik_rnn_u8_scratch(const struct magik_step *n)
{
    return magik_recurrent_codes_scratch(n);
}

size_t magik_rnn_u16_scratch(const struct magik_step *n)
{
    return magik_recurrent_codes_scratch(n);
}

void magik_rnn_u8(const struct magik_step *n)
{
    magik_recurrent_codes_run(n, advance_codes);
}

void magik_rnn_u16(const struct magik_step *n)
{
    magik_recurrent_codes_run(n, advance_codes);
}
