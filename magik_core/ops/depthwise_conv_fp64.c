/* DepthwiseConv in doubles, two columns in one: lanes_fp64.h. Column i of a row of outputs shares a double with
 * column i + apart, so that each row of x becomes doubles once. Some channels are done at a time: the rows that the
 * window spans lie in a ring, and columns that a stride keeps apart lie apart in phases, so that every tap meets
 * neighbors. */
#include "conv.h"
#include "lanes_fp64.h"

struct params {
    struct window window;
    struct conv_codes codes;
};

enum { CHANNELS = 4, PAIRS = 6, FEW = 2, ROOM = 1 << 18, MOST_ROWS = 4096 };

struct channel {
    struct lane_scale scale;
    double bias;      /* in both lanes; 0 where !is_quick */
    int32_t is_quick; /* scale and bias are in doubles */
};

struct work {
    const struct magik_step *n;
    const struct params *p;
    struct image s, k, o;
    int32_t half, apart;    /* pairs of a row of y; columns from one lane to the other */
    int32_t used, phase;    /* pairs of a phase, and doubles from one phase to the next */
    int32_t line;           /* doubles of a row */
    int32_t rows;           /* in the ring */
    int32_t first, count;   /* channels in work */
    int32_t next;           /* first row of x that is not in the ring */
    double *ring, *outside; /* rows of lines; a line of padding. Element (phase, pair, channel) */
    double *weights;        /* CHANNELS x taps */
    uint8_t zeros[CHANNELS];
    struct channel channels[CHANNELS];
    const double *at[LANE_PRODUCTS]; /* lines that the row of y in work meets */
};

/* Weights (kh, kw, C) or (k, C) as an image of one batch. */
static struct image kernel_of(const struct magik_tensor *w)
{
    struct image k = {1, 1, w->dims[0], w->dims[w->rank - 1]};
    if (w->rank == 3) {
        k.h = w->dims[0];
        k.w = w->dims[1];
    }
    return k;
}

/* The sizes of a step; returns the bytes of scratch, 0 where it is left to the portable kernel. */
static size_t measure(struct work *v, const struct magik_step *n)
{
    memset(v, 0, sizeof *v);
    v->n = n;
    v->p = n->params;
    v->s = image_of(n->in[0]);
    v->k = kernel_of(n->in[1]);
    v->o = image_of(n->out[0]);
    const struct window *p = &v->p->window;
    if (v->p->codes.has_border || v->p->codes.high != 255 || v->o.w < 2 * FEW || v->o.w >= ROOM || v->k.h > LANE_PRODUCTS ||
        v->k.w > LANE_PRODUCTS || v->k.h * v->k.w > LANE_PRODUCTS || (v->k.h - 1) * p->dilation_h >= MOST_ROWS)
        return 0;
    v->half = (v->o.w + 1) / 2;
    v->apart = v->o.w - v->half;
    v->rows = (v->k.h - 1) * p->dilation_h + 1;
    v->used = v->half + (v->k.w - 1) * p->dilation_w / p->stride_w;
    const size_t line = (size_t)v->used * CHANNELS * (size_t)p->stride_w;
    const size_t doubles = line * (size_t)(v->rows + 1) + (size_t)(v->k.h * v->k.w * CHANNELS);
    if (doubles * sizeof(double) > ROOM)
        return 0;
    v->phase = v->used * CHANNELS;
    v->line = (int32_t)line;
    return doubles * sizeof(double);
}

size_t magik_depthwise_conv_u8_fp64_scratch(const struct magik_step *n)
{
    struct work v;
    return measure(&v, n);
}

