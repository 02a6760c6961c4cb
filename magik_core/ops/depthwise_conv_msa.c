/* DepthwiseConv with MSA, 16 channels at a time: of each column of a row of windows, four rows are woven, so
 * that one instruction multiplies four taps of four channels; then tiles of 4 pixels add up their columns. */
#include "depthwise.h"
#include "rows_msa.h"
#include "tile_msa.h"

enum { MOST_SCRATCH = 1 << 20 };

/* What stays the same for all channels, and where in the scratch its parts lie: weights, rows, woven columns. */
struct plan {
    const struct depthwise_params *p;
    struct image s, k, o;
    struct rows_msa rows;
    int32_t fours; /* of rows of a window */
    int32_t outs;  /* rows of y whose windows lie in the same woven rows */
    size_t rows_at, woven_at, bytes;
};

static struct plan plan_of(const struct magik_step *n)
{
    const struct depthwise_params *p = n->params;
    struct plan v = {.p = p, .s = image_of(n->in[0]), .k = depthwise_kernel(n->in[1]), .o = image_of(n->out[0])};
    v.fours = (v.k.h + 3) / 4;
    v.outs = p->window.stride_h == 1 && p->window.dilation_h == 1 ? 4 * v.fours - v.k.h + 1 : 1;
    const struct image all = {1, v.k.h + v.outs - 1, v.k.w, v.k.c};
    v.rows = rows_msa(&p->window, v.s, all, v.o.w, TILE_PIXELS, TILE_CHANNELS, p->codes.x_zero ^ 128);
    v.rows.is_spread = 1;
    v.rows.x_begin = n->in[0]->data;
    v.rows_at = block_bytes_msa(v.k.w * v.outs, 4 * v.fours);
    v.woven_at = v.rows_at + rows_bytes_msa(&v.rows);
    v.bytes = v.woven_at + (size_t)v.rows.width * (size_t)v.fours * (TILE_QUADS * 16);
    return v;
}

static int covers(const struct plan *v)
{
    const struct conv_codes *q = &v->p->codes;
    return !q->has_border && q->low <= q->high && v->rows.bytes > 0 && v->k.w < 1 << 10 && v->fours < 1 << 10 && v->bytes <= MOST_SCRATCH;
}

size_t magik_depthwise_conv_u8_msa_scratch(const struct magik_step *n)
{
    const struct plan v = plan_of(n);
    return covers(&v) ? v.bytes : 0;
}

/* Vectors of weights for one row of y. */
static int32_t weights_of(const struct plan *v)
{
    return v->fours * v->k.w * TILE_QUADS;
}

/* Weights of channels [first, first + b->channels) for the row `out` of those that share woven rows: per four rows,
 * column and quad 16 bytes. 0: a pair does not fit. */
static int fill_out(const struct plan *v, struct block_msa *b, const int8_t *w, int32_t out)
{
    int8_t *to = (int8_t *)(b->w + out * weights_of(v));
    int fits = 1;
    memset(to, 0, (size_t)weights_of(v) * 16);
    for (int32_t h = out; h < out + v->k.h; h++)
        for (int32_t c = 0; c < v->k.w; c++, w += v->k.c) {
            int8_t *at = to + (h / 4 * v->k.w + c) * (TILE_CHANNELS * 4) + h % 4;
            for (int32_t i = 0; i < b->channels; i++, at += 4) {
                *at = w[i];
                fits &= h % 2 == 0 || w[i] != -128 || at[-1] != -128;
            }
        }
    return fits;
}

static int fill(const struct magik_step *n, const struct plan *v, struct block_msa *b, int32_t first)
{
    const int8_t *w = (const int8_t *)n->in[1]->data + first, *tap = w;
    const int32_t *bias = n->in[2]->data, *m = n->in[3]->data, *shift = n->in[4]->data;
    int32_t sum[TILE_CHANNELS] = {0}, size[TILE_CHANNELS] = {0}, fits = 1;
    for (int32_t t = 0; t < v->k.h * v->k.w; t++, tap += v->k.c)
        for (int32_t i = 0; i < b->channels; i++) {
            sum[i] += tap[i];
            size[i] += tap[i] < 0 ? -tap[i] : tap[i];
        }
    for (int32_t out = 0; out < v->outs; out++)
        fits &= fill_out(v, b, w, out);
    block_rescale_msa(b, bias + first, m + first, shift + first, sum, size);
    return fits;
}

