/* Conv in doubles, two pixels in one: lanes_fp64.h. Weights become doubles once for a group of blocks of
 * channels that fits the scratch; the windows of a tile of pixels are gathered into doubles once per group. */
#include "conv.h"
#include "tile_fp64.h"

struct params {
    struct window window;
    struct conv_codes codes;
};

enum { MOST_DEPTH = 4096, ROOM = 1 << 18, LEAST_PIXELS = 3 };

/* Some output channels. */
struct block {
    struct lane_scale scale[CHANNELS];
    double bias[CHANNELS]; /* in both lanes; 0 where is_sure */
    int32_t first, count;  /* channels */
    int32_t is_quick;      /* all sums fit their lanes */
    int32_t is_sure;       /* bits of channels whose bias or scale are not in doubles */
};

/* What all tiles share. */
struct work {
    const struct magik_step *n;
    const struct params *p;
    struct image s, k, o;
    int32_t depth, per_group;
    int32_t sure;    /* products that fit a lane whatever they are */
    struct weights w;
    uint8_t *zeros;  /* k.c codes of padding */
    double *windows; /* depth x PAIRS */
    struct block *blocks;
    double *weights; /* per block depth x CHANNELS */
};

/* The pixels of a tile. */
struct tile {
    const uint8_t *at[PIXELS]; /* first tap and channel of the group; not read where outside */
    int32_t ih[PIXELS], iw[PIXELS];
    int32_t count, is_inside;
};

static size_t round64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static size_t window_bytes(int32_t depth)
{
    return sizeof(double) * PAIRS * (size_t)depth;
}

static size_t block_bytes(int32_t depth)
{
    return sizeof(struct block) + sizeof(double) * CHANNELS * (size_t)depth;
}

static int32_t blocks_of(const struct magik_step *n)
{
    const struct params *p = n->params;
    return (n->in[1]->dims[0] / p->codes.groups + CHANNELS - 1) / CHANNELS;
}

/* Blocks whose weights are held at a time. */
static int32_t blocks_at_once(const struct magik_step *n, int32_t depth)
{
    const int32_t all = blocks_of(n), most = (int32_t)((ROOM - window_bytes(depth)) / block_bytes(depth));
    return all < most ? all : most < 1 ? 1 : most;
}

size_t magik_conv_u8_fp64_scratch(const struct magik_step *n)
{
    const struct image k = image_of(n->in[1]);
    const int32_t depth = k.h * k.w * k.c;
    if (depth > MOST_DEPTH)
        return 0;
    return round64((size_t)k.c) + round64(window_bytes(depth)) + (size_t)blocks_at_once(n, depth) * block_bytes(depth);
}

/* ---- weights ---- */

/* One channel of a block. */
static void widen(struct weights from, int32_t depth, double *to)
{
    const int8_t *w = from.codes;
    if (from.is_wide) {
        for (int32_t i = 0; i < depth; i++, to += CHANNELS)
            *to = (double)weights_at(from, i);
        return;
    }
    for (; depth >= 4; depth -= 4, w += 4, to += 4 * CHANNELS) {
        to[0] = (double)w[0];
        to[CHANNELS] = (double)w[1];
        to[2 * CHANNELS] = (double)w[2];
        to[3 * CHANNELS] = (double)w[3];
    }
    for (; depth > 0; depth--, to += CHANNELS)
        *to = (double)*w++;
}

/* Whether no sum of a channel leaves its lane, |bias| < LANE_LIMIT. */
static int fits(struct weights w, int32_t depth, int32_t bias)
{
    int32_t total = bias < 0 ? -bias : bias;
    if (!w.is_wide && depth <= DEPTH_SURE && total + depth * (255 * 128) < LANE_LIMIT)
        return 1;
    for (int32_t i = 0; i < depth && total < LANE_LIMIT; i++) {
        const int32_t v = weights_at(w, i);
        total += 255 * (v < 0 ? -v : v);
    }
    return total < LANE_LIMIT;
}