/* Weights, scales and biases of channels [first, first + count). */
static void begin(struct work *v, int32_t first, int32_t count)
{
    const struct magik_step *n = v->n;
    const int32_t *bias = n->in[2]->data, *m = n->in[n->n_in - 2]->data, *shift = n->in[n->n_in - 1]->data;
    const int32_t taps = v->k.h * v->k.w;
    v->first = first;
    v->count = count;
    v->next = 0;
    for (int32_t j = 0; j < count; j++) {
        const int32_t c = first + j;
        const int8_t *w = (const int8_t *)n->in[1]->data + c;
        struct channel *to = &v->channels[j];
        to->is_quick = lane_can_scale(shift[c]) && op_between(bias[c], 1 - LANE_BIAS, LANE_BIAS - 1);
        to->bias = to->is_quick ? lane_pair(bias[c], bias[c]) : 0.0;
        if (to->is_quick)
            to->scale = lane_scale(m[c], shift[c], v->p->codes.y_zero);
        for (int32_t t = 0; t < taps; t++)
            v->weights[j * taps + t] = (double)w[t * v->k.c];
    }
}

/* ---- rows of x as doubles ---- */

static inline void widen_pair(const uint8_t *a, const uint8_t *b, int32_t count, double *out)
{
    if (count == CHANNELS) {
        out[0] = lane_codes(a[0], b[0]);
        out[1] = lane_codes(a[1], b[1]);
        out[2] = lane_codes(a[2], b[2]);
        out[3] = lane_codes(a[3], b[3]);
        return;
    }
    for (int32_t j = 0; j < count; j++)
        out[j] = lane_codes(a[j], b[j]);
}

/* Pairs [from, to) of a phase whose columns may lie outside; `column` is that of pair 0. */
static void widen_edge(const struct work *v, const uint8_t *x, int32_t from, int32_t to, int32_t column, double *out)
{
    const int32_t stride = v->p->window.stride_w;
    for (int32_t i = from; i < to; i++) {
        const int32_t low = column + i * stride, high = low + v->apart * stride;
        const uint8_t *a = low < 0 || low >= v->s.w ? v->zeros : x + low * v->s.c;
        const uint8_t *b = high < 0 || high >= v->s.w ? v->zeros : x + high * v->s.c;
        widen_pair(a, b, v->count, out + i * CHANNELS);
    }
}

/* Pairs [from, to) of a phase, all inside. */
static void widen(const struct work *v, const uint8_t *x, int32_t from, int32_t to, int32_t column, double *out)
{
    const int32_t stride = v->p->window.stride_w, step = stride * v->s.c;
    const uint8_t *a = x + (column + from * stride) * v->s.c, *b = a + v->apart * step;
    double *const end = out + to * CHANNELS;
    out += from * CHANNELS;
    if (v->count == CHANNELS)
        for (; out < end; out += CHANNELS, a += step, b += step)
            widen_pair(a, b, CHANNELS, out);
    else
        for (; out < end; out += CHANNELS, a += step, b += step)
            widen_pair(a, b, v->count, out);
}

/* One row of x at its place in the ring. */
static void widen_row(const struct work *v, const uint8_t *x, double *out)
{
    const struct window *p = &v->p->window;
    for (int32_t f = 0; f < p->stride_w; f++, out += v->phase) {
        const int32_t column = f - p->left, room = v->s.w - 1 - column - v->apart * p->stride_w;
        int32_t from = column < 0 ? (p->stride_w - 1 - column) / p->stride_w : 0;
        int32_t to = room < 0 ? 0 : room / p->stride_w + 1;
        to = to < v->used ? to : v->used;
        from = from < to ? from : to;
        widen_edge(v, x, 0, from, column, out);
        widen(v, x, from, to, column, out);
        widen_edge(v, x, to, v->used, column, out);
    }
}

/* Bring the rows that output row `oh` of an image meets into the ring. */
static void fill(struct work *v, const uint8_t *image, int32_t oh)
{
    const struct window *p = &v->p->window;
    const int32_t first = oh * p->stride_h - p->top, last = first + v->rows - 1;
    int32_t ih = first > v->next ? first : v->next;
    for (; ih <= last && ih < v->s.h; ih++)
        widen_row(v, image + ih * v->s.w * v->s.c + v->first, v->ring + ih % v->rows * v->line);
    v->next = ih > v->next ? ih : v->next;
    for (int32_t kh = 0; kh < v->k.h; kh++) {
        const int32_t at = first + kh * p->dilation_h;
        v->at[kh] = at < 0 || at >= v->s.h ? v->outside : v->ring + at % v->rows * v->line;
    }
}

