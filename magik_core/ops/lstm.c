/* LSTM, in f32. */
#include "fixed.h"
#include "fmath.h"
#include "op.h"

struct params {
    int32_t is_reverse; /* 0, 1: the first direction runs from the end; a second one always does */
    float clip;         /* limit of what enters the gates, 0 and above */
};

enum { X, W, B, P, H, C, INPUTS }; /* x (T, N, I), w (D, H, I + H, 4), b (D, H, 4), p (D, H, 3), h and c (D, N, H) */
enum { Y, LAST_H, LAST_C, OUTPUTS };
enum { GATE_I, GATE_O, GATE_F, GATE_G, GATES };

static int has_dims(const struct magik_tensor *t, int32_t a, int32_t b, int32_t c)
{
    return op_is(t, MAGIK_F32, 3) && t->dims[0] == a && t->dims[1] == b && t->dims[2] == c;
}

int32_t magik_lstm_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, INPUTS, OUTPUTS, sizeof *p))
        return MAGIK_BAD_STEP;
    if (!op_between(p->is_reverse, 0, 1) || !(p->clip >= 0.0f))
        return MAGIK_BAD_PARAMS;
    const struct magik_tensor *x = n->in[X], *w = n->in[W];
    if (!op_is(x, MAGIK_F32, 3) || !op_is(w, MAGIK_F32, 4))
        return MAGIK_BAD_SHAPE;
    const int32_t dirs = w->dims[0], hidden = w->dims[1], batch = x->dims[1];
    if (dirs > 2 || w->dims[2] - hidden != x->dims[2] || w->dims[3] != GATES || !has_dims(n->in[B], dirs, hidden, GATES) ||
        !has_dims(n->in[P], dirs, hidden, 3) || !has_dims(n->in[H], dirs, batch, hidden) || !has_dims(n->in[C], dirs, batch, hidden))
        return MAGIK_BAD_SHAPE;
    op_like(&y[LAST_H], n->in[H]);
    op_like(&y[LAST_C], n->in[C]);
    y[Y] = (struct magik_tensor){.dtype = MAGIK_F32, .rank = 4, .dims = {x->dims[0], dirs, batch, hidden}};
    return MAGIK_OK;
}

/* Adds v[k] * w[k] to the sums of the four gates, over k. */
static void add_products(const float *v, const float *w, int32_t count, float *acc)
{
    for (int32_t k = 0; k < count; k++, w += GATES)
        for (int32_t g = 0; g < GATES; g++)
            acc[g] += v[k] * w[g];
}

/* One time step of one sequence: from the state h to y, and c in place. */
static void advance(const struct magik_step *n, int32_t direction, const float *x, const float *h, float *c, float *y)
{
    const float limit = ((const struct params *)n->params)->clip;
    const int32_t hidden = n->in[W]->dims[1], width = n->in[X]->dims[2];
    const float *b = (const float *)n->in[B]->data + direction * (hidden * GATES);
    const float *p = (const float *)n->in[P]->data + direction * (hidden * 3);
    const float *w = (const float *)n->in[W]->data + direction * (hidden * (width + hidden) * GATES);
    for (int32_t j = 0; j < hidden; j++, b += GATES, p += 3, w += (width + hidden) * GATES) {
        float a[GATES];
        memcpy(a, b, sizeof a);
        add_products(x, w, width, a);
        add_products(h, w + width * GATES, hidden, a);
        const float i = fm_sigmoid(fx_clip(a[GATE_I] + p[0] * c[j], -limit, limit));
        const float f = fm_sigmoid(fx_clip(a[GATE_F] + p[2] * c[j], -limit, limit));
        const float g = fm_tanh(fx_clip(a[GATE_G], -limit, limit));
        c[j] = f * c[j] + i * g;
        y[j] = fm_sigmoid(fx_clip(a[GATE_O] + p[1] * c[j], -limit, limit)) * fm_tanh(c[j]);
    }
}

/* The parts share the sequences, each in each direction: time has to pass in order. */
void magik_lstm_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct magik_tensor *out = n->out[Y];
    const int32_t steps = out->dims[0], dirs = out->dims[1], batch = out->dims[2], hidden = out->dims[3], width = n->in[X]->dims[2];
    int32_t s, end;
    op_span(n, dirs * batch, &s, &end);
    for (; s < end; s++) {
        const int32_t direction = s / batch, state = s * hidden;
        const float *x = (const float *)n->in[X]->data + s % batch * width;
        const float *h = (const float *)n->in[H]->data + state;
        float *c = (float *)n->out[LAST_C]->data + state;
        memmove(c, (const float *)n->in[C]->data + state, sizeof(float) * (size_t)hidden);
        for (int32_t i = 0; i < steps; i++) {
            const int32_t t = p->is_reverse || direction == 1 ? steps - 1 - i : i;
            float *y = (float *)out->data + (t * dirs * batch + s) * hidden;
            advance(n, direction, x + t * batch * width, h, c, y);
            h = y;
        }
        memmove((float *)n->out[LAST_H]->data + state, h, sizeof(float) * (size_t)hidden);
    }
}