static void make_block(const struct work *v, struct block *b, double *weights)
{
    const struct magik_step *n = v->n;
    const int32_t *bias = (const int32_t *)n->in[2]->data + b->first;
    const int32_t *m = (const int32_t *)n->in[n->n_in - 2]->data + b->first;
    const int32_t *shift = (const int32_t *)n->in[n->n_in - 1]->data + b->first;
    memset(b->bias, 0, sizeof b->bias);
    memset(b->scale, 0, sizeof b->scale);
    if (b->count < CHANNELS)
        memset(weights, 0, sizeof(double) * CHANNELS * (size_t)v->depth);
    b->is_quick = v->p->codes.high == LANE_TOP;
    b->is_sure = 0;
    for (int32_t j = 0; j < b->count; j++) {
        const struct weights w = weights_from(v->w, (b->first + j) * v->depth);
        widen(w, v->depth, weights + j);
        if (lane_can_scale(shift[j]) && op_between(bias[j], 1 - LANE_LIMIT, LANE_LIMIT - 1) && fits(w, v->depth, bias[j])) {
            b->scale[j] = lane_scale(m[j], shift[j], v->p->codes.y_zero, LANE);
            b->bias[j] = (double)bias[j] + (double)bias[j] * lane_power(LANE);
        } else {
            b->is_sure |= 1 << j;
            b->is_quick = b->is_quick && fits(w, v->depth, 0);
        }
    }
}

/* ---- pixels ---- */

/* The windows of pixels [first, first + count) of the rows from `row`; the last pixel stands for missing ones. */
static void place(const struct work *v, struct tile *t, int32_t row, int32_t first, int32_t count, int32_t group)
{
    const struct window *p = &v->p->window;
    const int32_t high = (v->k.h - 1) * p->dilation_h, wide = (v->k.w - 1) * p->dilation_w;
    int32_t oh = row + first / v->o.w, ow = first % v->o.w;
    t->count = count;
    t->is_inside = 1;
    for (int32_t i = 0; i < PIXELS; i++) {
        const int32_t ih = oh % v->o.h * p->stride_h - p->top, iw = ow * p->stride_w - p->left;
        const int32_t at = ((oh / v->o.h * v->s.h + ih) * v->s.w + iw) * v->s.c + group * v->k.c;
        t->is_inside = t->is_inside && ih >= 0 && iw >= 0 && ih + high < v->s.h && iw + wide < v->s.w;
        t->ih[i] = ih;
        t->iw[i] = iw;
        t->at[i] = (const uint8_t *)v->n->in[0]->data + at;
        if (i + 1 < count && ++ow == v->o.w) {
            ow = 0;
            oh++;
        }
    }
}

/* Codes that one tap meets where some pixels may have it outside. */
static double *edge_pairs(const struct work *v, const struct tile *t, int32_t kh, int32_t kw, int32_t at, double *to)
{
    const int32_t down = kh * v->p->window.dilation_h, along = kw * v->p->window.dilation_w;
    const uint8_t *x[PIXELS];
    for (int32_t i = 0; i < PIXELS; i++) {
        const int32_t ih = t->ih[i] + down, iw = t->iw[i] + along;
        x[i] = ih < 0 || iw < 0 || ih >= v->s.h || iw >= v->s.w ? v->zeros : t->at[i] + at;
    }
    return pairs(x, 0, v->k.c, to);
}

static void gather(const struct work *v, const struct tile *t)
{
    const struct window *p = &v->p->window;
    const int is_run = t->is_inside && p->dilation_w == 1 && v->k.c == v->s.c; /* taps of a row side by side */
    double *to = v->windows;
    for (int32_t kh = 0; kh < v->k.h; kh++) {
        int32_t at = kh * p->dilation_h * v->s.w * v->s.c;
        if (is_run) {
            to = pairs(t->at, at, v->k.w * v->k.c, to);
            continue;
        }
        for (int32_t kw = 0; kw < v->k.w; kw++, at += p->dilation_w * v->s.c)
            to = t->is_inside ? pairs(t->at, at, v->k.c, to) : edge_pairs(v, t, kh, kw, at, to);
    }
}

/* ---- products ---- */

#define START(i) a[4 * i] = e0, a[4 * i + 1] = e1, a[4 * i + 2] = e2, a[4 * i + 3] = e3

/* Code of a sum without its bias, in any channel. */
static uint8_t sure_code(const struct work *v, int32_t channel, int32_t acc)
{
    const struct magik_step *n = v->n;
    const struct conv_codes *q = &v->p->codes;
    const int32_t bias = ((const int32_t *)n->in[2]->data)[channel], m = ((const int32_t *)n->in[n->n_in - 2]->data)[channel];
    const int32_t shift = ((const int32_t *)n->in[n->n_in - 1]->data)[channel];
    return fx_u8(fx_rescale(fx_mac(acc, 1, bias), m, shift) + q->y_zero, q->low, q->high);
}