/* ---- sums ---- */

/* What a tap adds to the sums of some pairs. */
#define TAP6(w, x)                 \
    do {                           \
        const double weight = (w); \
        a[0] += (x)[0] * weight;   \
        a[1] += (x)[4] * weight;   \
        a[2] += (x)[8] * weight;   \
        a[3] += (x)[12] * weight;  \
        a[4] += (x)[16] * weight;  \
        a[5] += (x)[20] * weight;  \
    } while (0)
#define TAP2(w, x)                 \
    do {                           \
        const double weight = (w); \
        a[0] += (x)[0] * weight;   \
        a[1] += (x)[4] * weight;   \
    } while (0)

/* Sums of pairs from element `i` of the lines, for any window; TAP does some pairs. */
#define SUMS(v, w, i, TAP)                                                                       \
    do {                                                                                         \
        const struct window *p = &(v)->p->window;                                                \
        for (int32_t kh = 0; kh < (v)->k.h; kh++) {                                              \
            const double *x = (v)->at[kh] + (i);                                                 \
            if ((v)->k.w == 3 && p->dilation_w == 1 && p->stride_w == 1) {                       \
                TAP((w)[0], x);                                                                  \
                TAP((w)[1], x + CHANNELS);                                                       \
                TAP((w)[2], x + 2 * CHANNELS);                                                   \
                (w) += 3;                                                                        \
                continue;                                                                        \
            }                                                                                    \
            for (int32_t kw = 0, f = 0; kw < (v)->k.w; kw++, (w)++) { /* f: phase of the tap */  \
                TAP(*(w), x + f * (v)->phase);                                                   \
                for (f += p->dilation_w; f >= p->stride_w; f -= p->stride_w)                     \
                    x += CHANNELS;                                                               \
            }                                                                                    \
        }                                                                                        \
    } while (0)

/* Codes of pair i, clamped from below. */
#define SCALE(i, early, late)                        \
    do {                                             \
        const double top = lane_high(a[i]);          \
        early = (int32_t)((a[i] - top) * m + c);     \
        early = early < low ? low : early;           \
        late = (int32_t)(top * m_high + c);          \
        late = late < low ? low : late;              \
    } while (0)

static inline int32_t capped(int32_t v)
{
    return v > 255 ? 255 : v;
}

/* Codes of 2 pairs, `step` bytes from one to the next, `apart` bytes from one lane to the other; high is 255. */
static inline void store_quick(const double *a, const struct lane_scale *s, int32_t low, uint8_t *y, int32_t step, int32_t apart)
{
    const double m = s->m, m_high = s->m_high, c = s->c;
    int32_t v0, v1, v2, v3;
    SCALE(0, v0, v1);
    SCALE(1, v2, v3);
    if ((uint32_t)(v0 | v1 | v2 | v3) > 255) { /* rare */
        v0 = capped(v0);
        v1 = capped(v1);
        v2 = capped(v2);
        v3 = capped(v3);
    }
    uint8_t *z = y + apart;
    y[0] = (uint8_t)v0;
    z[0] = (uint8_t)v1;
    y[step] = (uint8_t)v2;
    z[step] = (uint8_t)v3;
}

