/* The same on codes. */
#include "recurrent_codes.h"

static int recurrent_steps_are_sane(const struct recurrent_params *p)
{
    const int32_t shifts[] = {p->h_shift, p->c_shift, p->h_real_shift, p->c_real_shift, p->y_shift};
    for (int32_t i = 0; i < (int32_t)(sizeof shifts / sizeof *shifts); i++)
        if (!op_between(shifts[i], 1, FX_MAX_SHIFT))
            return 0;
    for (int32_t i = 0; i < 2 * RECURRENT_FUNCTIONS; i++)
        if (!op_between(p->segments[i], 1, 20) || !op_between(p->shifts[i], 1, FX_MAX_SHIFT))
            return 0;
    return op_between(p->limit, 0, FX_FIXED_MOST) && op_between(p->h_zero, 0, UINT16_MAX) && op_between(p->h_top, 0, UINT16_MAX) &&
           op_between(p->c_zero, 0, UINT16_MAX) && op_between(p->c_top, 0, UINT16_MAX) && op_between(p->h_half, 0, 1) && op_between(p->y_half, 0, 1);
}

static int recurrent_tables(const struct magik_step *n, int32_t rows)
{
    const struct recurrent_params *p = n->params;
    const struct magik_tensor *factors = n->in[n->n_in - 2], *tables = n->in[n->n_in - 1];
    if (!op_is(factors, MAGIK_S32, 2) || !factors->is_constant || factors->dims[0] != RECURRENT_FACTORS || factors->dims[1] != rows)
        return 0;
    for (int32_t i = 0; i < rows; i++)
        if (!op_between(((const int32_t *)factors->data)[2 * rows + i], 1, FX_MAX_SHIFT))
            return 0;
    if (!op_is(tables, MAGIK_S32, 2) || !tables->is_constant || tables->dims[1] != ACTIVATION_SEGMENTS + 1)
        return 0;
    for (int32_t i = 0; i < 2 * RECURRENT_FUNCTIONS; i++)
        if (!op_between(p->tables[i], 0, tables->dims[0] - 1))
            return 0;
    return 1;
}

int magik_recurrent_is_matrix(const struct magik_tensor *t, int32_t dtype, int32_t a, int32_t b)
{
    return op_is(t, dtype, 2) && t->dims[0] == a && t->dims[1] == b;
}

int32_t magik_recurrent_codes_shape(const struct magik_step *n, struct magik_tensor *y, int32_t gates, int32_t biases)
{
    const struct recurrent_params *p = n->params;
    if (!magik_recurrent_kinds(p) || !recurrent_steps_are_sane(p) || !op_between(p->y_zero, 0, op_top(n)) || !op_between(p->y_top, 0, op_top(n)))
        return MAGIK_BAD_PARAMS;
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H], *w = n->in[RECURRENT_W];
    if (!op_is(x, n->dtype, 3) || !op_is(h, MAGIK_U16, 3) || (w->dtype != MAGIK_S8 && w->dtype != MAGIK_S16))
        return MAGIK_BAD_SHAPE;
    const int32_t dirs = h->dims[0], hidden = h->dims[2];
    if (!magik_recurrent_sizes_fit(n) || !magik_recurrent_is_matrix(w, w->dtype, dirs * gates * hidden, x->dims[2]) ||
        !magik_recurrent_is_matrix(n->in[RECURRENT_R], w->dtype, dirs * gates * hidden, hidden) ||
        !magik_recurrent_is_matrix(n->in[RECURRENT_B], MAGIK_S64, dirs, biases * hidden) || !recurrent_tables(n, dirs * gates * hidden))
        return MAGIK_BAD_SHAPE;
    magik_recurrent_outputs(n, y);
    return MAGIK_OK;
}

size_t magik_recurrent_codes_scratch(const struct magik_step *n)
{
    const size_t hidden = (size_t)n->in[RECURRENT_H]->dims[2], dirs = (size_t)n->in[RECURRENT_H]->dims[0];
    return sizeof(int32_t) * ((size_t)n->in[RECURRENT_W]->dims[0] / dirs + hidden) + sizeof(uint16_t) * hidden;
}

