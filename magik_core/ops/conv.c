/* Conv: convolution over one or two axes, any groups. */
#include "conv.h"

int32_t magik_conv_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct conv_params *p = n->params;
    if (n->n_in < 3 || n->params_bytes != sizeof *p)
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *w = n->in[1];
    if ((x->rank != 3 && x->rank != 4) || w->rank != x->rank)
        return MAGIK_BAD_SHAPE;
    const struct image s = image_of(x), k = image_of(w);
    if (p->codes.groups < 1 || k.n % p->codes.groups != 0 || (int64_t)k.c * p->codes.groups != s.c)
        return MAGIK_BAD_SHAPE;
    const int32_t status = magik_conv_check(n, &p->window, &p->codes, k.n, k.h * k.w);
    y->dtype = x->dtype;
    return status == MAGIK_OK ? window_shape(&p->window, x, k.h, k.w, k.n, y) : status;
}

enum { GATHERED = 1024 }; /* codes of the largest window that is copied together */

/* Where the window of one output pixel lies. */
struct place {
    int32_t ih, iw; /* of its first tap; may be outside */
    int32_t inside; /* whether every tap is inside */
};

static struct place place_of(const struct window *p, struct image s, struct image k, int32_t oh, int32_t ow)
{
    struct place at = {oh * p->stride_h - p->top, ow * p->stride_w - p->left, 0};
    at.inside = at.ih >= 0 && at.iw >= 0 && at.ih + (k.h - 1) * p->dilation_h < s.h && at.iw + (k.w - 1) * p->dilation_w < s.w;
    return at;
}

/* What padding of code `zero` adds. */
static int64_t padding(struct weights w, int32_t count, int32_t zero)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += weights_at(w, i);
    return sum * zero;
}

/* Sum of one output: x at the image and the group's first channel, w at the output channel. */
SUMS_INLINE int64_t taps(struct sums sums, struct image s, struct image k, struct place at, const void *x, struct weights w, const int32_t *border)
{
    const struct conv_params *p = sums.n->params;
    int64_t acc = 0;
    int32_t tap = 0;
    for (int32_t kh = 0; kh < k.h; kh++)
        for (int32_t kw = 0; kw < k.w; kw++, tap++, w = weights_from(w, k.c)) {
            const int32_t ih = at.ih + kh * p->window.dilation_h, iw = at.iw + kw * p->window.dilation_w;
            if (at.inside || (ih >= 0 && ih < s.h && iw >= 0 && iw < s.w))
                acc += sums_dot(sums, w, sums_from(sums, x, (ih * s.w + iw) * s.c), 0, k.c);
            else
                acc += border != NULL ? border[tap] : padding(w, k.c, p->codes.x_zero);
        }
    return acc;
}

/* The values that a window meets, side by side as the weights are; x at the image and the group's first channel.
 * NULL where they are too many, or where padding is no code. */
SUMS_INLINE const void *gather(struct sums sums, struct image s, struct image k, struct place at, const void *x, void *room)
{
    const struct conv_params *p = sums.n->params;
    if (at.inside && k.h * k.w == 1)
        return sums_from(sums, x, (at.ih * s.w + at.iw) * s.c);
    if (k.h * k.w * k.c > GATHERED || (p->codes.has_border && !at.inside))
        return NULL;
    const size_t size = sums.is_wide ? 2 : 1;
    const int32_t run = at.inside && p->window.dilation_w == 1 && k.c == s.c ? k.w : 1; /* taps side by side in x */
    uint8_t *to = room;
    for (int32_t kh = 0; kh < k.h; kh++)
        for (int32_t kw = 0; kw < k.w; kw += run, to += size * (size_t)(run * k.c)) {
            const int32_t ih = at.ih + kh * p->window.dilation_h, iw = at.iw + kw * p->window.dilation_w;
            if (at.inside || (ih >= 0 && ih < s.h && iw >= 0 && iw < s.w))
                memcpy(to, sums_from(sums, x, (ih * s.w + iw) * s.c), size * (size_t)(run * k.c));
            else
                sums_fill(sums, to, p->codes.x_zero, k.c);
        }
    return room;
}

