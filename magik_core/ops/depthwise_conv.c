/* DepthwiseConv: a convolution of each channel by itself. Kernels run along the channels. */
#include "depthwise.h"

enum { BLOCK = 64 }; /* channels whose sums are held at a time */

int32_t magik_depthwise_conv_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct depthwise_params *p = n->params;
    if (n->n_in < 3 || n->params_bytes != sizeof *p)
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *w = n->in[1];
    if ((x->rank != 3 && x->rank != 4) || w->rank != x->rank - 1)
        return MAGIK_BAD_SHAPE;
    const struct image s = image_of(x), k = depthwise_kernel(w);
    if (k.c != s.c)
        return MAGIK_BAD_SHAPE;
    const int32_t status = magik_conv_check(n, &p->window, &p->codes, k.c, k.h * k.w);
    y->dtype = x->dtype;
    return status == MAGIK_OK ? window_shape(&p->window, x, k.h, k.w, k.c, y) : status;
}

/* One window of a row of outputs. */
struct place {
    const struct depthwise_params *p;
    struct image s, k;
    int32_t ih, iw;
};

/* Element of x that a tap meets in channel 0, or -1 for padding. */
static int32_t meets(const struct place *at, int32_t kh, int32_t kw)
{
    const int32_t ih = at->ih + kh * at->p->window.dilation_h, iw = at->iw + kw * at->p->window.dilation_w;
    return ih < 0 || ih >= at->s.h || iw < 0 || iw >= at->s.w ? -1 : (ih * at->s.w + iw) * at->s.c;
}

/* Sums of channels [c, c + count). */
static void sum_u8(const struct place *at, const uint8_t *x, struct weights w, const int32_t *border, int32_t c, int32_t count, int32_t *acc)
{
    const int32_t taps = at->k.h * at->k.w;
    for (int32_t t = 0; t < taps; t++) {
        const int32_t from = meets(at, t / at->k.w, t % at->k.w);
        const struct weights wt = weights_from(w, t * at->k.c + c);
        if (from >= 0)
            for (int32_t i = 0; i < count; i++)
                acc[i] = fx_mac(acc[i], x[from + c + i], weights_at(wt, i));
        else if (border != NULL)
            for (int32_t i = 0; i < count; i++)
                acc[i] = fx_mac(acc[i], 1, border[(c + i) * taps + t]);
        else
            for (int32_t i = 0; i < count; i++)
                acc[i] = fx_mac(acc[i], at->p->codes.x_zero, weights_at(wt, i));
    }
}

/* The same on codes of u16, whose products are less than 2^31. */
static void sum_u16(const struct place *at, const uint16_t *x, struct weights w, const int32_t *border, int32_t c, int32_t count, int64_t *acc)
{
    const int32_t taps = at->k.h * at->k.w;
    for (int32_t t = 0; t < taps; t++) {
        const int32_t from = meets(at, t / at->k.w, t % at->k.w);
        const struct weights wt = weights_from(w, t * at->k.c + c);
        if (from >= 0)
            for (int32_t i = 0; i < count; i++)
                acc[i] += x[from + c + i] * weights_at(wt, i);
        else if (border != NULL)
            for (int32_t i = 0; i < count; i++)
                acc[i] += border[(c + i) * taps + t];
        else
            for (int32_t i = 0; i < count; i++)
                acc[i] += at->p->codes.x_zero * weights_at(wt, i);
    }
}

/* Channels [c, c + count) of one output pixel, which begins at code `y`. */
static void block_u8(struct sums sums, const struct place *at, const void *x, int32_t c, int32_t count, int32_t y)
{
    const struct magik_step *n = sums.n;
    const struct conv_codes *q = &at->p->codes;
    const int32_t *bias = n->in[2]->data, *m = n->in[n->n_in - 2]->data, *shift = n->in[n->n_in - 1]->data;
    int32_t acc[BLOCK];
    memcpy(acc, bias + c, sizeof(int32_t) * (size_t)count);
    sum_u8(at, x, weights_in(n->in[1]), q->has_border ? n->in[3]->data : NULL, c, count, acc);
    for (int32_t i = 0; i < count; i++) {
        const int64_t v = weights_rescale(n, acc[i], m[c + i], shift[c + i]) + q->y_zero;
        ((uint8_t *)n->out[0]->data)[y + c + i] = fx_u8(v, q->low, q->high);
    }
}

