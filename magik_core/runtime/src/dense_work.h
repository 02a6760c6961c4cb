/* Conv and Gemm by the tiles of dense.h: weights in blocks, windows in place or copied with their padding.
 * Include it behind dense_vnni.h or dense_avx2.h. */
#ifndef MAGIK_DENSE_WORK_H
#define MAGIK_DENSE_WORK_H

#include "dense.h"
#include "window.h"

/* A convolution; Gemm is one of a single tap over rows of x. */
struct dense_job {
    const struct magik_step *n;
    struct window window;
    struct image s, k, o; /* s.c all channels of x, k.n all of y, k.c those of a group of x */
    int32_t groups, x_zero, y_zero, low, high;
    struct weights w;
    const int32_t *bias, *border, *m, *shift; /* border: NULL where padding is x_zero */
};

/* Taps that lie side by side in x are one run. */
static struct dense_shape dense_shape_of(const struct dense_job *j)
{
    struct dense_shape s = {j->groups, j->k.n / j->groups, j->k.h, j->k.w, j->k.c};
    if (j->groups == 1 && j->window.dilation_w == 1) {
        s.run *= s.taps;
        s.taps = 1;
    }
    return s;
}

/* Columns of x that `pixels` side by side meet. */
static int64_t dense_columns(const struct dense_job *j, int32_t pixels)
{
    return (int64_t)(pixels - 1) * j->window.stride_w + (int64_t)(j->k.w - 1) * j->window.dilation_w + 1;
}

/* Codes of the windows of a whole tile. */
static int64_t dense_codes_of(const struct dense_job *j)
{
    return dense_columns(j, DENSE_PIXELS) * j->k.c * j->groups * j->k.h;
}

/* Depends on weights and params alone: where a file makes weights or bias in another step, there is nothing to prepare.
 * Narrow groups would be mostly zeros in blocks of 16. */
static int dense_covers(const struct dense_job *j)
{
    const int is_fixed = j->n->in[1]->is_constant && j->n->in[2]->is_constant;
    return is_fixed && dense_codes_of(j) <= DENSE_MOST_CODES && (j->groups == 1 || (j->k.n / j->groups >= 8 && j->k.c >= DENSE_STEP));
}

static struct dense dense_of(const struct dense_job *j)
{
    struct dense d = {.shape = dense_shape_of(j), .m = j->m, .shift = j->shift, .y_zero = j->y_zero, .low = j->low, .high = j->high, .n = j->n};
    d.blocks = dense_ceil(d.shape.channels, DENSE_BLOCK);
    d.steps = dense_ceil(d.shape.run, DENSE_STEP);
    d.block_bytes = (size_t)(d.shape.rows * d.shape.taps * d.steps) * (DENSE_BLOCK * DENSE_STEP * DENSE_WEIGHT);
    d.way = j->low > j->high ? DENSE_ONE_BY_ONE : DENSE_PLAIN;
    d.tables = j->n->prepared;
    d.weights = (const uint8_t *)(d.tables + d.blocks * d.shape.groups);
    return d;
}

/* One block of weights from channel `c`, `count` of them. */
static void dense_pack(const struct dense_shape *s, int32_t steps, struct weights w, int32_t c, int32_t count, uint8_t *to)
{
    const int32_t runs = s->rows * s->taps;
    for (int32_t r = 0; r < runs; r++)
        for (int32_t k = 0; k < steps * DENSE_STEP; k += DENSE_STEP)
            for (int32_t i = 0; i < DENSE_BLOCK; i++)
                for (int32_t e = k; e < k + DENSE_STEP; e++, to += DENSE_WEIGHT)
                    dense_weight(to, i < count && e < s->run ? weights_at(w, ((c + i) * runs + r) * s->run + e) : 0);
}

static size_t dense_prepare(const struct dense_job *j, void *memory)
{
    if (!dense_covers(j))
        return 0;
    const struct dense d = dense_of(j);
    const struct dense_shape *s = &d.shape;
    const int32_t blocks = d.blocks * s->groups;
    struct dense_table *table = memory;
    uint8_t *weights = (uint8_t *)memory + (size_t)blocks * sizeof *table;
    for (int32_t b = 0; b < blocks && memory != NULL; b++, weights += d.block_bytes) {
        const int32_t first = b % d.blocks * DENSE_BLOCK, left = s->channels - first;
        const int32_t c = b / d.blocks * s->channels + first, count = left < DENSE_BLOCK ? left : DENSE_BLOCK;
        dense_fill(table + b, j->bias + c, j->m + c, j->shift + c, count, j->n->dtype == MAGIK_U8_TWICE);
        dense_pack(s, d.steps, j->w, c, count, weights);
    }
    return (size_t)blocks * (sizeof *table + d.block_bytes);
}

/* Codes of a tile's copy. */
static size_t dense_room(const struct dense_job *j)
{
    return (size_t)(dense_codes_of(j) + 2 * DENSE_SLACK - 1) / DENSE_SLACK * DENSE_SLACK;
}

static size_t dense_scratch(const struct dense_job *j)
{
    return dense_covers(j) ? dense_room(j) * (1 + DENSE_WIDENED) : 0;
}

/* Where the pixels of a tile lie. */
struct dense_place {
    int32_t image, ih, iw; /* of the first tap; may be outside */
    int32_t columns;       /* of x */
    int32_t is_inside;     /* whether all taps of all pixels are */
};

