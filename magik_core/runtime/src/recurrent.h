/* What LSTM, GRU and RNN share: params, the check, and how time passes. Each adds the cell of one time step. */
#ifndef MAGIK_RECURRENT_H
#define MAGIK_RECURRENT_H

#include "activation.h"
#include "op.h"

enum { RECURRENT_FUNCTIONS = 3 }; /* f, g, h of each direction */

struct recurrent_params {
    int32_t is_reverse; /* 0, 1: the first direction runs from the end; a second one always does */
    int32_t is_coupled; /* 0, 1: LSTM's input_forget, GRU's linear_before_reset */
    int32_t kinds[6];   /* enum activation: f, g, h of the first direction, then of the second */
    float alphas[6];
    float betas[6];
    float clip; /* limit of what enters a function f or g, 0 and above */
    /* of codes: fixed numbers have FX_FIXED_BITS fraction bits */
    int32_t limit; /* clip, fixed: [0, 2^30] */
    int32_t h_zero, h_top; /* [0, 65535] */
    int32_t h_real, h_real_shift; /* s_h to fixed */
    int32_t h_multiplier, h_shift; /* fixed to s_h */
    int32_t c_zero, c_top, c_real, c_real_shift, c_multiplier, c_shift; /* as of h */
    int32_t y_zero, y_top, y_multiplier, y_shift; /* fixed to s_y */
    int32_t tables[6]; /* which table of functions */
    int32_t segments[6]; /* bits of its segments, [1, 20] */
    int32_t multipliers[6]; /* alpha */
    int32_t shifts[6]; /* of alpha, [1, 62] */
    int32_t offsets[6]; /* beta or a limit, fixed */
    int32_t h_half, y_half; /* 0, 1: the zero point is half a code above h_zero, y_zero */
};

/* x (T, N, I), w (D, I, G H), r (D, H, G H), b (D, B H), lengths s32 (N), h (D, N, H); then the operator's own */
enum { RECURRENT_X, RECURRENT_W, RECURRENT_R, RECURRENT_B, RECURRENT_LENGTHS, RECURRENT_H, RECURRENT_MORE };
/* y (T, D, N, H), the last h (D, N, H); LSTM also the last c */
enum { RECURRENT_Y, RECURRENT_LAST_H, RECURRENT_LAST_C };

/* One direction of one step: `gates` and `more` are scratch, `h` and `c` the state, in place. */
struct recurrent_cell {
    const struct recurrent_params *p;
    int32_t direction, width, hidden, gates;
    const float *w, *r, *b;
    float *sums, *more; /* (G H), (H) */
    float *h, *c;
    const float *peepholes; /* (3 H): i, o, f */
};

static inline int recurrent_dims(const struct magik_tensor *t, int32_t dtype, int32_t a, int32_t b, int32_t c)
{
    return op_is(t, dtype, 3) && t->dims[0] == a && t->dims[1] == b && t->dims[2] == c;
}

static inline int recurrent_kinds(const struct recurrent_params *p)
{
    for (int32_t i = 0; i < 2 * RECURRENT_FUNCTIONS; i++)
        if (!op_between(p->kinds[i], 0, ACTIVATIONS - 1))
            return 0;
    return op_between(p->is_reverse, 0, 1) && op_between(p->is_coupled, 0, 1) && p->clip >= 0.0f;
}

/* Whether the state has as many sequences as x, and lengths are as many. */
static inline int recurrent_sizes_fit(const struct magik_step *n)
{
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H], *lengths = n->in[RECURRENT_LENGTHS];
    return op_is(lengths, MAGIK_S32, 1) && op_between(h->dims[0], 1, 2) && op_between(h->dims[2], 1, 1 << 24) &&
           x->dims[1] == h->dims[1] && lengths->dims[0] == h->dims[1];
}

static inline void recurrent_outputs(const struct magik_step *n, struct magik_tensor *y)
{
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H];
    y[RECURRENT_Y] = (struct magik_tensor){.dtype = x->dtype, .rank = 4, .dims = {x->dims[0], h->dims[0], h->dims[1], h->dims[2]}};
    op_like(&y[RECURRENT_LAST_H], h);
}