/* The channels of a tile whose codes `store` could not make. */
static void store_sure(const struct work *v, const struct block *b, const double *a, uint8_t *y, int32_t stride)
{
    const double round = lane_round(LANE), down = lane_power(-LANE);
    for (int32_t j = 0; j < b->count; j++)
        for (int32_t i = 0; (b->is_sure >> j & 1) != 0 && i < PAIRS; i++) {
            const double pair = a[i * CHANNELS + j], top = (pair + round) - round;
            y[2 * i * stride + j] = sure_code(v, b->first + j, (int32_t)(pair - top));
            y[(2 * i + 1) * stride + j] = sure_code(v, b->first + j, (int32_t)(top * down));
        }
}

/* A tile of some quick blocks. */
static void quick_tile(const struct work *v, const struct block *b, int32_t count, const double *w, uint8_t *y, int32_t stride)
{
    const int32_t low = v->p->codes.low, depth = v->depth;
    const double round = lane_round(LANE), *x = v->windows;
    for (; count > 0; count--, b++, w += depth * CHANNELS, y += CHANNELS) {
        const double e0 = b->bias[0], e1 = b->bias[1], e2 = b->bias[2], e3 = b->bias[3];
        double a[PAIRS * CHANNELS];
        START(0);
        START(1);
        START(2);
        START(3);
        START(4);
        START(5);
        multiply_all(x, w, depth, a);
        store(a, b->scale, round, low, y, stride);
        store(a + 3 * CHANNELS, b->scale, round, low, y + 6 * stride, stride);
        if (b->is_sure != 0) {
            const double sums[] = {a[0],  a[1],  a[2],  a[3],  a[4],  a[5],  a[6],  a[7],  a[8],  a[9],  a[10], a[11],
                                   a[12], a[13], a[14], a[15], a[16], a[17], a[18], a[19], a[20], a[21], a[22], a[23]};
            store_sure(v, b, sums, y, stride);
        }
    }
}

/* Sums of a tile without the bias, lanes emptied in time. */
static void sum_tile(const struct work *v, const double *w, double *sums)
{
    const double round = lane_round(LANE), down = lane_power(-LANE);
    memset(sums, 0, sizeof *sums * PIXELS * CHANNELS);
    for (int32_t k = 0; k < v->depth; k += v->sure) {
        const int32_t count = v->depth - k < v->sure ? v->depth - k : v->sure;
        double a[PAIRS * CHANNELS] = {0};
        multiply_all(v->windows + k * PAIRS, w + k * CHANNELS, count, a);
        for (int32_t i = 0; i < PAIRS * CHANNELS; i++) {
            const double top = (a[i] + round) - round;
            double *to = sums + i / CHANNELS * (2 * CHANNELS) + i % CHANNELS;
            to[0] += a[i] - top;
            to[CHANNELS] += top * down;
        }
    }
}

/* What the taps outside add where padding is no code. */
static int32_t outside(const struct work *v, const struct tile *t, int32_t pixel, int32_t channel)
{
    const struct window *p = &v->p->window;
    const int32_t *border = (const int32_t *)v->n->in[3]->data + channel * v->k.h * v->k.w;
    int32_t acc = 0;
    for (int32_t kh = 0; kh < v->k.h; kh++)
        for (int32_t kw = 0; kw < v->k.w; kw++, border++) {
            const int32_t ih = t->ih[pixel] + kh * p->dilation_h, iw = t->iw[pixel] + kw * p->dilation_w;
            if (ih < 0 || iw < 0 || ih >= v->s.h || iw >= v->s.w)
                acc = fx_mac(acc, 1, *border);
        }
    return acc;
}

/* Any tile of any block. */
static void sure_tile(const struct work *v, const struct tile *t, const struct block *b, const double *w, uint8_t *y)
{
    double sums[PIXELS * CHANNELS];
    sum_tile(v, w, sums);
    for (int32_t i = 0; i < t->count; i++, y += v->o.c)
        for (int32_t j = 0; j < b->count; j++) {
            int32_t acc = (int32_t)sums[i * CHANNELS + j];
            if (v->p->codes.has_border && !t->is_inside)
                acc = fx_mac(acc, 1, outside(v, t, i, b->first + j));
            y[b->first + j] = sure_code(v, b->first + j, acc);
        }
}

