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

/* Columns are LANE bits apart, so that a pair of codes fits an int32. MOST_TAPS products and a bias below MOST_BIAS
 * fit a lane: 96 * 255 * 128 + 10^6 < 2^22; so do those of 7x7 weights of s16 in [-255, 255]. */
enum { LANE = 23, MOST_TAPS = 96, MOST_BIAS = 1000000, MOST_SUM = (1 << (LANE - 1)) - MOST_BIAS };
enum { CHANNELS = 4, PAIRS = 6, ROOM = 1 << 18, MOST_ROWS = 4096 };

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
    const double *at[MOST_TAPS]; /* lines that the row of y in work meets */
    int32_t tap[MOST_TAPS];      /* where a tap of a row begins in a line */
    int32_t near;                    /* taps of a row where they follow one another, else 0 */
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
    if (v->p->codes.has_border || v->p->codes.high != LANE_TOP ||  v->o.w >= ROOM || v->k.h > MOST_TAPS ||
        v->k.w > MOST_TAPS || v->k.h * v->k.w > MOST_TAPS || (v->k.h - 1) * p->dilation_h >= MOST_ROWS)
        return 0;
    v->half = (v->o.w + 1) / 2;
    v->apart = v->o.w - v->half;
    v->rows = (v->k.h - 1) * p->dilation_h + 1;
    v->used = (v->half > PAIRS ? v->half : PAIRS) + (v->k.w - 1) * p->dilation_w / p->stride_w;
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
        const struct weights w = weights_in(n->in[1]);
        struct channel *to = &v->channels[j];
        to->is_quick = lane_can_scale(shift[c]) && op_between(bias[c], 1 - MOST_BIAS, MOST_BIAS - 1);
        to->bias = to->is_quick ? (double)bias[c] + (double)bias[c] * (1 << LANE) : 0.0;
        if (to->is_quick)
            to->scale = lane_scale(m[c], shift[c], v->p->codes.y_zero, LANE);
        for (int32_t t = 0; t < taps; t++)
            v->weights[j * taps + t] = (double)weights_at(w, t * v->k.c + c);
    }
}

/* ---- rows of x as doubles ---- */

LANE_INLINE double pair_of(uint8_t low, uint8_t high)
{
    return (double)(low | high << LANE);
}