static void block_u16(struct sums sums, const struct place *at, const void *x, int32_t c, int32_t count, int32_t y)
{
    const struct magik_step *n = sums.n;
    const struct conv_codes *q = &at->p->codes;
    const int32_t *m = n->in[n->n_in - 2]->data, *shift = n->in[n->n_in - 1]->data;
    int64_t acc[BLOCK];
    for (int32_t i = 0; i < count; i++)
        acc[i] = sums_bias(sums, c + i);
    sum_u16(at, x, weights_in(n->in[1]), q->has_border ? n->in[3]->data : NULL, c, count, acc);
    for (int32_t i = 0; i < count; i++)
        fx_put(n->out[0]->data, y + c + i, 1, fx_rescale_wide(acc[i], m[c + i], shift[c + i]) + q->y_zero, q->low, q->high);
}

/* Body of the kernels on codes. */
SUMS_INLINE void convolve(struct sums sums)
{
    const struct magik_step *n = sums.n;
    const struct depthwise_params *p = n->params;
    const struct image o = image_of(n->out[0]);
    struct place at = {p, image_of(n->in[0]), depthwise_kernel(n->in[1]), 0, 0};
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++)
        for (int32_t ow = 0; ow < o.w; ow++) {
            const void *x = sums_from(sums, n->in[0]->data, row / o.h * (at.s.h * at.s.w * at.s.c));
            at.ih = row % o.h * p->window.stride_h - p->window.top;
            at.iw = ow * p->window.stride_w - p->window.left;
            for (int32_t c = 0; c < o.c; c += BLOCK) {
                const int32_t count = o.c - c < BLOCK ? o.c - c : BLOCK;
                (sums.is_wide ? block_u16 : block_u8)(sums, &at, x, c, count, (row * o.w + ow) * o.c);
            }
        }
}

void magik_depthwise_conv_u8(const struct magik_step *n)
{
    convolve((struct sums){n, 0, 0});
}

void magik_depthwise_conv_u16(const struct magik_step *n)
{
    convolve(sums_of(n));
}

void magik_depthwise_conv_u8_s16(const struct magik_step *n)
{
    magik_depthwise_conv_u8(n);
}

void magik_depthwise_conv_u8_twice(const struct magik_step *n)
{
    magik_depthwise_conv_u8(n);
}

void magik_depthwise_conv_f32(const struct magik_step *n)
{
    const struct depthwise_params *p = n->params;
    const struct image o = image_of(n->out[0]);
    struct place at = {p, image_of(n->in[0]), depthwise_kernel(n->in[1]), 0, 0};
    const float *bias = n->in[2]->data, *w = n->in[1]->data;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++)
        for (int32_t ow = 0; ow < o.w; ow++) {
            const float *x = (const float *)n->in[0]->data + row / o.h * (at.s.h * at.s.w * at.s.c);
            float *y = (float *)n->out[0]->data + (row * o.w + ow) * o.c;
            at.ih = row % o.h * p->window.stride_h - p->window.top;
            at.iw = ow * p->window.stride_w - p->window.left;
            for (int32_t c = 0; c < o.c; c++) {
                float acc = bias[c] + 0.0f;
                for (int32_t t = 0; t < at.k.h * at.k.w; t++) {
                    const int32_t from = meets(&at, t / at.k.w, t % at.k.w);
                    if (from >= 0)
                        acc += x[from + c] * w[t * at.k.c + c];
                }
                y[c] = fx_clip(acc, p->codes.real_low, p->codes.real_high);
            }
        }
}