/* All blocks of a tile; y at the first pixel. */
static void run_tile(const struct work *v, const struct tile *t, const struct block *b, int32_t count, uint8_t *y)
{
    const struct conv_codes *q = &v->p->codes;
    const int is_plain = t->is_inside || !q->has_border;
    const double *w = v->weights;
    uint8_t room[PIXELS * CHANNELS];
    for (; count > 0; count--, b++, w += v->depth * CHANNELS) {
        int32_t run = 0; /* quick and whole blocks */
        while (is_plain && t->count == PIXELS && run < count && b[run].is_quick && b[run].count == CHANNELS)
            run++;
        if (run > 0) {
            quick_tile(v, b, run, w, y + b->first, v->o.c);
            count -= run - 1;
            b += run - 1;
            w += (run - 1) * v->depth * CHANNELS;
        } else if (is_plain && b->is_quick) {
            quick_tile(v, b, 1, w, room, CHANNELS);
            for (int32_t i = 0; i < t->count; i++)
                memcpy(y + i * v->o.c + b->first, room + i * CHANNELS, (size_t)b->count);
        } else
            sure_tile(v, t, b, w, y);
    }
}

/* Blocks [first, first + count) of a group, over all pixels of the rows. */
static void run_blocks(const struct work *v, int32_t group, int32_t first, int32_t count, int32_t row, int32_t end)
{
    const int32_t pixels = (end - row) * v->o.w;
    uint8_t *y = (uint8_t *)v->n->out[0]->data + row * v->o.w * v->o.c;
    struct tile t;
    for (int32_t k = 0; k < count; k++) {
        struct block *b = &v->blocks[k];
        const int32_t c = (first + k) * CHANNELS;
        b->first = group * v->per_group + c;
        b->count = v->per_group - c < CHANNELS ? v->per_group - c : CHANNELS;
        make_block(v, b, v->weights + k * v->depth * CHANNELS);
    }
    for (int32_t i = 0; i < pixels; i += PIXELS) {
        place(v, &t, row, i, pixels - i < PIXELS ? pixels - i : PIXELS, group);
        gather(v, &t);
        run_tile(v, &t, v->blocks, count, y + i * v->o.c);
    }
}

void magik_conv_u8(const struct magik_step *n);

void magik_conv_u8_fp64(const struct magik_step *n)
{
    struct work v = {.n = n, .p = n->params, .s = image_of(n->in[0]), .k = image_of(n->in[1]), .o = image_of(n->out[0])};
    int32_t row, end;
    op_span(n, v.o.n * v.o.h, &row, &end);
    v.depth = v.k.h * v.k.w * v.k.c;
    v.per_group = v.k.n / v.p->codes.groups;
    v.w = weights_in(n->in[1]);
    const int32_t most = 255 * (v.w.is_wide ? weights_largest(v.w, n->in[1]->count) : 128); /* of a product */
    if (v.depth > MOST_DEPTH || v.depth > INT32_MAX / most || (end - row) * v.o.w < LEAST_PIXELS) {
        magik_conv_u8(n);
        return;
    }
    v.sure = (LANE_LIMIT - 1) / most;
    const int32_t all = blocks_of(n), at_once = blocks_at_once(n, v.depth);
    uint8_t *room = n->scratch;
    v.zeros = room;
    v.windows = (double *)(void *)(room + round64((size_t)v.k.c));
    v.blocks = (struct block *)(void *)((uint8_t *)v.windows + round64(window_bytes(v.depth)));
    v.weights = (double *)(void *)(v.blocks + at_once);
    memset(v.zeros, v.p->codes.has_border ? 0 : v.p->codes.x_zero, (size_t)v.k.c);
    for (int32_t g = 0; g < v.p->codes.groups; g++)
        for (int32_t b = 0; b < all; b += at_once)
            run_blocks(&v, g, b, all - b < at_once ? all - b : at_once, row, end);
}

size_t magik_conv_u8_s16_fp64_scratch(const struct magik_step *n)
{
    return magik_conv_u8_fp64_scratch(n);
}

void magik_conv_u8_s16_fp64(const struct magik_step *n)
{
    magik_conv_u8_fp64(n);
}
