/* LSTM, in f32 and on codes. */
#include "recurrent_codes.h"

enum { C = RECURRENT_MORE, PEEPHOLES, INPUTS }; /* c (D, N, H), peepholes (D, 3 H), on codes (2, D 3 H) */
enum { GATES = 4 };                             /* i, o, f, and what the cell is to take in */

/* Multipliers, then shifts. */
static int peepholes_are_sane(const struct magik_tensor *p, int32_t count)
{
    if (!magik_recurrent_is_matrix(p, MAGIK_S32, 2, count) || !p->is_constant)
        return 0;
    for (int32_t i = count; i < 2 * count; i++)
        if (!op_between(((const int32_t *)p->data)[i], 1, FX_MAX_SHIFT))
            return 0;
    return 1;
}

int32_t magik_lstm_shape(const struct magik_step *n, struct magik_tensor *y)
{
    if (!magik_recurrent_has(n, INPUTS, RECURRENT_LAST_C + 1))
        return MAGIK_BAD_STEP;
    const int is_real = n->dtype == MAGIK_F32;
    const int32_t status = is_real ? magik_recurrent_shape(n, y, GATES, GATES) : magik_recurrent_codes_shape(n, y, GATES, GATES);
    if (status != MAGIK_OK)
        return status;
    const struct magik_tensor *h = n->in[RECURRENT_H], *p = n->in[PEEPHOLES];
    const int32_t count = 3 * h->dims[2];
    if (!magik_recurrent_dims(n->in[C], h->dtype, h->dims[0], h->dims[1], h->dims[2]) || (is_real && !magik_recurrent_is_matrix(p, MAGIK_F32, h->dims[0], count)))
        return MAGIK_BAD_SHAPE;
    if (!is_real && !peepholes_are_sane(p, h->dims[0] * count))
        return MAGIK_BAD_SHAPE;
    op_like(&y[RECURRENT_LAST_C], h);
    return MAGIK_OK;
}

size_t magik_lstm_f32_scratch(const struct magik_step *n)
{
    return magik_recurrent_scratch(n);
}

static void advance(struct recurrent_cell *k, const float *x)
{
    const int32_t hidden = k->hidden, columns = GATES * hidden;
    const float *a = k->sums, *p = k->peepholes;
    memcpy(k->sums, k->b, sizeof(float) * (size_t)columns);
    magik_recurrent_add(x, k->width, k->w, columns, columns, k->sums);
    magik_recurrent_add(k->h, hidden, k->r, columns, columns, k->sums);
    for (int32_t j = 0; j < hidden; j++) {
        const float c = k->c[j];
        const float i = magik_recurrent_gate(k, 0, a[j] + p[j] * c);
        const float f = k->p->is_coupled ? 1.0f - i : magik_recurrent_gate(k, 0, a[2 * hidden + j] + p[2 * hidden + j] * c);
        k->c[j] = f * c + i * magik_recurrent_gate(k, 1, a[3 * hidden + j]);
        const float o = magik_recurrent_gate(k, 0, a[hidden + j] + p[hidden + j] * k->c[j]);
        k->h[j] = o * magik_recurrent_function(k, 2, k->c[j]);
    }
}

void magik_lstm_f32(const struct magik_step *n)
{
    magik_recurrent_run(n, advance);
}

static int64_t of_peephole(const struct recurrent_codes *k, int32_t at, int32_t c)
{
    return fx_rescale(c, k->peepholes[at], k->peepholes[k->peephole_shifts + at]);
}

static void advance_codes(struct recurrent_codes *k, const void *x)
{
    const struct recurrent_params *p = k->p;
    const int32_t hidden = k->hidden, *a = k->sums;
    magik_recurrent_sums(k, x, k->h, 0, GATES * hidden);
    for (int32_t j = 0; j < hidden; j++) {
        const int32_t old = fx_fixed(fx_rescale(k->c[j] - p->c_zero, p->c_real, p->c_real_shift));
        const int32_t i = magik_recurrent_fixed_gate(k, 0, a[j] + of_peephole(k, j, old));
        const int32_t f = p->is_coupled ? FX_FIXED_ONE - i : magik_recurrent_fixed_gate(k, 0, a[2 * hidden + j] + of_peephole(k, 2 * hidden + j, old));
        const int32_t g = magik_recurrent_fixed_gate(k, 1, a[3 * hidden + j]), c = fx_fix((int64_t)f * old + (int64_t)i * g);
        const int32_t o = magik_recurrent_fixed_gate(k, 0, a[hidden + j] + of_peephole(k, hidden + j, c));
        k->c[j] = (uint16_t)fx_clamp(fx_rescale(c, p->c_multiplier, p->c_shift) + p->c_zero, 0, p->c_top);
        magik_recurrent_set_h(k, j, fx_fix((int64_t)o * activation_s32(&k->functions[2], c)));
    }
}

size_t magik_lstm_u8_scratch(const struct magik_step *n)
{
    return magik_recurrent_codes_scratch(n);
}

size_t magik_lstm_u16_scratch(const struct magik_step *n)
{
    return magik_recurrent_codes_scratch(n);
}

void magik_lstm_u8(const struct magik_step *n)
{
    magik_recurrent_codes_run(n, advance_codes);
}

void magik_lstm_u16(const struct magik_step *n)
{
    magik_recurrent_codes_run(n, advance_codes);
}