/* Copy the rows of the tile's windows together, with what lies outside as padding. */
static void dense_copy(const struct dense_job *j, const struct dense_place *at, struct dense_tile *t)
{
    const int32_t c = j->s.c, columns = at->columns, zero = j->border == NULL ? j->x_zero : 0;
    const int32_t left = at->iw >= 0 ? 0 : -at->iw < columns ? -at->iw : columns;
    const int32_t over = at->iw + columns - j->s.w, right = over <= 0 ? 0 : over < columns - left ? over : columns - left;
    const uint8_t *x = (const uint8_t *)j->n->in[0]->data + at->image * (j->s.h * j->s.w * c);
    uint8_t *to = j->n->scratch;
    t->x = to;
    t->row_step = t->span;
    for (int32_t kh = 0; kh < j->k.h; kh++, to += t->span) {
        const int32_t ih = at->ih + kh * j->window.dilation_h;
        if (ih < 0 || ih >= j->s.h) {
            memset(to, zero, (size_t)t->span);
            continue;
        }
        memset(to, zero, (size_t)(left * c));
        if (left + right < columns)
            memcpy(to + left * c, x + (ih * j->s.w + at->iw + left) * c, (size_t)((columns - left - right) * c));
        memset(to + (columns - right) * c, zero, (size_t)(right * c));
    }
}

/* The tile of t->pixels from column `ow` of a row of y, rows counted through all images. */
static struct dense_place dense_at(const struct dense_job *j, const struct dense *d, int32_t row, int32_t ow, struct dense_tile *t)
{
    const struct window *p = &j->window;
    const int32_t image = row / j->o.h;
    struct dense_place at = {image, (row - image * j->o.h) * p->stride_h - p->top, ow * p->stride_w - p->left, 0, 0};
    at.columns = (int32_t)dense_columns(j, t->pixels);
    at.is_inside = at.ih >= 0 && at.iw >= 0 && at.ih + (j->k.h - 1) * p->dilation_h < j->s.h && at.iw + at.columns <= j->s.w;
    t->span = at.columns * j->s.c;
    t->row_step = p->dilation_h * j->s.w * j->s.c;
    t->y = (uint8_t *)j->n->out[0]->data + (row * j->o.w + ow) * j->o.c;
    const int32_t first = ((image * j->s.h + at.ih) * j->s.w + at.iw) * j->s.c;
    const int64_t end = (int64_t)first + (int64_t)(j->k.h - 1) * t->row_step + t->span + (d->shape.run % DENSE_STEP != 0 ? DENSE_STEP : 0);
    if (at.is_inside && end <= j->n->in[0]->count)
        t->x = (const uint8_t *)j->n->in[0]->data + first;
    else
        dense_copy(j, &at, t);
    dense_take(t, j->k.h, (uint8_t *)j->n->scratch + dense_room(j));
    return at;
}

/* What sums of a tile at the border start from where padding adds a constant of its own per tap. */
static void dense_border(const struct dense_job *j, const struct dense_place *at, int32_t pixels, int32_t c, int32_t count, int32_t *start)
{
    const struct window *p = &j->window;
    const int32_t taps = j->k.h * j->k.w;
    for (int32_t i = 0; i < pixels; i++, start += DENSE_PAIR) {
        memset(start, 0, DENSE_PAIR * sizeof *start);
        memcpy(start, j->bias + c, (size_t)count * sizeof *start);
        for (int32_t tap = 0; tap < taps; tap++) {
            const int32_t ih = at->ih + tap / j->k.w * p->dilation_h, iw = at->iw + i * p->stride_w + tap % j->k.w * p->dilation_w;
            if (ih >= 0 && ih < j->s.h && iw >= 0 && iw < j->s.w)
                continue;
            for (int32_t o = 0; o < count; o++)
                start[o] = fx_mac(start[o], 1, j->border[(c + o) * taps + tap]);
        }
    }
}

/* One tile in the pairs of blocks [pair, end), counted through all groups. */
static void dense_pairs(const struct dense_job *j, const struct dense *d, const struct dense_place *at, struct dense_tile *t, int32_t pair, int32_t end)
{
    const int32_t pairs = dense_ceil(d->blocks, 2);
    int32_t start[DENSE_PIXELS * DENSE_PAIR];
    int32_t group = pair / pairs, first = (pair - group * pairs) * DENSE_PAIR;
    for (; pair < end; pair++, first += DENSE_PAIR) {
        if (first >= d->shape.channels) {
            first = 0;
            group++;
        }
        const int32_t c = group * d->shape.channels + first, left = d->shape.channels - first;
        const int32_t count = left < DENSE_PAIR ? left : DENSE_PAIR;
        t->from = group * j->k.c;
        t->start = j->border != NULL && !at->is_inside ? start : NULL;
        if (t->start != NULL)
            dense_border(j, at, t->pixels, c, count, start);
        dense_run(d, t, group * d->blocks + first / DENSE_BLOCK, c, count);
    }
}

/* This part's share: tiles of pixels, and of each its pairs of blocks. */
static void dense_work(const struct dense_job *j)
{
    const struct dense d = dense_of(j);
    const int32_t per_tile = j->groups * dense_ceil(d.blocks, 2), per_row = dense_ceil(j->o.w, DENSE_PIXELS), width = dense_ceil(j->o.w, per_row);
    struct dense_tile t = {.pixel_step = j->window.stride_w * j->s.c, .tap_step = j->window.dilation_w * j->s.c, .y_step = j->o.c};
    int32_t i, end;
    op_span(j->n, j->o.n * j->o.h * per_row * per_tile, &i, &end);
    while (i < end) {
        const int32_t tile = i / per_tile, pair = i - tile * per_tile, row = tile / per_row, ow = (tile - row * per_row) * width;
        const int32_t last = end - i < per_tile - pair ? pair + end - i : per_tile;
        t.pixels = j->o.w - ow < width ? j->o.w - ow : width;
        const struct dense_place at = dense_at(j, &d, row, ow, &t);
        dense_pairs(j, &d, &at, &t, pair, last);
        i += last - pair;
    }
}

#endif
