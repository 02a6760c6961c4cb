/* What LSTM, GRU and RNN share in f32, once in a program for a board. */
#include "recurrent.h"

int magik_recurrent_dims(const struct magik_tensor *t, int32_t dtype, int32_t a, int32_t b, int32_t c)
{
    return op_is(t, dtype, 3) && t->dims[0] == a && t->dims[1] == b && t->dims[2] == c;
}

int magik_recurrent_kinds(const struct recurrent_params *p)
{
    for (int32_t i = 0; i < 2 * RECURRENT_FUNCTIONS; i++)
        if (!op_between(p->kinds[i], 0, ACTIVATIONS - 1))
            return 0;
    return op_between(p->is_reverse, 0, 1) && op_between(p->is_coupled, 0, 1) && p->clip >= 0.0f;
}

int magik_recurrent_sizes_fit(const struct magik_step *n)
{
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H], *lengths = n->in[RECURRENT_LENGTHS];
    return op_is(lengths, MAGIK_S32, 1) && op_between(h->dims[0], 1, 2) && op_between(h->dims[2], 1, 1 << 24) &&
           x->dims[1] == h->dims[1] && lengths->dims[0] == h->dims[1];
}

void magik_recurrent_outputs(const struct magik_step *n, struct magik_tensor *y)
{
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H];
    y[RECURRENT_Y] = (struct magik_tensor){.dtype = x->dtype, .rank = 4, .dims = {x->dims[0], h->dims[0], h->dims[1], h->dims[2]}};
    op_like(&y[RECURRENT_LAST_H], h);
}

int32_t magik_recurrent_shape(const struct magik_step *n, struct magik_tensor *y, int32_t gates, int32_t biases)
{
    if (!magik_recurrent_kinds(n->params))
        return MAGIK_BAD_PARAMS;
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H], *b = n->in[RECURRENT_B];
    if (!op_is(x, MAGIK_F32, 3) || !op_is(h, MAGIK_F32, 3) || !magik_recurrent_sizes_fit(n))
        return MAGIK_BAD_SHAPE;
    const int32_t dirs = h->dims[0], hidden = h->dims[2];
    if (!magik_recurrent_dims(n->in[RECURRENT_W], MAGIK_F32, dirs, x->dims[2], gates * hidden) ||
        !magik_recurrent_dims(n->in[RECURRENT_R], MAGIK_F32, dirs, hidden, gates * hidden) || !op_is(b, MAGIK_F32, 2) ||
        b->dims[0] != dirs || b->dims[1] != biases * hidden)
        return MAGIK_BAD_SHAPE;
    magik_recurrent_outputs(n, y);
    return MAGIK_OK;
}

int magik_recurrent_has(const struct magik_step *n, int32_t n_in, int32_t n_out)
{
    return op_has(n, n->dtype == MAGIK_F32 ? n_in : n_in + 2, n_out, sizeof(struct recurrent_params));
}

int32_t magik_recurrent_length(const struct magik_step *n, int32_t which)
{
    const int32_t given = ((const int32_t *)n->in[RECURRENT_LENGTHS]->data)[which], all = n->in[RECURRENT_X]->dims[0];
    return given < 0 ? 0 : given > all ? all : given;
}

size_t magik_recurrent_scratch(const struct magik_step *n)
{
    const struct magik_tensor *h = n->in[RECURRENT_H], *r = n->in[RECURRENT_R];
    return sizeof(float) * ((size_t)r->dims[2] + (size_t)h->dims[2]);
}

void magik_recurrent_add(const float *v, int32_t count, const float *w, int32_t stride, int32_t columns, float *sums)
{
    for (int32_t k = 0; k < count; k++)
        for (int32_t j = 0; j < columns; j++)
            sums[j] += v[k] * w[k * stride + j];
}

float magik_recurrent_function(const struct recurrent_cell *cell, int32_t which, float v)
{
    const struct recurrent_params *p = cell->p;
    const int32_t i = cell->direction * RECURRENT_FUNCTIONS + which;
    return activation_f32(p->kinds[i], p->alphas[i], p->betas[i], v);
}

float magik_recurrent_gate(const struct recurrent_cell *cell, int32_t which, float v)
{
    return magik_recurrent_function(cell, which, fx_clip(v, -cell->p->clip, cell->p->clip));
}

/* What belongs to a direction. */
static struct recurrent_cell recurrent_begin(const struct magik_step *n, int32_t direction)
{
    const struct magik_tensor *w = n->in[RECURRENT_W], *r = n->in[RECURRENT_R], *b = n->in[RECURRENT_B];
    struct recurrent_cell cell = {.p = n->params, .direction = direction, .width = w->dims[1], .hidden = r->dims[1]};
    cell.gates = r->dims[2] / cell.hidden;
    cell.w = (const float *)w->data + direction * (w->dims[1] * w->dims[2]);
    cell.r = (const float *)r->data + direction * (r->dims[1] * r->dims[2]);
    cell.b = (const float *)b->data + direction * b->dims[1];
    cell.sums = n->scratch;
    cell.more = cell.sums + r->dims[2];
    return cell;
}

static void recurrent_copy(float *to, const struct magik_tensor *from, int32_t at, int32_t count)
{
    memmove(to, (const float *)from->data + at, sizeof(float) * (size_t)count);
}

void magik_recurrent_run(const struct magik_step *n, void (*advance)(struct recurrent_cell *cell, const float *x))
{
    const struct recurrent_params *p = n->params;
    const struct magik_tensor *y = n->out[RECURRENT_Y];
    const int32_t steps = y->dims[0], batch = y->dims[2], hidden = y->dims[3], width = n->in[RECURRENT_X]->dims[2];
    const int32_t row = y->dims[1] * batch * hidden;
    int32_t s, end;
    op_span(n, y->dims[1] * batch, &s, &end);
    for (; s < end; s++) {
        struct recurrent_cell cell = recurrent_begin(n, s / batch);
        const int32_t length = magik_recurrent_length(n, s % batch);
        const float *x = (const float *)n->in[RECURRENT_X]->data + s % batch * width;
        float *out = (float *)y->data + s * hidden;
        cell.h = (float *)n->out[RECURRENT_LAST_H]->data + s * hidden;
        recurrent_copy(cell.h, n->in[RECURRENT_H], s * hidden, hidden);
        if (n->n_out > RECURRENT_LAST_C) {
            cell.c = (float *)n->out[RECURRENT_LAST_C]->data + s * hidden;
            recurrent_copy(cell.c, n->in[RECURRENT_MORE], s * hidden, hidden);
            cell.peepholes = (const float *)n->in[RECURRENT_MORE + 1]->data + cell.direction * (3 * hidden);
        }
        for (int32_t i = 0; i < length; i++) {
            const int32_t t = p->is_reverse || cell.direction == 1 ? length - 1 - i : i;
            advance(&cell, x + t * batch * width);
            /* a hostile file may lay one on the other */
            memmove(out + t * row, cell.h, sizeof(float) * (size_t)hidden);
        }
        for (int32_t t = length; t < steps; t++)
            memset(out + t * row, 0, sizeof(float) * (size_t)hidden);
    }
}