/* Sum of x[k] * w[k] */
#define RECURRENT_DOT(X, W, SUM, BLOCK)                                \
    do {                                                               \
        const X *x = codes;                                            \
        const W *w = weights;                                          \
        for (int32_t at = 0; at < count; at += (BLOCK)) {              \
            const int32_t left = count - at;                           \
            const int32_t size = left < (BLOCK) ? left : (BLOCK);      \
            SUM part = 0;                                              \
            for (int32_t k = 0; k < size; k++)                         \
                part += (SUM)x[at + k] * w[at + k];                    \
            total += part;                                             \
        }                                                              \
    } while (0)

static int64_t recurrent_dot(const void *codes, int is_wide, const void *weights, int has_wide_weights, int32_t count)
{
    int64_t total = 0;
    if (!has_wide_weights && !is_wide)
        RECURRENT_DOT(uint8_t, int8_t, int32_t, RECURRENT_BLOCK);
    else if (!has_wide_weights)
        RECURRENT_DOT(uint16_t, int8_t, int32_t, RECURRENT_BLOCK);
    else if (!is_wide)
        RECURRENT_DOT(uint8_t, int16_t, int32_t, RECURRENT_BLOCK);
    else
        RECURRENT_DOT(uint16_t, int16_t, int64_t, RECURRENT_BLOCK);
    return total;
}

int64_t magik_recurrent_of_x(const struct recurrent_codes *k, const void *x, int32_t row)
{
    const uint8_t *w = (const uint8_t *)k->w + (ptrdiff_t)row * k->width * (k->has_wide_weights ? 2 : 1);
    return recurrent_dot(x, k->is_wide, w, k->has_wide_weights, k->width);
}

int64_t magik_recurrent_of_h(const struct recurrent_codes *k, const uint16_t *h, int32_t row)
{
    const uint8_t *r = (const uint8_t *)k->r + (ptrdiff_t)row * k->hidden * (k->has_wide_weights ? 2 : 1);
    return recurrent_dot(h, 1, r, k->has_wide_weights, k->hidden);
}

int32_t magik_recurrent_sum(const struct recurrent_codes *k, int32_t row, int32_t bias, int64_t of_x, int64_t of_h)
{
    const int64_t m_x = k->factors[row], m_h = k->factors[k->rows + row];
    const int32_t s = k->factors[2 * k->rows + row];
    uint64_t b;
    memcpy(&b, k->b + sizeof b * (size_t)bias, sizeof b);
    const uint64_t sum = (uint64_t)of_x * (uint64_t)m_x + (uint64_t)of_h * (uint64_t)m_h + b;
    return fx_fixed(fx_shift_wrap(sum, s));
}

void magik_recurrent_sums(const struct recurrent_codes *k, const void *x, const uint16_t *h, int32_t from, int32_t to)
{
    for (int32_t j = from; j < to; j++)
        k->sums[j] = magik_recurrent_sum(k, j, j, magik_recurrent_of_x(k, x, j), magik_recurrent_of_h(k, h, j));
}

int32_t magik_recurrent_fixed_gate(const struct recurrent_codes *k, int32_t which, int64_t v)
{
    return activation_s32(&k->functions[which], (int32_t)fx_clamp(v, -k->p->limit, k->p->limit));
}

int32_t magik_recurrent_real_h(const struct recurrent_codes *k, int32_t j)
{
    return fx_fixed(fx_rescale(k->h[j] - k->p->h_zero, k->p->h_real, k->p->h_real_shift));
}

/* The code of a fixed number, before it is limited; half: 0, 1, of a code that the zero point is above `zero`. */
static int64_t recurrent_code(int32_t v, int32_t m, int32_t s, int32_t zero, int32_t half)
{
    return fx_shift((int64_t)v * m + half * ((int64_t)1 << (s - 1)), s) + zero;
}

void magik_recurrent_set_h(const struct recurrent_codes *k, int32_t j, int32_t v)
{
    k->fixed[j] = v;
    k->h[j] = (uint16_t)fx_clamp(recurrent_code(v, k->p->h_multiplier, k->p->h_shift, k->p->h_zero, k->p->h_half), 0, k->p->h_top);
}

