/* Conv with MSA. Windows of 1x1 are read where they lie, others from rows that are copied with their padding. */
#include "conv.h"
#include "rows_msa.h"
#include "tile_msa.h"

void magik_conv_u8(const struct magik_step *n);

enum { MOST_SCRATCH = 1 << 20 };

/* What of a convolution stays the same for all blocks of channels, and where in the scratch its parts lie. */
struct plan {
    const struct conv_params *p;
    struct image s, k, o;
    struct rows_msa rows;
    int32_t is_direct;         /* every pixel's window is a pixel of x */
    int32_t runs, run;         /* of x's bytes that a window meets one after the other */
    size_t rows_at, runs_at, bytes;
};

static struct plan plan_of(const struct magik_step *n)
{
    const struct conv_params *p = n->params;
    const struct window *q = &p->window;
    struct plan v = {.p = p, .s = image_of(n->in[0]), .k = image_of(n->in[1]), .o = image_of(n->out[0])};
    v.is_direct = v.k.h * v.k.w == 1 && q->stride_h == 1 && q->stride_w == 1 && v.o.h == v.s.h && v.o.w == v.s.w && q->top == 0 && q->left == 0;
    const int32_t together = q->dilation_w == 1 ? v.k.w : 1;
    v.runs = v.k.h * (v.k.w / together);
    v.run = together * v.k.c;
    v.rows_at = (block_bytes_msa(v.runs, v.run) + 15) & ~(size_t)15;
    if (v.is_direct) {
        v.bytes = v.rows_at + tiles_room_msa(v.run);
        return v;
    }
    v.rows = rows_msa(q, v.s, v.k, v.o.w, TILE_PIXELS, v.k.c, p->codes.x_zero);
    v.runs_at = v.rows_at + rows_bytes_msa(&v.rows);
    v.bytes = v.runs_at + (size_t)v.runs * sizeof(uint8_t *);
    return v;
}

static int covers(const struct plan *v)
{
    return !v->p->codes.has_border && v->p->codes.low <= v->p->codes.high && v->bytes <= MOST_SCRATCH && (v->is_direct || v->rows.bytes > 0);
}

size_t magik_conv_u8_msa_scratch(const struct magik_step *n)
{
    const struct plan v = plan_of(n);
    return covers(&v) ? v.bytes : 0;
}

/* One block of channels of the part's pixels; x and y at the group's and the block's first channel. */
static void direct(const struct magik_step *n, const struct plan *v, const struct block_msa *b, const uint8_t *x, uint8_t *y)
{
    const struct codes_msa codes = codes_msa(v->p->codes.y_zero, v->p->codes.low, v->p->codes.high);
    int32_t i, end;
    op_span(n, v->o.n * v->o.h * v->o.w, &i, &end);
    const uint8_t *x_end = (const uint8_t *)n->in[0]->data + n->in[0]->count;
    tiles_msa(b, x + i * v->s.c, x_end, v->s.c, &codes, y + i * v->o.c, v->o.c, end - i, (uint8_t *)n->scratch + v->rows_at);
}

/* Where the runs of a row of windows begin. */
static void find_runs(const struct plan *v, int32_t oh, const uint8_t **runs)
{
    const struct window *q = &v->p->window;
    const int32_t across = v->runs / v->k.h;
    for (int32_t kh = 0; kh < v->k.h; kh++) {
        const uint8_t *row = row_msa(&v->rows, oh * q->stride_h - q->top + kh * q->dilation_h);
        for (int32_t kw = 0; kw < across; kw++)
            *runs++ = row + kw * q->dilation_w * v->k.c;
    }
}

static void from_rows(const struct magik_step *n, struct plan *v, const struct block_msa *b, const uint8_t *x, uint8_t *y)
{
    const struct codes_msa codes = codes_msa(v->p->codes.y_zero, v->p->codes.low, v->p->codes.high);
    const uint8_t **runs = (const uint8_t **)(void *)((uint8_t *)n->scratch + v->runs_at);
    const struct source_msa source = {runs, 0, v->p->window.stride_w * v->k.c};
    int32_t row, end, image = -1;
    op_span(n, v->o.n * v->o.h, &row, &end);
    for (; row < end; row++) {
        uint8_t *to = y + row * (v->o.w * v->o.c);
        if (row / v->o.h != image) {
            image = row / v->o.h;
            rows_turn_msa(&v->rows, x + image * (v->s.h * v->s.w * v->s.c));
        }
        rows_reach_msa(&v->rows, row % v->o.h, v->k.h);
        find_runs(v, row % v->o.h, runs);
        row_tiles_msa(b, source, &codes, to, v->o.c, v->o.w);
    }
}

void magik_conv_u8_msa(const struct magik_step *n)
{
    struct plan v = plan_of(n);
    if (!covers(&v)) {
        magik_conv_u8(n);
        return;
    }
    struct block_msa *b = n->scratch;
    b->runs = v.runs;
    b->run = v.run;
    if (!v.is_direct)
        rows_open_msa(&v.rows, (uint8_t *)n->scratch + v.rows_at);
    const int32_t *bias = n->in[2]->data, *m = n->in[3]->data, *shift = n->in[4]->data;
    const int32_t per_group = v.k.n / v.p->codes.groups;
    for (int32_t first = 0; first < v.k.n; first += b->channels) {
        const int32_t left = per_group - first % per_group, channels = left < TILE_CHANNELS ? left : TILE_CHANNELS;
        const int8_t *w = (const int8_t *)n->in[1]->data + first * (v.runs * v.run);
        if (!block_fill_msa(b, w, channels, bias + first, m + first, shift + first)) {
            magik_conv_u8(n);
            return;
        }
        const uint8_t *x = (const uint8_t *)n->in[0]->data + first / per_group * v.k.c;
        uint8_t *y = (uint8_t *)n->out[0]->data + first;
        if (v.is_direct)
            direct(n, &v, b, x, y);
        else
            from_rows(n, &v, b, x, y);
    }
}
