/* AveragePool. Kernels run along the channels of one output after another. */
#include "fixed.h"
#include "pool.h"

struct params {
    struct pool pool;
    int32_t count_include_pad;  /* 0, 1 */
    int32_t x_zero, y_zero;     /* [0, 255] */
    int32_t top_code;           /* largest code of y, [0, 255] */
    int32_t multiplier, shift;  /* s_x / s_y / 2^16; shift [1, 62] */
};

enum { BLOCK = 64 }; /* channels whose sums are held at a time */

int32_t magik_average_pool_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (!op_between(p->count_include_pad, 0, 1) || !op_between(p->x_zero, 0, 255) || !op_between(p->y_zero, 0, 255) ||
        !op_between(p->top_code, 0, 255) || !op_between(p->shift, 1, FX_MAX_SHIFT))
        return MAGIK_BAD_PARAMS;
    return n->in[0]->dtype == n->dtype ? pool_shape(&p->pool, n->in[0], y) : MAGIK_BAD_SHAPE;
}

/* Taps of a window along one axis that lie inside x or its padding; `after` is what follows x. */
static int32_t padded(struct span s, int32_t size, int32_t kernel, int32_t dilation, int32_t after)
{
    return pool_span(s.start, size + after, kernel, dilation).end;
}

/* The windows of one row of outputs. */
struct row {
    const struct params *p;
    struct image s, o;
    struct span h;    /* taps along the height */
    int32_t padded_h;
    int32_t in, out;  /* first elements of the image in x and of the row in y */
};

static struct row row_of(const struct magik_step *n, int32_t index)
{
    const struct params *p = n->params;
    const struct pool *q = &p->pool;
    struct row r = {.p = p, .s = image_of(n->in[0]), .o = image_of(n->out[0])};
    r.h = pool_span(index % r.o.h * q->window.stride_h - q->window.top, r.s.h, q->kernel_h, q->window.dilation_h);
    r.padded_h = padded(r.h, r.s.h, q->kernel_h, q->window.dilation_h, q->window.bottom);
    r.in = index / r.o.h * (r.s.h * r.s.w * r.s.c);
    r.out = index * (r.o.w * r.o.c);
    return r;
}

static struct span across(const struct row *r, int32_t ow)
{
    const struct window *q = &r->p->pool.window;
    return pool_span(ow * q->stride_w - q->left, r->s.w, r->p->pool.kernel_w, q->dilation_w);
}

/* Taps that count, at least 1. */
static int32_t count_of(const struct row *r, struct span w)
{
    const struct pool *q = &r->p->pool;
    int32_t count = span_count(r->h) * span_count(w);
    if (r->p->count_include_pad)
        count = r->padded_h * padded(w, r->s.w, q->kernel_w, q->window.dilation_w, q->window.right);
    return count < 1 ? 1 : count;
}

/* Element of the image that a tap meets in channel 0. */
static int32_t meets(const struct row *r, struct span w, int32_t kh, int32_t kw)
{
    const struct window *q = &r->p->pool.window;
    return ((r->h.start + kh * q->dilation_h) * r->s.w + w.start + kw * q->dilation_w) * r->s.c;
}

/* Sums of channels [c, c + count) of the window w. */
static void sum_u8(const struct row *r, struct span w, const uint8_t *x, int32_t c, int32_t count, int32_t *acc)
{
    const int32_t zeros = -span_count(r->h) * span_count(w) * r->p->x_zero;
    for (int32_t i = 0; i < count; i++)
        acc[i] = zeros;
    for (int32_t kh = r->h.begin; kh < r->h.end; kh++)
        for (int32_t kw = w.begin; kw < w.end; kw++) {
            const uint8_t *from = x + meets(r, w, kh, kw) + c;
            for (int32_t i = 0; i < count; i++)
                acc[i] += from[i];
        }
}

void magik_average_pool_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct image o = image_of(n->out[0]);
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct row r = row_of(n, row);
        const uint8_t *x = (const uint8_t *)n->in[0]->data + r.in;
        uint8_t *y = (uint8_t *)n->out[0]->data + r.out;
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            const struct span w = across(&r, ow);
            const int32_t taps = count_of(&r, w);
            for (int32_t c = 0; c < o.c; c += BLOCK) {
                const int32_t count = o.c - c < BLOCK ? o.c - c : BLOCK;
                int32_t acc[BLOCK];
                sum_u8(&r, w, x, c, count, acc);
                for (int32_t i = 0; i < count; i++) {
                    const int32_t mean = (int32_t)fx_average(acc[i], taps);
                    y[c + i] = fx_u8(fx_rescale(mean, p->multiplier, p->shift) + p->y_zero, 0, p->top_code);
                }
            }
        }
    }
}

void magik_average_pool_f32(const struct magik_step *n)
{
    const struct image o = image_of(n->out[0]);
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct row r = row_of(n, row);
        const float *x = (const float *)n->in[0]->data + r.in;
        float *y = (float *)n->out[0]->data + r.out;
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            const struct span w = across(&r, ow);
            memset(y, 0, sizeof(float) * (size_t)o.c);
            for (int32_t kh = r.h.begin; kh < r.h.end; kh++)
                for (int32_t kw = w.begin; kw < w.end; kw++) {
                    const float *from = x + meets(&r, w, kh, kw);
                    for (int32_t c = 0; c < o.c; c++)
                        y[c] += from[c];
                }
            for (int32_t c = 0; c < o.c; c++)
                y[c] /= (float)count_of(&r, w);
        }
    }
}