/* What belongs to a direction. */
static struct recurrent_codes recurrent_codes_begin(const struct magik_step *n, int32_t direction)
{
    const struct recurrent_params *p = n->params;
    const struct magik_tensor *w = n->in[RECURRENT_W], *h = n->in[RECURRENT_H], *b = n->in[RECURRENT_B];
    const int32_t hidden = h->dims[2], rows = w->dims[0] / h->dims[0], first = direction * rows, bytes = magik_dtype_bytes(w->dtype);
    struct recurrent_codes k = {.p = p, .width = w->dims[1], .hidden = hidden, .rows = w->dims[0]};
    k.is_wide = n->dtype == MAGIK_U16;
    k.has_wide_weights = bytes == 2;
    k.w = (const uint8_t *)w->data + (ptrdiff_t)first * k.width * bytes;
    k.r = (const uint8_t *)n->in[RECURRENT_R]->data + (ptrdiff_t)first * hidden * bytes;
    k.factors = (const int32_t *)n->in[n->n_in - 2]->data + first;
    k.b = (const uint8_t *)b->data + sizeof(int64_t) * (size_t)(direction * b->dims[1]);
    for (int32_t i = 0; i < RECURRENT_FUNCTIONS; i++) {
        const int32_t at = direction * RECURRENT_FUNCTIONS + i;
        const int32_t *table = (const int32_t *)n->in[n->n_in - 1]->data + p->tables[at] * (ACTIVATION_SEGMENTS + 1);
        k.functions[i] = (struct activation_fixed){p->kinds[at], table, p->segments[at], p->multipliers[at], p->shifts[at], p->offsets[at]};
    }
    k.sums = n->scratch;
    k.fixed = k.sums + rows;
    k.more = (uint16_t *)(k.fixed + hidden);
    return k;
}

/* The state of sequence s, from where it begins to where it will be left. */
static uint16_t *recurrent_state(const struct magik_step *n, int32_t in, int32_t out, int32_t s)
{
    const size_t hidden = (size_t)n->in[in]->dims[2];
    uint16_t *state = (uint16_t *)n->out[out]->data + (size_t)s * hidden;
    memmove(state, (const uint16_t *)n->in[in]->data + (size_t)s * hidden, sizeof *state * hidden);
    return state;
}

static void recurrent_put(const struct recurrent_codes *k, uint8_t *y, int32_t at)
{
    const struct recurrent_params *p = k->p;
    for (int32_t j = 0; j < k->hidden; j++)
        fx_put(y, at + j, k->is_wide, recurrent_code(k->fixed[j], p->y_multiplier, p->y_shift, p->y_zero, p->y_half), 0, p->y_top);
}

void magik_recurrent_codes_run(const struct magik_step *n, void (*advance)(struct recurrent_codes *k, const void *x))
{
    const struct recurrent_params *p = n->params;
    const struct magik_tensor *y = n->out[RECURRENT_Y];
    const int32_t steps = y->dims[0], batch = y->dims[2], hidden = y->dims[3], bytes = magik_dtype_bytes(n->dtype);
    const int32_t row = y->dims[1] * batch * hidden;
    int32_t s, end;
    op_span(n, y->dims[1] * batch, &s, &end);
    for (; s < end; s++) {
        struct recurrent_codes k = recurrent_codes_begin(n, s / batch);
        const int32_t length = magik_recurrent_length(n, s % batch);
        k.h = recurrent_state(n, RECURRENT_H, RECURRENT_LAST_H, s);
        if (n->n_out > RECURRENT_LAST_C) {
            const struct magik_tensor *peepholes = n->in[RECURRENT_MORE + 1];
            k.c = recurrent_state(n, RECURRENT_MORE, RECURRENT_LAST_C, s);
            k.peepholes = (const int32_t *)peepholes->data + s / batch * (3 * hidden);
            k.peephole_shifts = peepholes->dims[1];
        }
        for (int32_t i = 0; i < length; i++) {
            const int32_t t = p->is_reverse || s / batch == 1 ? length - 1 - i : i;
            advance(&k, (const uint8_t *)n->in[RECURRENT_X]->data + (ptrdiff_t)(t * batch + s % batch) * k.width * bytes);
            recurrent_put(&k, y->data, t * row + s * hidden);
        }
        for (int32_t t = length; t < steps; t++)
            for (int32_t j = 0; j < hidden; j++)
                fx_put(y->data, t * row + s * hidden + j, k.is_wide, p->y_zero, 0, p->y_top);
    }
}