/* The check of f32: `gates` columns of weights and `biases` of biases per unit. */
static inline int32_t recurrent_shape(const struct magik_step *n, struct magik_tensor *y, int32_t gates, int32_t biases)
{
    if (!recurrent_kinds(n->params))
        return MAGIK_BAD_PARAMS;
    const struct magik_tensor *x = n->in[RECURRENT_X], *h = n->in[RECURRENT_H], *b = n->in[RECURRENT_B];
    if (!op_is(x, MAGIK_F32, 3) || !op_is(h, MAGIK_F32, 3) || !recurrent_sizes_fit(n))
        return MAGIK_BAD_SHAPE;
    const int32_t dirs = h->dims[0], hidden = h->dims[2];
    if (!recurrent_dims(n->in[RECURRENT_W], MAGIK_F32, dirs, x->dims[2], gates * hidden) ||
        !recurrent_dims(n->in[RECURRENT_R], MAGIK_F32, dirs, hidden, gates * hidden) || !op_is(b, MAGIK_F32, 2) ||
        b->dims[0] != dirs || b->dims[1] != biases * hidden)
        return MAGIK_BAD_SHAPE;
    recurrent_outputs(n, y);
    return MAGIK_OK;
}

/* Counts of inputs and outputs: those of f32, on codes two tables more. */
static inline int recurrent_has(const struct magik_step *n, int32_t n_in, int32_t n_out)
{
    return op_has(n, n->dtype == MAGIK_F32 ? n_in : n_in + 2, n_out, sizeof(struct recurrent_params));
}

/* How many times of sequence `which` there are. */
static inline int32_t recurrent_length(const struct magik_step *n, int32_t which)
{
    const int32_t given = ((const int32_t *)n->in[RECURRENT_LENGTHS]->data)[which], all = n->in[RECURRENT_X]->dims[0];
    return given < 0 ? 0 : given > all ? all : given;
}

static inline size_t recurrent_scratch(const struct magik_step *n)
{
    const struct magik_tensor *h = n->in[RECURRENT_H], *r = n->in[RECURRENT_R];
    return sizeof(float) * ((size_t)r->dims[2] + (size_t)h->dims[2]);
}

/* sums[j] += v[k] * w[k][j], over k in order */
static inline void recurrent_add(const float *v, int32_t count, const float *w, int32_t stride, int32_t columns, float *sums)
{
    for (int32_t k = 0; k < count; k++)
        for (int32_t j = 0; j < columns; j++)
            sums[j] += v[k] * w[k * stride + j];
}

/* f, g or h (0, 1, 2) of a limited v */
static inline float recurrent_function(const struct recurrent_cell *cell, int32_t which, float v)
{
    const struct recurrent_params *p = cell->p;
    const int32_t i = cell->direction * RECURRENT_FUNCTIONS + which;
    return activation_f32(p->kinds[i], p->alphas[i], p->betas[i], v);
}

static inline float recurrent_gate(const struct recurrent_cell *cell, int32_t which, float v)
{
    return recurrent_function(cell, which, fx_clip(v, -cell->p->clip, cell->p->clip));
}

/* What belongs to a direction. */
static inline struct recurrent_cell recurrent_begin(const struct magik_step *n, int32_t direction)
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

static inline void recurrent_copy(float *to, const struct magik_tensor *from, int32_t at, int32_t count)
{
    memmove(to, (const float *)from->data + at, sizeof(float) * (size_t)count);
}

/* The parts share the sequences, each in each direction: time has to pass in order. A sequence that is shorter than the others
 * ends early, from where its reverse begins; y is 0 beyond. */
static inline void recurrent_run(const struct magik_step *n, void (*advance)(struct recurrent_cell *cell, const float *x))
{
    const struct recurrent_params *p = n->params;
    const struct magik_tensor *y = n->out[RECURRENT_Y];
    const int32_t steps = y->dims[0], batch = y->dims[2], hidden = y->dims[3], width = n->in[RECURRENT_X]->dims[2];
    const int32_t row = y->dims[1] * batch * hidden;
    int32_t s, end;
    op_span(n, y->dims[1] * batch, &s, &end);
    for (; s < end; s++) {
        struct recurrent_cell cell = recurrent_begin(n, s / batch);
        const int32_t length = recurrent_length(n, s % batch);
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

#endif
