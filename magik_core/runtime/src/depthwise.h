/* DepthwiseConv: its params, and how its fast kernels see it.
 *
 * They take a row of y as one run of bytes, columns and channels alike: every tap is then a run of x as
 * long as it, the tap's own distance away. For that the rows of x that are at work lie in scratch, padded,
 * in a ring; with a stride, column j lies in plane j % stride. `lanes` bytes make a block. The channels of a
 * block repeat after `period` pixels, and `prepare` writes bias, multipliers, shifts and weights for each
 * of the `blocks` till then. Four taps at a time meet their weights, and where windows of two rows of y
 * overlap, both are made from the same taps. */
#ifndef MAGIK_DEPTHWISE_H
#define MAGIK_DEPTHWISE_H

#include "conv.h"
#include "move.h"

struct depthwise_params {
    struct window window;
    struct conv_codes codes;
};

void magik_depthwise_conv_u8(const struct magik_step *n); /* what the others leave */

/* Weights (kh, kw, C) or (k, C) as an image of one batch. */
static inline struct image depthwise_kernel(const struct magik_tensor *w)
{
    struct image k = {1, 1, w->dims[0], w->dims[w->rank - 1]};
    if (w->rank == 3) {
        k.h = w->dims[0];
        k.w = w->dims[1];
    }
    return k;
}

enum { DEPTHWISE_TAPS = 256, DEPTHWISE_BLOCKS = 16, DEPTHWISE_SCRATCH = 1 << 20 };

/* What weights and params say. */
struct depthwise {
    const struct window *window;
    struct image k;
    int32_t lanes;
    int32_t outs;           /* rows of y at once, 1 or 2 */
    int32_t rows, span;     /* rows of x for them, among so many neighbors */
    int32_t groups;         /* fours of taps; 0: not for these kernels */
    int32_t period, blocks; /* in pixels; blocks in a period */
};

/* The shortest period that leaves little of its last block unused. */
static inline void depthwise_repeat(struct depthwise *d)
{
    const int64_t lanes = d->lanes;
    d->period = 0;
    for (int32_t p = 1; p <= d->lanes; p++) {
        const int64_t bytes = (int64_t)d->k.c * p, blocks = (bytes + lanes - 1) / lanes;
        if (p > 1 && blocks > DEPTHWISE_BLOCKS)
            return;
        if (p == 1 || bytes * d->blocks > (int64_t)d->k.c * d->period * blocks) {
            d->period = p;
            d->blocks = (int32_t)blocks;
        }
        if (bytes * 16 >= blocks * lanes * 15)
            return;
    }
}

static inline struct depthwise depthwise_of(const struct magik_step *n, int32_t lanes)
{
    const struct depthwise_params *p = n->params;
    struct depthwise d = {.window = &p->window, .k = depthwise_kernel(n->in[1]), .lanes = lanes, .outs = 1};
    const int is_fixed = n->in[1]->is_constant && n->in[2]->is_constant && !p->codes.has_border && p->codes.low <= p->codes.high;
    if (!is_fixed || d.k.h > DEPTHWISE_TAPS || d.k.w > DEPTHWISE_TAPS)
        return d;
    d.rows = d.k.h;
    d.span = (d.k.h - 1) * p->window.dilation_h + 1;
    if (p->window.dilation_h == 1 && p->window.stride_h < d.k.h) {
        d.outs = 2;
        d.rows = d.span = d.k.h + p->window.stride_h;
    }
    d.groups = d.rows * d.k.w <= DEPTHWISE_TAPS ? (d.rows * d.k.w + 3) / 4 : 0;
    depthwise_repeat(&d);
    return d;
}

/* ---- constants: per block lanes x s32 bias, multipliers, shifts, then weights ---- */

static inline size_t depthwise_block_bytes(const struct depthwise *d, size_t weight)
{
    return (size_t)d->lanes * (3 * sizeof(int32_t) + 4 * weight * (size_t)(d->groups * d->outs));
}

/* Byte of a block whose sum lies in dword i of vector v, i in [0, lanes / 4): where unpacking bytes and then
 * words of each 16 bytes by themselves brings it. */
static inline int32_t depthwise_byte(int32_t v, int32_t i)
{
    return i / 4 * 16 + v * 4 + i % 4;
}

/* Weight of tap t, [0, 4 * groups), for row `out` of y in channel c. */
static inline int32_t depthwise_weight(const struct depthwise *d, struct weights w, int32_t t, int32_t out, int32_t c)
{
    const int32_t kw = t / d->rows, kh = t % d->rows - out * d->window->stride_h;
    return kw >= d->k.w || kh < 0 || kh >= d->k.h ? 0 : weights_at(w, (kh * d->k.w + kw) * d->k.c + c);
}

/* Bias, multipliers and shifts of a block. */
static inline void depthwise_prepare_sums(const struct depthwise *d, const struct magik_step *n, int32_t block, int32_t *to)
{
    const int32_t *bias = n->in[2]->data, *m = n->in[n->n_in - 2]->data, *shift = n->in[n->n_in - 1]->data;
    for (int32_t i = 0; i < d->lanes; i++) {
        const int32_t c = (block * d->lanes + depthwise_byte(i / (d->lanes / 4), i % (d->lanes / 4))) % d->k.c;
        to[i] = bias[c];
        to[d->lanes + i] = m[c];
        to[2 * d->lanes + i] = shift[c];
    }
}

