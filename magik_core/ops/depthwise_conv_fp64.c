/* DepthwiseConv in doubles, two columns in one: lanes_fp64.h. Column i of a row of outputs shares a double with
 * column i + half, so that each row of x becomes doubles once. A few channels are done at a time: the rows that
 * the window spans lie in a ring, and columns that a stride keeps apart lie apart in phases, so that every tap
 * meets neighbors. */
#include "conv.h"
#include "lanes_fp64.h"

struct params {
    struct window window;
    struct conv_codes codes;
};

enum { CHANNELS = 4, PAIRS = 6, ROOM = 1 << 18, MOST_ROWS = 4096 };

struct channel {
    struct lane_scale scale;
    double bias;       /* in both lanes; 0 where !is_quick */
    int32_t is_quick;  /* scale and bias are in doubles */
};

struct work {
    const struct magik_step *n;
    const struct params *p;
    struct image s, k, o;
    int32_t half;           /* columns from one lane to the other */
    int32_t phase, line;    /* pairs of a phase, and of a channel's row */
    int32_t rows;           /* in the ring */
    int32_t first, count;   /* channels in work */
    int32_t next;           /* first row of x that is not in the ring */
    double *ring, *outside; /* rows x CHANNELS x line; a line of padding */
    double *weights;        /* CHANNELS x taps */
    struct channel channels[CHANNELS];
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
    if (v->p->codes.has_border || v->p->codes.high != 255 || v->k.h > LANE_PRODUCTS || v->k.w > LANE_PRODUCTS ||
        v->k.h * v->k.w > LANE_PRODUCTS || (v->k.h - 1) * p->dilation_h >= MOST_ROWS || v->o.w >= ROOM)
        return 0;
    v->half = (v->o.w + 1) / 2;
    v->rows = (v->k.h - 1) * p->dilation_h + 1;
    v->phase = v->half + PAIRS + (v->k.w - 1) * p->dilation_w / p->stride_w;
    const size_t line = (size_t)v->phase * (size_t)p->stride_w;
    const size_t pairs = line * (size_t)(v->rows * CHANNELS + 1) + (size_t)(v->k.h * v->k.w * CHANNELS);
    v->line = line > ROOM ? 0 : (int32_t)line;
    return pairs * sizeof(double) > ROOM ? 0 : pairs * sizeof(double);
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

static uint8_t code_at(const struct work *v, const uint8_t *x, int32_t column, int32_t j)
{
    return op_between(column, 0, v->s.w - 1) ? x[column * v->s.c + j] : (uint8_t)v->p->codes.x_zero;
}

/* Pairs [from, to) of a phase whose columns may lie outside; `column` is that of pair 0. */
static void widen_edge(const struct work *v, const uint8_t *x, int32_t from, int32_t to, int32_t column, double *out)
{
    const int32_t stride = v->p->window.stride_w, apart = v->half * stride;
    for (int32_t j = 0; j < v->count; j++)
        for (int32_t i = from; i < to; i++) {
            const int32_t at = column + i * stride;
            out[j * v->line + i] = lane_codes(code_at(v, x, at, j), code_at(v, x, at + apart, j));
        }
}

/* Pairs [from, to) of a phase, all inside. */
static void widen(const struct work *v, const uint8_t *x, int32_t from, int32_t to, int32_t column, double *out)
{
    const int32_t stride = v->p->window.stride_w, step = stride * v->s.c, line = v->line;
    const uint8_t *a = x + (column + from * stride) * v->s.c, *b = a + v->half * step;
    double *o0 = out, *o1 = out + line, *o2 = out + 2 * line, *o3 = out + 3 * line;
    if (v->count == CHANNELS)
        for (int32_t i = from; i < to; i++, a += step, b += step) {
            o0[i] = lane_codes(a[0], b[0]);
            o1[i] = lane_codes(a[1], b[1]);
            o2[i] = lane_codes(a[2], b[2]);
            o3[i] = lane_codes(a[3], b[3]);
        }
    else
        for (int32_t j = 0; j < v->count; j++)
            for (int32_t i = from; i < to; i++)
                out[j * line + i] = lane_codes(a[(i - from) * step + j], b[(i - from) * step + j]);
}

/* One row of x at its place in the ring. */
static void widen_row(const struct work *v, const uint8_t *x, double *out)
{
    const struct window *p = &v->p->window;
    for (int32_t f = 0; f < p->stride_w; f++, out += v->phase) {
        const int32_t column = f - p->left, room = v->s.w - 1 - column - v->half * p->stride_w;
        int32_t from = column < 0 ? (p->stride_w - 1 - column) / p->stride_w : 0;
        int32_t to = room < 0 ? 0 : room / p->stride_w + 1;
        to = to < v->phase ? to : v->phase;
        from = from < to ? from : to;
        widen_edge(v, x, 0, from, column, out);
        widen(v, x, from, to, column, out);
        widen_edge(v, x, to, v->phase, column, out);
    }
}

static double *row_at(const struct work *v, int32_t ih)
{
    return v->ring + ih % v->rows * (CHANNELS * v->line);
}

/* Bring the rows that output row `oh` of an image meets into the ring. */
static void fill(struct work *v, const uint8_t *image, int32_t oh)
{
    const int32_t first = oh * v->p->window.stride_h - v->p->window.top, last = first + v->rows - 1;
    int32_t ih = first > v->next ? first : v->next;
    for (; ih <= last && ih < v->s.h; ih++)
        widen_row(v, image + ih * v->s.w * v->s.c + v->first, row_at(v, ih));
    v->next = ih > v->next ? ih : v->next;
}

/* ---- sums ---- */

/* What a row of taps adds to the sums of PAIRS columns: weight k meets x[at[k]] and what follows it. */
#define TAP(w, x)                                   \
    do {                                            \
        const double weight = (w);                  \
        a[0] += (x)[0] * weight;                    \
        a[1] += (x)[1] * weight;                    \
        a[2] += (x)[2] * weight;                    \
        a[3] += (x)[3] * weight;                    \
        a[4] += (x)[4] * weight;                    \
        a[5] += (x)[5] * weight;                    \
    } while (0)

/* The rows of x that an output row meets, in one channel. */
struct lines {
    const double *at[LANE_PRODUCTS];
};

static inline void sums_near3(const struct work *v, const struct lines *l, const double *w, int32_t i, double *a)
{
    for (int32_t kh = 0; kh < v->k.h; kh++, w += 3) {
        const double *x = l->at[kh] + i;
        TAP(w[0], x);
        TAP(w[1], x + 1);
        TAP(w[2], x + 2);
    }
}

static inline void sums_any(const struct work *v, const struct lines *l, const double *w, int32_t i, double *a)
{
    const struct window *p = &v->p->window;
    for (int32_t kh = 0; kh < v->k.h; kh++) {
        int32_t f = 0, at = i; /* phase and place of the tap */
        for (int32_t kw = 0; kw < v->k.w; kw++, w++) {
            const double *x = l->at[kh] + f * v->phase + at;
            TAP(*w, x);
            for (f += p->dilation_w; f >= p->stride_w; f -= p->stride_w)
                at++;
        }
    }
}

#define SCALE(i, low_half, high_half)                           \
    do {                                                        \
        const double top = lane_high(a[i]);                     \
        low_half = (int32_t)((a[i] - top) * m + c);             \
        low_half = low_half < low ? low : low_half;             \
        high_half = (int32_t)(top * m_high + c);                \
        high_half = high_half < low ? low : high_half;          \
    } while (0)

/* Codes of 3 pairs, `apart` bytes from one lane to the other, `step` from one pair to the next; high is 255. */
static inline void store_quick(const double *a, const struct lane_scale *s, int32_t low, uint8_t *y, int32_t step, int32_t apart)
{
    const double m = s->m, m_high = s->m_high, c = s->c;
    int32_t v0, v1, v2, v3, v4, v5;
    SCALE(0, v0, v1);
    SCALE(1, v2, v3);
    SCALE(2, v4, v5);
    if ((uint32_t)(v0 | v1 | v2 | v3 | v4 | v5) > 255) { /* rare */
        v0 = v0 > 255 ? 255 : v0;
        v1 = v1 > 255 ? 255 : v1;
        v2 = v2 > 255 ? 255 : v2;
        v3 = v3 > 255 ? 255 : v3;
        v4 = v4 > 255 ? 255 : v4;
        v5 = v5 > 255 ? 255 : v5;
    }
    uint8_t *z = y + apart;
    y[0] = (uint8_t)v0;
    z[0] = (uint8_t)v1;
    y += step;
    z += step;
    y[0] = (uint8_t)v2;
    z[0] = (uint8_t)v3;
    y += step;
    z += step;
    y[0] = (uint8_t)v4;
    z[0] = (uint8_t)v5;
}

/* Codes of up to PAIRS pairs from column i, only those that there are. */
static void store_sure(const struct work *v, const double *a, int32_t j, int32_t i, uint8_t *y)
{
    const struct magik_step *n = v->n;
    const struct conv_codes *q = &v->p->codes;
    const int32_t c = v->first + j, bias = v->channels[j].is_quick ? 0 : ((const int32_t *)n->in[2]->data)[c];
    const int32_t m = ((const int32_t *)n->in[n->n_in - 2]->data)[c], shift = ((const int32_t *)n->in[n->n_in - 1]->data)[c];
    for (int32_t k = 0; k < 2 * PAIRS; k++) {
        const double top = lane_high(a[k / 2]), sum = k % 2 ? top * (1.0 / (1 << LANE)) : a[k / 2] - top;
        const int32_t column = i + k / 2 + k % 2 * v->half;
        if (i + k / 2 < v->half && column < v->o.w)
            y[column * v->o.c + c] = fx_u8(fx_rescale(fx_mac((int32_t)sum, 1, bias), m, shift) + q->y_zero, q->low, q->high);
    }
}

/* A row of outputs in channel j. */
static void run_line(const struct work *v, const struct lines *l, int32_t j, uint8_t *y)
{
    const struct channel *ch = &v->channels[j];
    const int is_near = v->k.w == 3 && v->p->window.dilation_w == 1 && v->p->window.stride_w == 1;
    const double *w = v->weights + j * v->k.h * v->k.w;
    const int32_t low = v->p->codes.low, step = v->o.c, apart = v->half * step;
    const int32_t whole = v->o.w / 2; /* pairs both of whose columns there are */
    for (int32_t i = 0; i < v->half; i += PAIRS) {
        double a[PAIRS] = {ch->bias, ch->bias, ch->bias, ch->bias, ch->bias, ch->bias};
        if (is_near)
            sums_near3(v, l, w, i, a);
        else
            sums_any(v, l, w, i, a);
        if (ch->is_quick && i + PAIRS <= whole) {
            uint8_t *to = y + i * step + v->first + j;
            store_quick(a, &ch->scale, low, to, step, apart);
            store_quick(a + 3, &ch->scale, low, to + 3 * step, step, apart);
        } else
            store_sure(v, a, j, i, y);
    }
}

static void run_row(const struct work *v, int32_t oh, uint8_t *y)
{
    struct lines l;
    for (int32_t j = 0; j < v->count; j++) {
        for (int32_t kh = 0; kh < v->k.h; kh++) {
            const int32_t ih = oh * v->p->window.stride_h - v->p->window.top + kh * v->p->window.dilation_h;
            l.at[kh] = ih < 0 || ih >= v->s.h ? v->outside : row_at(v, ih) + j * v->line;
        }
        run_line(v, &l, j, y);
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
    op_span(n, v.o.n * v.o.h, &row, &end);
    v.outside = n->scratch;
    v.ring = v.outside + v.line;
    v.weights = v.ring + v.rows * CHANNELS * v.line;
    for (int32_t i = 0; i < v.line; i++)
        v.outside[i] = lane_codes((uint8_t)v.p->codes.x_zero, (uint8_t)v.p->codes.x_zero);
    for (int32_t c = 0; c < v.o.c; c += CHANNELS) {
        begin(&v, c, v.o.c - c < CHANNELS ? v.o.c - c : CHANNELS);
        v.next = 0;
        for (int32_t r = row; r < end; r++) {
            if (r % v.o.h == 0)
                v.next = 0;
            fill(&v, (const uint8_t *)n->in[0]->data + r / v.o.h * (v.s.h * v.s.w * v.s.c), r % v.o.h);
            run_row(&v, r % v.o.h, (uint8_t *)n->out[0]->data + r * v.o.w * v.o.c);
        }
    }
}
