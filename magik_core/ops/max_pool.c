/* MaxPool. Kernels run along the channels of one output after another. */
#include "fmath.h"
#include "pool.h"

struct params {
    struct pool pool;
};

int32_t magik_max_pool_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    return n->in[0]->dtype == n->dtype ? pool_shape(&p->pool, n->in[0], y) : MAGIK_BAD_SHAPE;
}

static void larger_u8(const uint8_t *x, uint8_t *y, int32_t count)
{
    for (int32_t c = 0; c < count; c++)
        y[c] = x[c] > y[c] ? x[c] : y[c];
}

static void larger_u16(const uint16_t *x, uint16_t *y, int32_t count)
{
    for (int32_t c = 0; c < count; c++)
        y[c] = x[c] > y[c] ? x[c] : y[c];
}

static void larger_f32(const float *x, float *y, int32_t count)
{
    for (int32_t c = 0; c < count; c++)
        y[c] = x[c] > y[c] ? x[c] : y[c];
}

/* Body of a kernel: from LOWEST, the larger of y and each element of its window. */
#define MAX_POOL(n, TYPE, LOWEST, LARGER)                                                                                   \
    do {                                                                                                                    \
        const struct pool *p = (n)->params;                                                                                 \
        const struct window *q = &p->window;                                                                                \
        const struct image s = image_of((n)->in[0]), o = image_of((n)->out[0]);                                             \
        int32_t row, end;                                                                                                   \
        op_span((n), o.n * o.h, &row, &end);                                                                                \
        for (; row < end; row++) {                                                                                          \
            const TYPE *x = (const TYPE *)(n)->in[0]->data + row / o.h * (s.h * s.w * s.c);                                 \
            TYPE *y = (TYPE *)(n)->out[0]->data + row * (o.w * o.c);                                                        \
            const struct span v = pool_span(row % o.h * q->stride_h - q->top, s.h, p->kernel_h, q->dilation_h);             \
            for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {                                                                \
                const struct span u = pool_span(ow * q->stride_w - q->left, s.w, p->kernel_w, q->dilation_w);               \
                for (int32_t c = 0; c < o.c; c++)                                                                           \
                    y[c] = LOWEST;                                                                                          \
                for (int32_t kh = v.begin; kh < v.end; kh++)                                                                \
                    for (int32_t kw = u.begin; kw < u.end; kw++)                                                            \
                        LARGER(x + ((v.start + kh * q->dilation_h) * s.w + u.start + kw * q->dilation_w) * s.c, y, s.c);    \
            }                                                                                                               \
        }                                                                                                                   \
    } while (0)

void magik_max_pool_u8(const struct magik_step *n)
{
    MAX_POOL(n, uint8_t, 0, larger_u8);
}

void magik_max_pool_u16(const struct magik_step *n)
{
    MAX_POOL(n, uint16_t, 0, larger_u16);
}

void magik_max_pool_f32(const struct magik_step *n)
{
    MAX_POOL(n, float, fm_from_bits(0xff800000u), larger_f32);
}