/* ---- rows of x ---- */

struct depthwise_rows {
    struct image s, o;
    int32_t columns;  /* of a plane */
    size_t row_bytes;
    uint8_t *memory;  /* `span` rows, then one of padding */
    int32_t next;     /* first row of x that was not yet copied */
};

static inline struct depthwise_rows depthwise_rows_of(const struct depthwise *d, const struct magik_step *n)
{
    struct depthwise_rows r = {.s = image_of(n->in[0]), .o = image_of(n->out[0]), .memory = n->scratch, .next = 0};
    r.columns = r.o.w + (d->k.w - 1) * d->window->dilation_w / d->window->stride_w;
    r.row_bytes = ((size_t)r.columns * (size_t)d->window->stride_w * (size_t)r.s.c + 2 * (size_t)d->lanes - 1) / (size_t)d->lanes * (size_t)d->lanes;
    return r;
}

/* Bytes of all rows, 0 where a kernel should not want them. */
static inline size_t depthwise_scratch(const struct depthwise *d, const struct depthwise_rows *r)
{
    const size_t rows = (size_t)d->span + 1;
    return d->groups == 0 || r->row_bytes > DEPTHWISE_SCRATCH / rows ? 0 : r->row_bytes * rows;
}

/* A row of x into its planes, padded with `zero`. */
static inline void depthwise_put(const struct depthwise *d, const struct depthwise_rows *r, uint8_t *to, const uint8_t *x, int32_t zero)
{
    const int32_t left = d->window->left, stride = d->window->stride_w, c = r->s.c, plane = r->columns * c;
    for (int32_t k = 0; k < stride; k++, to += plane) {
        const int32_t before = left > k ? (left - k + stride - 1) / stride : 0, at = before * stride + k - left;
        const int32_t inside = at < r->s.w ? (r->s.w - at + stride - 1) / stride : 0;
        const int32_t first = before < r->columns ? before : r->columns, last = first + inside < r->columns ? first + inside : r->columns;
        memset(to, zero, (size_t)(first * c));
        if (stride == 1)
            memcpy(to + first * c, x, (size_t)((last - first) * c));
        else
            move_rows(to + first * c, c, x + at * c, (ptrdiff_t)stride * c, last - first, (size_t)c);
        memset(to + last * c, zero, (size_t)((r->columns - last) * c));
    }
}

/* One row of y, or two. */
struct depthwise_job {
    const struct depthwise *shape;
    const struct magik_step *step;
    const uint8_t *taps[DEPTHWISE_TAPS];
    int32_t bytes; /* of a row */
    uint8_t *y[2]; /* the second one may be NULL */
};

/* Where the taps of the rows of y from `oh` on begin: 4 * groups of them. */
static inline void depthwise_taps(const struct depthwise *d, struct depthwise_rows *r, const uint8_t *x, int32_t oh, int32_t zero, const uint8_t **taps)
{
    const int32_t from = oh * d->window->stride_h - d->window->top, stride = d->window->stride_w;
    uint8_t *padding = r->memory + (size_t)d->span * r->row_bytes;
    for (int32_t ih = r->next < from ? from : r->next; ih < from + d->span; ih++)
        if (ih >= 0 && ih < r->s.h)
            depthwise_put(d, r, r->memory + (size_t)(ih % d->span) * r->row_bytes, x + ih * r->s.w * r->s.c, zero);
    r->next = from + d->span;
    for (int32_t t = 0; t < 4 * d->groups; t++) {
        const int32_t kw = t / d->rows, ih = from + t % d->rows * d->window->dilation_h, at = kw * d->window->dilation_w;
        const uint8_t *row = ih < 0 || ih >= r->s.h || kw >= d->k.w ? padding : r->memory + (size_t)(ih % d->span) * r->row_bytes;
        taps[t] = kw >= d->k.w ? padding : row + (at % stride * r->columns + at / stride) * r->s.c;
    }
}

/* Body of a kernel: `make` makes the rows of a job. */
static inline void depthwise_run(const struct magik_step *n, int32_t lanes, void (*make)(const struct depthwise_job *job))
{
    const int32_t zero = ((const struct depthwise_params *)n->params)->codes.x_zero;
    const struct depthwise d = depthwise_of(n, lanes);
    struct depthwise_rows r = depthwise_rows_of(&d, n);
    const size_t scratch = depthwise_scratch(&d, &r);
    struct depthwise_job job = {.shape = &d, .step = n, .bytes = r.o.w * r.o.c};
    int32_t row, end;
    op_span(n, r.o.n * r.o.h, &row, &end);
    if (scratch == 0) {
        magik_depthwise_conv_u8(n);
        return;
    }
    memset(r.memory + scratch - r.row_bytes, zero, r.row_bytes);
    while (row < end) {
        const int32_t image = row / r.o.h, oh = row % r.o.h;
        const int is_pair = d.outs == 2 && row + 1 < end && oh + 1 < r.o.h;
        if (oh == 0)
            r.next = INT32_MIN;
        depthwise_taps(&d, &r, (const uint8_t *)n->in[0]->data + image * (r.s.h * r.s.w * r.s.c), oh, zero, job.taps);
        job.y[0] = (uint8_t *)n->out[0]->data + row * job.bytes;
        job.y[1] = is_pair ? job.y[0] + job.bytes : NULL;
        make(&job);
        row += 1 + is_pair;
    }
}

#endif
