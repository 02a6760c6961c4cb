/* ConvTranspose: each output gathers what a convolution would have taken it to. */
#include "conv.h"

struct params {
    struct window window; /* its padding is cut off */
    struct conv_codes codes;
    int32_t more_h, more_w; /* added at the end, [0, 1024] */
};

enum { MAX_KERNEL = 256 }; /* taps per axis */

/* Size of y along an axis, 0 when nothing is left. */
static int32_t size_of(int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t before, int32_t after, int32_t more)
{
    const int64_t out = (int64_t)(size - 1) * stride + (int64_t)(kernel - 1) * dilation + 1 - before - after + more;
    return op_between(more, 0, 1024) && out >= 1 && out <= INT32_MAX / 4 ? (int32_t)out : 0;
}

int32_t magik_conv_transpose_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (n->n_in < 3 || n->params_bytes != sizeof *p)
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *w = n->in[1];
    if ((x->rank != 3 && x->rank != 4) || w->rank != x->rank)
        return MAGIK_BAD_SHAPE;
    const struct image s = image_of(x), k = image_of(w);
    if (k.h > MAX_KERNEL || k.w > MAX_KERNEL || p->codes.groups < 1 || k.n % p->codes.groups != 0 || (int64_t)k.c * p->codes.groups != s.c)
        return MAGIK_BAD_SHAPE;
    if (p->codes.has_border != 0)
        return MAGIK_BAD_PARAMS;
    const int32_t status = magik_conv_check(n, &p->window, &p->codes, k.n, k.h * k.w);
    if (status != MAGIK_OK)
        return status;
    const struct window *q = &p->window;
    const int32_t oh = size_of(s.h, k.h, q->stride_h, q->dilation_h, q->top, q->bottom, p->more_h);
    const int32_t ow = size_of(s.w, k.w, q->stride_w, q->dilation_w, q->left, q->right, p->more_w);
    if (oh < 1 || ow < 1 || (x->rank == 3 && oh != 1))
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    if (x->rank == 4)
        y->dims[1] = oh;
    y->dims[x->rank - 2] = ow;
    y->dims[x->rank - 1] = k.n;
    return MAGIK_OK;
}

/* Taps along one axis that bring something to an output, and where in x they find it. */
struct taps {
    int32_t count, tap[MAX_KERNEL], at[MAX_KERNEL];
};

/* `o` is the output's place before the cut. */
static void find_taps(struct taps *t, int32_t o, int32_t size, int32_t kernel, int32_t stride, int32_t dilation)
{
    t->count = 0;
    for (int32_t k = 0; k < kernel; k++) {
        const int32_t v = o - k * dilation;
        if (v < 0)
            return;
        if (v % stride != 0 || v / stride >= size)
            continue;
        t->tap[t->count] = k;
        t->at[t->count++] = v / stride;
    }
}

/* The sum runs over i, each product and sum rounded to f32. */
static float dot_f32(const float *x, const float *w, int32_t count, float acc)
{
    for (int32_t i = 0; i < count; i++)
        acc += x[i] * w[i];
    return acc;
}

/* Where an output finds its inputs: x at the image, w at the first output channel. */
struct place {
    const struct taps *h, *w;
    struct image s, k;
    int32_t zero;
};

/* First element of x and of w for tap (i, j). */
static int32_t x_at(const struct place *at, int32_t i, int32_t j)
{
    return (at->h->at[i] * at->s.w + at->w->at[j]) * at->s.c;
}

static int32_t w_at(const struct place *at, int32_t i, int32_t j)
{
    return (at->h->tap[i] * at->k.w + at->w->tap[j]) * at->k.c;
}

SUMS_INLINE int64_t gather(struct sums s, const struct place *at, const void *x, struct weights w)
{
    int64_t acc = 0;
    for (int32_t i = 0; i < at->h->count; i++)
        for (int32_t j = 0; j < at->w->count; j++)
            acc += sums_dot(s, weights_from(w, w_at(at, i, j)), sums_from(s, x, x_at(at, i, j)), at->zero, at->k.c);
    return acc;
}

static float gather_f32(const struct place *at, const float *x, const float *w, float acc)
{
    for (int32_t i = 0; i < at->h->count; i++)
        for (int32_t j = 0; j < at->w->count; j++)
            acc = dot_f32(x + x_at(at, i, j), w + w_at(at, i, j), at->k.c, acc);
    return acc;
}

/* Body of the kernels on codes. */
SUMS_INLINE void spread(struct sums sums)
{
    const struct magik_step *n = sums.n;
    const struct params *p = n->params;
    const struct window *q = &p->window;
    const struct conv_codes *c = &p->codes;
    const struct image s = image_of(n->in[0]), k = image_of(n->in[1]), o = image_of(n->out[0]);
    const int32_t *m = n->in[3]->data, *shift = n->in[4]->data;
    const struct weights codes = weights_in(n->in[1]);
    const int32_t per_group = k.n / c->groups;
    struct taps h, w;
    const struct place at = {&h, &w, s, k, c->x_zero};
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        void *y = sums_to(sums, row * (o.w * o.c));
        const void *x = sums_from(sums, n->in[0]->data, row / o.h * (s.h * s.w * s.c));
        find_taps(&h, row % o.h + q->top, s.h, k.h, q->stride_h, q->dilation_h);
        for (int32_t ow = 0; ow < o.w; ow++) {
            find_taps(&w, ow + q->left, s.w, k.w, q->stride_w, q->dilation_w);
            for (int32_t i = 0; i < o.c; i++) {
                const struct weights from = weights_from(codes, i * (k.h * k.w * k.c));
                const int64_t acc = sums_bias(sums, i) + gather(sums, &at, sums_from(sums, x, i / per_group * k.c), from);
                fx_put(y, ow * o.c + i, sums.is_wide, sums_rescale(sums, acc, m[i], shift[i]) + c->y_zero, c->low, c->high);
            }
        }
    }
}

void magik_conv_transpose_u8(const struct magik_step *n)
{
    spread((struct sums){n, 0, 0});
}

void magik_conv_transpose_u16(const struct magik_step *n)
{
    spread(sums_of(n));
}

void magik_conv_transpose_u8_s16(const struct magik_step *n)
{
    magik_conv_transpose_u8(n);
}

void magik_conv_transpose_u8_twice(const struct magik_step *n)
{
    magik_conv_transpose_u8(n);
}

void magik_conv_transpose_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct window *q = &p->window;
    const struct image s = image_of(n->in[0]), k = image_of(n->in[1]), o = image_of(n->out[0]);
    const float *bias = n->in[2]->data;
    const int32_t per_group = k.n / p->codes.groups;
    struct taps h, w;
    const struct place at = {&h, &w, s, k, 0};
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const float *x = (const float *)n->in[0]->data + row / o.h * (s.h * s.w * s.c);
        float *y = (float *)n->out[0]->data + row * (o.w * o.c);
        find_taps(&h, row % o.h + q->top, s.h, k.h, q->stride_h, q->dilation_h);
        for (int32_t ow = 0; ow < o.w; ow++) {
            find_taps(&w, ow + q->left, s.w, k.w, q->stride_w, q->dilation_w);
            for (int32_t i = 0; i < o.c; i++) {
                const float *from = (const float *)n->in[1]->data + i * (k.h * k.w * k.c);
                const float acc = gather_f32(&at, x + i / per_group * k.c, from, bias[i] + 0.0f);
                *y++ = fx_clip(acc, p->codes.real_low, p->codes.real_high);
            }
        }
    }
}
