/* GRU, in f32 and on codes. */
#include "recurrent_codes.h"

enum { GATES = 3 }; /* z, r, and what h is to become */

int32_t magik_gru_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!magik_recurrent_has(n, RECURRENT_MORE, RECURRENT_LAST_H + 1))
        return MAGIK_BAD_STEP;
    return n->dtype == MAGIK_F32 ? magik_recurrent_shape(n, y, GATES, GATES + 1) : magik_recurrent_codes_shape(n, y, GATES, GATES + 1);
}

size_t magik_gru_f32_scratch(const struct magik_step *n)
{
    return magik_recurrent_scratch(n);
}

/* What the reset gates leave of h's share in the candidates: r * (b + h R), or (r * h) R. */
static void add_reset(struct recurrent_cell *k)
{
    const int32_t hidden = k->hidden, columns = GATES * hidden;
    float *a = k->sums, *v = k->more;
    const float *r = k->r + 2 * hidden;
    if (k->p->is_coupled) {
        memcpy(v, k->b + columns, sizeof(float) * (size_t)hidden);
        magik_recurrent_add(k->h, hidden, r, columns, hidden, v);
        for (int32_t j = 0; j < hidden; j++)
            a[2 * hidden + j] += a[hidden + j] * v[j];
        return;
    }
    for (int32_t j = 0; j < hidden; j++)
        v[j] = a[hidden + j] * k->h[j];
    magik_recurrent_add(v, hidden, r, columns, hidden, a + 2 * hidden);
}

static void advance(struct recurrent_cell *k, const float *x)
{
    const int32_t hidden = k->hidden, columns = GATES * hidden;
    float *a = k->sums;
    memcpy(a, k->b, sizeof(float) * (size_t)columns);
    magik_recurrent_add(x, k->width, k->w, columns, columns, a);
    magik_recurrent_add(k->h, hidden, k->r, columns, 2 * hidden, a);
    for (int32_t j = 0; j < 2 * hidden; j++)
        a[j] = magik_recurrent_gate(k, 0, a[j]);
    add_reset(k);
    for (int32_t j = 0; j < hidden; j++)
        k->h[j] = (1.0f - a[j]) * magik_recurrent_gate(k, 1, a[2 * hidden + j]) + a[j] * k->h[j];
}

void magik_gru_f32(const struct magik_step *n)
{
    magik_recurrent_run(n, advance);
}

/* The same on codes: what enters g. The part that is left of h has h's own codes. */
static void add_reset_codes(struct recurrent_codes *k, const void *x)
{
    const struct recurrent_params *p = k->p;
    const int32_t hidden = k->hidden;
    int32_t *a = k->sums, *reset = a + hidden;
    if (!p->is_coupled) {
        for (int32_t j = 0; j < hidden; j++)
            k->more[j] = (uint16_t)fx_clamp(fx_shift((int64_t)(k->h[j] - p->h_zero) * reset[j], FX_FIXED_BITS) + p->h_zero, 0, p->h_top);
        magik_recurrent_sums(k, x, k->more, 2 * hidden, 3 * hidden);
        return;
    }
    for (int32_t j = 2 * hidden; j < 3 * hidden; j++) {
        const int32_t of_x = magik_recurrent_sum(k, j, j, magik_recurrent_of_x(k, x, j), 0);
        const int32_t of_h = magik_recurrent_sum(k, j, hidden + j, 0, magik_recurrent_of_h(k, k->h, j));
        a[j] = fx_fixed((int64_t)of_x + fx_fix((int64_t)reset[j - 2 * hidden] * of_h));
    }
}

static void advance_codes(struct recurrent_codes *k, const void *x)
{
    const int32_t hidden = k->hidden;
    int32_t *a = k->sums;
    magik_recurrent_sums(k, x, k->h, 0, 2 * hidden);
    for (int32_t j = 0; j < 2 * hidden; j++)
        a[j] = magik_recurrent_fixed_gate(k, 0, a[j]);
    add_reset_codes(k, x);
    for (int32_t j = 0; j < hidden; j++) {
        const int64_t g = magik_recurrent_fixed_gate(k, 1, a[2 * hidden + j]), z = a[j];
        magik_recurrent_set_h(k, j, fx_fix((FX_FIXED_ONE - z) * g + z * magik_recurrent_real_h(k, j)));
    }
}

size_t magik_gru_u8_scratch(const struct magik_step *n)
{
    return magik_recurrent_codes_scratch(n);
}

size_t magik_gru_u16_scratch(const struct magik_step *n)
{
    return magik_recurrent_codes_scratch(n);
}

void magik_gru_u8(const struct magik_step *n)
{
    magik_recurrent_codes_run(n, advance_codes);
}

void magik_gru_u16(const struct magik_step *n)
{
    magik_recurrent_codes_run(n, advance_codes);
}