/* Column i of four rows, four channels a vector. */
#define WEAVE(i, to)                                                                                                   \
    do {                                                                                                               \
        const v8i16 low = (v8i16)__msa_ilvr_b(b[i], a[i]), high = (v8i16)__msa_ilvl_b(b[i], a[i]);                     \
        const v8i16 low2 = (v8i16)__msa_ilvr_b(d[i], c[i]), high2 = (v8i16)__msa_ilvl_b(d[i], c[i]);                   \
        (to)[0] = (v16i8)__msa_ilvr_h(low2, low);                                                                      \
        (to)[1] = (v16i8)__msa_ilvl_h(low2, low);                                                                      \
        (to)[2] = (v16i8)__msa_ilvr_h(high2, high);                                                                    \
        (to)[3] = (v16i8)__msa_ilvl_h(high2, high);                                                                    \
    } while (0)

/* Weave four rows: per column four vectors of four channels by four rows, `step` vectors apart. */
static inline __attribute__((always_inline)) void weave(const v16i8 *a, const v16i8 *b, const v16i8 *c, const v16i8 *d, v16i8 *to, int32_t width, int step)
{
    for (; width >= 4; width -= 4, a += 4, b += 4, c += 4, d += 4, to += 4 * step) {
        WEAVE(0, to);
        WEAVE(1, to + step);
        WEAVE(2, to + 2 * step);
        WEAVE(3, to + 3 * step);
    }
    for (int32_t i = 0; i < width; i++, to += step)
        WEAVE(i, to);
}

/* The columns of the rows of windows from oh on that share them; rows past the last tap meet weights of 0. */
static void weave_row(const struct plan *v, int32_t oh, v16i8 *woven)
{
    const struct window *q = &v->p->window;
    for (int32_t f = 0; f < v->fours; f++) {
        const v16i8 *rows[4];
        for (int32_t i = 0; i < 4; i++) {
            const int32_t kh = 4 * f + i < v->k.h + v->outs - 1 ? 4 * f + i : v->k.h - 1;
            rows[i] = (const v16i8 *)(const void *)row_msa(&v->rows, oh * q->stride_h - q->top + kh * q->dilation_h);
        }
        if (v->fours == 1)
            weave(rows[0], rows[1], rows[2], rows[3], woven, v->rows.width, TILE_QUADS);
        else
            weave(rows[0], rows[1], rows[2], rows[3], woven + f * TILE_QUADS, v->rows.width, v->fours * TILE_QUADS);
    }
}

/* Sums of quad q of four pixels `across` columns apart, whose taps are `apart` columns apart. */
#define DEEP_QUAD(q)                                                                                                   \
    if (q == 0 || b->quads > q) {                                                                                      \
        const v16i8 *w = weights + q;                                                                                    \
        a0 = a1 = a2 = a3 = b->bias[q];                                                                                \
        for (int32_t f = 0; f < fours; f++)                                                                            \
            for (int32_t c = 0; c < taps; c++, w += TILE_QUADS) {                                                      \
                const v16i8 *at = x + (c * apart * fours + f) * TILE_QUADS + q;                                        \
                a0 = dpadd_msa(a0, __msa_dotp_s_h(at[0], *w), ones);                                             \
                a1 = dpadd_msa(a1, __msa_dotp_s_h(at[step], *w), ones);                                          \
                a2 = dpadd_msa(a2, __msa_dotp_s_h(at[2 * step], *w), ones);                                      \
                a3 = dpadd_msa(a3, __msa_dotp_s_h(at[3 * step], *w), ones);                                      \
            }                                                                                                          \
        acc[0][q] = a0;                                                                                                \
        acc[1][q] = a1;                                                                                                \
        acc[2][q] = a2;                                                                                                \
        acc[3][q] = a3;                                                                                                \
    }