/* All channels of one output pixel; y at it. */
SUMS_INLINE void pixel(struct sums sums, struct image s, struct image k, struct place at, const void *x, void *y)
{
    const struct magik_step *n = sums.n;
    const struct conv_params *p = n->params;
    const int32_t *border = p->codes.has_border ? n->in[3]->data : NULL;
    const int32_t *m = n->in[n->n_in - 2]->data, *shift = n->in[n->n_in - 1]->data;
    const int32_t per_group = k.n / p->codes.groups, count = k.h * k.w;
    struct weights w = weights_in(n->in[1]);
    uint16_t room[GATHERED];
    for (int32_t first = 0; first < k.n; first += per_group, x = sums_from(sums, x, k.c)) {
        const void *window = gather(sums, s, k, at, x, room);
        for (int32_t c = first; c < first + per_group; c++, w = weights_from(w, count * k.c)) {
            const int64_t acc = window != NULL ? sums_dot(sums, w, window, 0, count * k.c)
                                               : taps(sums, s, k, at, x, w, border != NULL ? border + c * count : NULL);
            const int64_t v = sums_rescale(sums, sums_bias(sums, c) + acc, m[c], shift[c]) + p->codes.y_zero;
            fx_put(y, c, sums.is_wide, v, p->codes.low, p->codes.high);
        }
    }
}

/* Body of the kernels on codes. */
SUMS_INLINE void convolve(struct sums sums)
{
    const struct magik_step *n = sums.n;
    const struct conv_params *p = n->params;
    const struct image s = image_of(n->in[0]), k = image_of(n->in[1]), o = image_of(n->out[0]);
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const void *x = sums_from(sums, n->in[0]->data, row / o.h * (s.h * s.w * s.c));
        for (int32_t ow = 0; ow < o.w; ow++)
            pixel(sums, s, k, place_of(&p->window, s, k, row % o.h, ow), x, sums_to(sums, (row * o.w + ow) * o.c));
    }
}

void magik_conv_u8(const struct magik_step *n)
{
    convolve((struct sums){n, 0, 0});
}

void magik_conv_u16(const struct magik_step *n)
{
    convolve(sums_of(n));
}

void magik_conv_u8_s16(const struct magik_step *n)
{
    magik_conv_u8(n);
}

void magik_conv_u8_twice(const struct magik_step *n)
{
    magik_conv_u8(n);
}

/* The sum runs from the bias over kh, kw, i, each product and sum rounded to f32. */
static float taps_f32(const struct conv_params *p, struct image s, struct image k, struct place at, const float *x, const float *w, float acc)
{
    for (int32_t kh = 0; kh < k.h; kh++)
        for (int32_t kw = 0; kw < k.w; kw++, w += k.c) {
            const int32_t ih = at.ih + kh * p->window.dilation_h, iw = at.iw + kw * p->window.dilation_w;
            if (!at.inside && (ih < 0 || ih >= s.h || iw < 0 || iw >= s.w))
                continue;
            const float *v = x + (ih * s.w + iw) * s.c;
            for (int32_t i = 0; i < k.c; i++)
                acc += v[i] * w[i];
        }
    return acc;
}

void magik_conv_f32(const struct magik_step *n)
{
    const struct conv_params *p = n->params;
    const struct image s = image_of(n->in[0]), k = image_of(n->in[1]), o = image_of(n->out[0]);
    const float *bias = n->in[2]->data;
    const int32_t per_group = k.n / p->codes.groups;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const float *x = (const float *)n->in[0]->data + row / o.h * (s.h * s.w * s.c);
        float *y = (float *)n->out[0]->data + row * (o.w * o.c);
        for (int32_t ow = 0; ow < o.w; ow++) {
            const struct place at = place_of(&p->window, s, k, row % o.h, ow);
            for (int32_t c = 0; c < k.n; c++) {
                const float *w = (const float *)n->in[1]->data + c * (k.h * k.w * k.c);
                const float acc = taps_f32(p, s, k, at, x + c / per_group * k.c, w, bias[c] + 0.0f);
                *y++ = fx_clip(acc, p->codes.real_low, p->codes.real_high);
            }
        }
    }
}
