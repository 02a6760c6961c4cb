/* ConvTranspose: each input pixel spreads a window of outputs; computed output by output. */
#include "fixed.h"
#include "window.h"

struct params {
    struct window window;
    int32_t more_h, more_w; /* output_padding, [0, 1024] */
    int32_t groups;
    int32_t x_zero, y_zero; /* [0, 255] */
    int32_t low, high;      /* smallest and largest code of y */
    float real_low, real_high;
};

static int32_t check_codes(const struct magik_step *n, const struct params *p, int32_t channels)
{
    if (!op_between(p->x_zero, 0, 255) || !op_between(p->y_zero, 0, 255) || !op_between(p->low, 0, 255) || !op_between(p->high, 0, 255))
        return MAGIK_BAD_PARAMS;
    return op_table(n->in[3], channels, INT32_MIN, INT32_MAX) && op_table(n->in[4], channels, 1, FX_MAX_SHIFT) ? MAGIK_OK : MAGIK_BAD_PARAMS;
}

/* Size of one axis of y, or 0. */
static int32_t spread(int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t cut, int32_t more)
{
    const int64_t n = (int64_t)stride * (size - 1) + (int64_t)dilation * (kernel - 1) + 1 + more - cut;
    return n < 1 || n > INT32_MAX / 4 ? 0 : (int32_t)n;
}

int32_t magik_conv_transpose_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    const int is_real = n->dtype == MAGIK_F32;
    if (!op_has(n, is_real ? 3 : 5, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    if ((x->rank != 3 && x->rank != 4) || w->rank != x->rank || x->dtype != n->dtype || w->dtype != (is_real ? MAGIK_F32 : MAGIK_S8) ||
        b->dtype != (is_real ? MAGIK_F32 : MAGIK_S32) || b->count != w->dims[0])
        return MAGIK_BAD_SHAPE;
    const struct window *v = &p->window;
    if (!window_is_sane(v) || !op_between(p->more_h, 0, 1024) || !op_between(p->more_w, 0, 1024) || p->groups < 1)
        return MAGIK_BAD_PARAMS;
    const struct image s = image_of(x), k = image_of(w);
    if (k.n % p->groups != 0 || (int64_t)k.c * p->groups != s.c)
        return MAGIK_BAD_SHAPE;
    const int32_t oh = spread(s.h, k.h, v->stride_h, v->dilation_h, v->top + v->bottom, p->more_h);
    const int32_t ow = spread(s.w, k.w, v->stride_w, v->dilation_w, v->left + v->right, p->more_w);
    if (oh < 1 || ow < 1 || (x->rank == 3 && oh != 1))
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    y->dims[x->rank - 2] = ow;
    if (x->rank == 4)
        y->dims[1] = oh;
    y->dims[x->rank - 1] = k.n;
    return is_real ? MAGIK_OK : check_codes(n, p, k.n);
}

/* Position in x that a tap of an output meets, or -1. */
static int32_t meets(int32_t o, int32_t pad, int32_t tap, int32_t dilation, int32_t stride, int32_t size)
{
    const int64_t at = (int64_t)o + pad - (int64_t)tap * dilation;
    return at < 0 || at % stride != 0 || at / stride >= size ? -1 : (int32_t)(at / stride);
}

/* Sum of one output: x at the image and the group's first channel, w at the output channel. */
static int32_t sum_u8(const struct params *p, struct image s, struct image k, int32_t oh, int32_t ow, const uint8_t *x, const int8_t *w)
{
    const struct window *v = &p->window;
    int32_t acc = 0;
    for (int32_t kh = 0; kh < k.h; kh++) {
        const int32_t ih = meets(oh, v->top, kh, v->dilation_h, v->stride_h, s.h);
        for (int32_t kw = 0; ih >= 0 && kw < k.w; kw++) {
            const int32_t iw = meets(ow, v->left, kw, v->dilation_w, v->stride_w, s.w);
            if (iw < 0)
                continue;
            const uint8_t *xi = x + (ih * s.w + iw) * s.c;
            const int8_t *wi = w + (kh * k.w + kw) * k.c;
            for (int32_t i = 0; i < k.c; i++)
                acc = fx_mac(acc, xi[i] - p->x_zero, wi[i]);
        }
    }
    return acc;
}

void magik_conv_transpose_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct image s = image_of(n->in[0]), k = image_of(n->in[1]), o = image_of(n->out[0]);
    const int32_t *bias = n->in[2]->data, *m = n->in[3]->data, *shift = n->in[4]->data;
    const int32_t per_group = k.n / p->groups;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const uint8_t *x = (const uint8_t *)n->in[0]->data + row / o.h * (s.h * s.w * s.c);
        uint8_t *y = (uint8_t *)n->out[0]->data + row * (o.w * o.c);
        for (int32_t ow = 0; ow < o.w; ow++)
            for (int32_t c = 0; c < k.n; c++) {
                const int8_t *w = (const int8_t *)n->in[1]->data + c * (k.h * k.w * k.c);
                const int32_t acc = fx_mac(sum_u8(p, s, k, row % o.h, ow, x + c / per_group * k.c, w), 1, bias[c]);
                *y++ = fx_u8(fx_rescale(acc, m[c], shift[c]) + p->y_zero, p->low, p->high);
            }
    }
}

/* The sum runs from the bias over kh, kw, i, each product and sum rounded to f32. */
static float sum_f32(const struct params *p, struct image s, struct image k, int32_t oh, int32_t ow, const float *x, const float *w, float acc)
{
    const struct window *v = &p->window;
    for (int32_t kh = 0; kh < k.h; kh++) {
        const int32_t ih = meets(oh, v->top, kh, v->dilation_h, v->stride_h, s.h);
        for (int32_t kw = 0; ih >= 0 && kw < k.w; kw++) {
            const int32_t iw = meets(ow, v->left, kw, v->dilation_w, v->stride_w, s.w);
            if (iw < 0)
                continue;
            const float *xi = x + (ih * s.w + iw) * s.c, *wi = w + (kh * k.w + kw) * k.c;
            for (int32_t i = 0; i < k.c; i++)
                acc += xi[i] * wi[i];
        }
    }
    return acc;
}

void magik_conv_transpose_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct image s = image_of(n->in[0]), k = image_of(n->in[1]), o = image_of(n->out[0]);
    const float *bias = n->in[2]->data;
    const int32_t per_group = k.n / p->groups;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const float *x = (const float *)n->in[0]->data + row / o.h * (s.h * s.w * s.c);
        float *y = (float *)n->out[0]->data + row * (o.w * o.c);
        for (int32_t ow = 0; ow < o.w; ow++)
            for (int32_t c = 0; c < k.n; c++) {
                const float *w = (const float *)n->in[1]->data + c * (k.h * k.w * k.c);
                const float acc = sum_f32(p, s, k, row % o.h, ow, x + c / per_group * k.c, w, bias[c] + 0.0f);
                *y++ = fx_clip(acc, p->real_low, p->real_high);
            }
    }
}