LANE_INLINE void widen_pair(const uint8_t *a, const uint8_t *b, int32_t count, double *out)
{
    if (count == CHANNELS) {
        out[0] = pair_of(a[0], b[0]);
        out[1] = pair_of(a[1], b[1]);
        out[2] = pair_of(a[2], b[2]);
        out[3] = pair_of(a[3], b[3]);
        return;
    }
    for (int32_t j = 0; j < count; j++)
        out[j] = pair_of(a[j], b[j]);
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

/* What a tap adds to the sums of PAIRS pairs. */
#define TAP(weight, x)            \
    do {                          \
        const double w = (weight); \
        a[0] += (x)[0] * w;       \
        a[1] += (x)[4] * w;       \
        a[2] += (x)[8] * w;       \
        a[3] += (x)[12] * w;      \
        a[4] += (x)[16] * w;      \
        a[5] += (x)[20] * w;      \
    } while (0)

/* Sums of PAIRS pairs whose first is element `i` of the lines. */
LANE_INLINE void sum_near3(const struct work *v, const double *weights, int32_t i, double *a)
{
    for (int32_t kh = 0; kh < v->k.h; kh++, weights += 3) {
        const double *x = v->at[kh] + i;
        TAP(weights[0], x);
        TAP(weights[1], x + CHANNELS);
        TAP(weights[2], x + 2 * CHANNELS);
    }
}

LANE_INLINE void sum_near5(const struct work *v, const double *weights, int32_t i, double *a)
{
    for (int32_t kh = 0; kh < v->k.h; kh++, weights += 5) {
        const double *x = v->at[kh] + i;
        TAP(weights[0], x);
        TAP(weights[1], x + CHANNELS);
        TAP(weights[2], x + 2 * CHANNELS);
        TAP(weights[3], x + 3 * CHANNELS);
        TAP(weights[4], x + 4 * CHANNELS);
    }
}

LANE_INLINE void sum_any(const struct work *v, const double *weights, int32_t i, double *a)
{
    for (int32_t kh = 0; kh < v->k.h; kh++)
        for (int32_t kw = 0; kw < v->k.w; kw++, weights++)
            TAP(*weights, v->at[kh] + i + v->tap[kw]);
}

/* Codes of 3 pairs, `step` bytes from one to the next, `apart` bytes from one lane to the other. */
LANE_INLINE void store_quick(const double *a, const struct lane_scale *s, double round, int32_t low, uint8_t *y, int32_t step, int32_t apart)
{
    int32_t code[6];
    uint8_t *z = y + apart;
    lane_codes6(a[0], a[1], a[2], s, round, low, code);
    y[0] = (uint8_t)code[0];
    z[0] = (uint8_t)code[1];
    y += step;
    z += step;
    y[0] = (uint8_t)code[2];
    z[0] = (uint8_t)code[3];
    y[step] = (uint8_t)code[4];
    z[step] = (uint8_t)code[5];
}

/* As store_quick, all pairs in any channel. */
static void store_sure(const struct work *v, const double *a, int32_t j, uint8_t *y, int32_t step, int32_t apart)
{
    const struct magik_step *n = v->n;
    const struct conv_codes *q = &v->p->codes;
    const int32_t c = v->first + j, bias = ((const int32_t *)n->in[2]->data)[c];
    const int32_t m = ((const int32_t *)n->in[n->n_in - 2]->data)[c], shift = ((const int32_t *)n->in[n->n_in - 1]->data)[c];
    const double round = lane_round(LANE);
    for (int32_t i = 0; i < PAIRS; i++, y += step) {
        const double top = (a[i] + round) - round;
        const int32_t early = fx_mac((int32_t)(a[i] - top), 1, bias), late = fx_mac((int32_t)(top * lane_power(-LANE)), 1, bias);
        y[0] = fx_u8(fx_rescale(early, m, shift) + q->y_zero, q->low, q->high);
        y[apart] = fx_u8(fx_rescale(late, m, shift) + q->y_zero, q->low, q->high);
    }
}

/* A row of y in one channel, PAIRS pairs at a time; the last ones are done again where they do not divide. */
static void run_line(const struct work *v, int32_t j, uint8_t *y, int32_t step, int32_t apart)
{
    const struct channel *ch = &v->channels[j];
    const double *w = v->weights + j * v->k.h * v->k.w, bias = ch->bias, round = lane_round(LANE);
    const int32_t low = v->p->codes.low, near = v->near, last = v->half > PAIRS ? v->half - PAIRS : 0;
    for (int32_t at = 0; at < v->half; at += PAIRS) {
        const int32_t i = at < last ? at : last;
        double a[PAIRS] = {bias, bias, bias, bias, bias, bias};
        if (near == 3)
            sum_near3(v, w, i * CHANNELS + j, a);
        else if (near == 5)
            sum_near5(v, w, i * CHANNELS + j, a);
        else
            sum_any(v, w, i * CHANNELS + j, a);
        if (ch->is_quick) {
            store_quick(a, &ch->scale, round, low, y + i * step, step, apart);
            store_quick(a + 3, &ch->scale, round, low, y + (i + 3) * step, step, apart);
        } else {
            const double sums[PAIRS] = {a[0], a[1], a[2], a[3], a[4], a[5]};
            store_sure(v, sums, j, y + i * step, step, apart);
        }
    }
}

static void run_row(const struct work *v, uint8_t *y)
{
    uint8_t room[2 * PAIRS]; /* for a row of fewer than PAIRS pairs */
    for (int32_t j = 0; j < v->count; j++, y++) {
        if (v->half >= PAIRS) {
            run_line(v, j, y, v->o.c, v->apart * v->o.c);
            continue;
        }
        run_line(v, j, room, 1, PAIRS);
        for (int32_t i = 0; i < v->half; i++) {
            y[i * v->o.c] = room[i];
            y[(i + v->apart) * v->o.c] = room[i + PAIRS];
        }
    }
}

/* Phase and pair of each tap of a row. */
static void set_taps(struct work *v)
{
    const struct window *p = &v->p->window;
    for (int32_t kw = 0; kw < v->k.w; kw++) {
        const int32_t column = kw * p->dilation_w;
        v->tap[kw] = column % p->stride_w * v->phase + column / p->stride_w * CHANNELS;
    }
    v->near = p->dilation_w == 1 && p->stride_w == 1 ? v->k.w : 0;
}

/* Whether the products of any window fit a lane. */
static int fits(const struct work *v)
{
    const struct weights w = weights_in(v->n->in[1]);
    return !w.is_wide || weights_largest(w, v->n->in[1]->count) <= MOST_SUM / (255 * v->k.h * v->k.w);
}

void magik_depthwise_conv_u8(const struct magik_step *n);

void magik_depthwise_conv_u8_fp64(const struct magik_step *n)
{
    struct work v;
    int32_t row, end;
    if (measure(&v, n) == 0 || !fits(&v)) {
        magik_depthwise_conv_u8(n);
        return;
    }
    const uint8_t zero = (uint8_t)v.p->codes.x_zero;
    op_span(n, v.o.n * v.o.h, &row, &end);
    set_taps(&v);
    v.outside = n->scratch;
    v.ring = v.outside + v.line;
    v.weights = v.ring + v.rows * v.line;
    memset(v.zeros, zero, sizeof v.zeros);
    for (int32_t i = 0; i < v.line; i++)
        v.outside[i] = pair_of(zero, zero);
    for (int32_t c = 0; c < v.o.c; c += CHANNELS) {
        begin(&v, c, v.o.c - c < CHANNELS ? v.o.c - c : CHANNELS);
        for (int32_t r = row; r < end; r++) {
            v.next = r % v.o.h == 0 ? 0 : v.next;
            fill(&v, (const uint8_t *)n->in[0]->data + r / v.o.h * (v.s.h * v.s.w * v.s.c), r % v.o.h);
            run_row(&v, (uint8_t *)n->out[0]->data + r * v.o.w * v.o.c + c);
        }
    }
}

size_t magik_depthwise_conv_u8_s16_fp64_scratch(const struct magik_step *n)
{
    return magik_depthwise_conv_u8_fp64_scratch(n);
}

void magik_depthwise_conv_u8_s16_fp64(const struct magik_step *n)
{
    magik_depthwise_conv_u8_fp64(n);
}