/* A row of tiles; literal numbers make the loops over taps unroll. */
static inline __attribute__((always_inline)) void deep_row(const struct block_msa *b, const v16i8 *weights, const v16i8 *x, int fours, int taps, int across, int apart, int channels, const struct codes_msa *codes, uint8_t *y, int32_t y_step, int32_t pixels)
{
    const v8i16 ones = __msa_ldi_h(1);
    const int step = across * fours * TILE_QUADS, quads = TILE_QUADS;
    v4i32 acc[TILE_PIXELS][TILE_QUADS], a0, a1, a2, a3;
    for (; pixels > 0; pixels -= TILE_PIXELS, x += TILE_PIXELS * step, y += TILE_PIXELS * y_step) {
        acc[0][1] = acc[1][1] = acc[2][1] = acc[3][1] = __msa_ldi_w(0);
        acc[0][2] = acc[1][2] = acc[2][2] = acc[3][2] = __msa_ldi_w(0);
        acc[0][3] = acc[1][3] = acc[2][3] = acc[3][3] = __msa_ldi_w(0);
        DEEP_QUAD(0)
        DEEP_QUAD(1)
        DEEP_QUAD(2)
        DEEP_QUAD(3)
        tile_end_msa(b, quads, codes, acc);
        if (pixels >= TILE_PIXELS)
            tile_store_msa(quads, channels, codes, acc, y, y_step, TILE_PIXELS);
        else
            tile_store_msa(quads, channels, codes, acc, y, y_step, pixels);
    }
}

static void row_of(const struct plan *v, const struct block_msa *b, const v16i8 *w, const v16i8 *woven, const struct codes_msa *codes, uint8_t *y)
{
    const struct window *q = &v->p->window;
    const int32_t fours = v->fours, taps = v->k.w, across = q->stride_w, apart = q->dilation_w;
    const int is_whole = b->channels == TILE_CHANNELS;
    if (is_whole && apart == 1 && fours == 1 && taps == 3 && across == 1)
        deep_row(b, w, woven, 1, 3, 1, 1, TILE_CHANNELS, codes, y, v->o.c, v->o.w);
    else if (apart == 1 && fours == 1 && taps == 3 && across == 1)
        deep_row(b, w, woven, 1, 3, 1, 1, b->channels, codes, y, v->o.c, v->o.w);
    else if (apart == 1 && fours == 1 && taps == 3 && across == 2)
        deep_row(b, w, woven, 1, 3, 2, 1, b->channels, codes, y, v->o.c, v->o.w);
    else if (apart == 1 && fours == 2 && taps == 5 && across == 1)
        deep_row(b, w, woven, 2, 5, 1, 1, b->channels, codes, y, v->o.c, v->o.w);
    else
        deep_row(b, w, woven, fours, taps, across, apart, b->channels, codes, y, v->o.c, v->o.w);
}

/* The part's rows of one block of channels; x and y at its first. */
static void rows_of(const struct magik_step *n, struct plan *v, const struct block_msa *b, const uint8_t *x, uint8_t *y)
{
    const struct codes_msa codes = codes_msa(v->p->codes.y_zero, v->p->codes.low, v->p->codes.high);
    v16i8 *woven = (v16i8 *)(void *)((uint8_t *)n->scratch + v->woven_at);
    int32_t row, end, image = -1;
    op_span(n, v->o.n * v->o.h, &row, &end);
    for (int32_t count; row < end; row += count) {
        const int32_t oh = row % v->o.h, left = v->o.h - oh < end - row ? v->o.h - oh : end - row;
        if (row / v->o.h != image) {
            image = row / v->o.h;
            rows_turn_msa(&v->rows, x + image * (v->s.h * v->s.w * v->s.c));
        }
        rows_reach_msa(&v->rows, oh, v->k.h + v->outs - 1);
        weave_row(v, oh, woven);
        count = left < v->outs ? left : v->outs;
        for (int32_t out = 0; out < count; out++)
            row_of(v, b, b->w + out * weights_of(v), woven, &codes, y + (row + out) * (v->o.w * v->o.c));
    }
}

void magik_depthwise_conv_u8_msa(const struct magik_step *n)
{
    struct plan v = plan_of(n);
    if (!covers(&v)) {
        magik_depthwise_conv_u8(n);
        return;
    }
    struct block_msa *b = n->scratch;
    rows_open_msa(&v.rows, (uint8_t *)n->scratch + v.rows_at);
    for (int32_t first = 0; first < v.s.c; first += TILE_CHANNELS) {
        b->channels = v.s.c - first < TILE_CHANNELS ? v.s.c - first : TILE_CHANNELS;
        b->quads = (b->channels + 3) / 4;
        v.rows.channels = b->channels;
        if (!fill(n, &v, b, first)) {
            magik_depthwise_conv_u8(n);
            return;
        }
        rows_of(n, &v, b, (const uint8_t *)n->in[0]->data + first, (uint8_t *)n->out[0]->data + first);
    }
}
