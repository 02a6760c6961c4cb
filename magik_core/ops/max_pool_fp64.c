/* MaxPool for a MIPS without SIMD: the largest of some channels stay in registers over the whole window. */
#include "pool.h"

enum { CHANNELS = 8 };

#define TAKE(i) v##i = x[i] > v##i ? x[i] : v##i

/* Channels [0, CHANNELS) of a window whose first tap inside is at x. */
static inline void largest(const uint8_t *x, int32_t rows, int32_t columns, int32_t down, int32_t along, uint8_t *y)
{
    int32_t v0 = 0, v1 = 0, v2 = 0, v3 = 0, v4 = 0, v5 = 0, v6 = 0, v7 = 0;
    for (; rows > 0; rows--, x += down - columns * along)
        for (int32_t i = 0; i < columns; i++, x += along) {
            TAKE(0);
            TAKE(1);
            TAKE(2);
            TAKE(3);
            TAKE(4);
            TAKE(5);
            TAKE(6);
            TAKE(7);
        }
    y[0] = (uint8_t)v0;
    y[1] = (uint8_t)v1;
    y[2] = (uint8_t)v2;
    y[3] = (uint8_t)v3;
    y[4] = (uint8_t)v4;
    y[5] = (uint8_t)v5;
    y[6] = (uint8_t)v6;
    y[7] = (uint8_t)v7;
}

void magik_max_pool_u8_fp64(const struct magik_step *n)
{
    const struct pool *p = n->params;
    const struct window *q = &p->window;
    const struct image s = image_of(n->in[0]), o = image_of(n->out[0]);
    const int32_t down = q->dilation_h * s.w * s.c, along = q->dilation_w * s.c;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct span v = pool_span(row % o.h * q->stride_h - q->top, s.h, p->kernel_h, q->dilation_h);
        uint8_t *y = (uint8_t *)n->out[0]->data + row * (o.w * o.c);
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            const struct span u = pool_span(ow * q->stride_w - q->left, s.w, p->kernel_w, q->dilation_w);
            const int32_t first = (v.start + v.begin * q->dilation_h) * s.w + u.start + u.begin * q->dilation_w;
            const uint8_t *x = (const uint8_t *)n->in[0]->data + row / o.h * (s.h * s.w * s.c) + first * s.c;
            int32_t c = 0;
            for (; c + CHANNELS <= o.c; c += CHANNELS)
                largest(x + c, span_count(v), span_count(u), down, along, y + c);
            for (; c < o.c; c++) {
                uint8_t most = 0;
                for (int32_t kh = 0; kh < span_count(v); kh++)
                    for (int32_t kw = 0; kw < span_count(u); kw++)
                        most = x[kh * down + kw * along + c] > most ? x[kh * down + kw * along + c] : most;
                y[c] = most;
            }
        }
    }
}