/* As store_quick, in any channel. */
static void store_sure(const struct work *v, const double *a, int32_t j, uint8_t *y, int32_t step, int32_t apart)
{
    const struct magik_step *n = v->n;
    const struct conv_codes *q = &v->p->codes;
    const int32_t c = v->first + j, bias = ((const int32_t *)n->in[2]->data)[c];
    const int32_t m = ((const int32_t *)n->in[n->n_in - 2]->data)[c], shift = ((const int32_t *)n->in[n->n_in - 1]->data)[c];
    for (int32_t k = 0; k < 2; k++) {
        const double top = lane_high(a[k]), sums[2] = {a[k] - top, top * (1.0 / (1 << LANE))};
        for (int32_t lane = 0; lane < 2; lane++) {
            const int32_t acc = fx_mac((int32_t)sums[lane], 1, bias);
            y[k * step + lane * apart] = fx_u8(fx_rescale(acc, m, shift) + q->y_zero, q->low, q->high);
        }
    }
}

static inline void store(const struct work *v, const double *a, int32_t j, uint8_t *y, int32_t step, int32_t apart)
{
    if (v->channels[j].is_quick)
        store_quick(a, &v->channels[j].scale, v->p->codes.low, y, step, apart);
    else
        store_sure(v, a, j, y, step, apart);
}

/* PAIRS pairs of a row of y in channel j, from pair i. */
static void run_pairs(const struct work *v, int32_t j, int32_t i, uint8_t *y)
{
    const double *w = v->weights + j * v->k.h * v->k.w, bias = v->channels[j].bias;
    const int32_t step = v->o.c, apart = v->apart * step;
    double a[PAIRS] = {bias, bias, bias, bias, bias, bias};
    SUMS(v, w, i * CHANNELS + j, TAP6);
    y += i * step + j;
    store(v, a, j, y, step, apart);
    store(v, a + 2, j, y + 2 * step, step, apart);
    store(v, a + 4, j, y + 4 * step, step, apart);
}

static void run_few(const struct work *v, int32_t j, int32_t i, uint8_t *y)
{
    const double *w = v->weights + j * v->k.h * v->k.w, bias = v->channels[j].bias;
    double a[FEW] = {bias, bias};
    SUMS(v, w, i * CHANNELS + j, TAP2);
    store(v, a, j, y + i * v->o.c + j, v->o.c, v->apart * v->o.c);
}

/* A row of outputs; the last pairs are done again where they do not divide. */
static void run_row(const struct work *v, uint8_t *y)
{
    for (int32_t j = 0; j < v->count; j++) {
        int32_t i = 0;
        for (; v->half - i >= PAIRS; i += PAIRS)
            run_pairs(v, j, i, y);
        if (v->half - i == PAIRS - 1 && i > 0) {
            run_pairs(v, j, v->half - PAIRS, y);
            continue;
        }
        for (; i < v->half; i += FEW)
            run_few(v, j, i + FEW > v->half ? v->half - FEW : i, y);
    }
}

extern void magik_depthwise_conv_u8(const struct magik_step *n);

void magik_depthwise_conv_u8_fp64(const struct magik_step *n)
{
    struct work v;
    int32_t row, end;
    if (measure(&v, n) == 0) {
        magik_depthwise_conv_u8(n);
        return;
    }
    const uint8_t zero = (uint8_t)v.p->codes.x_zero;
    op_span(n, v.o.n * v.o.h, &row, &end);
    v.outside = n->scratch;
    v.ring = v.outside + v.line;
    v.weights = v.ring + v.rows * v.line;
    memset(v.zeros, zero, sizeof v.zeros);
    for (int32_t i = 0; i < v.line; i++)
        v.outside[i] = lane_codes(zero, zero);
    for (int32_t c = 0; c < v.o.c; c += CHANNELS) {
        begin(&v, c, v.o.c - c < CHANNELS ? v.o.c - c : CHANNELS);
        for (int32_t r = row; r < end; r++) {
            v.next = r % v.o.h == 0 ? 0 : v.next;
            fill(&v, (const uint8_t *)n->in[0]->data + r / v.o.h * (v.s.h * v.s.w * v.s.c), r % v.o.h);
            run_row(&v, (uint8_t *)n->out[0]->data + r * v.o.w * v.o.c + c);
        }
    }
}
