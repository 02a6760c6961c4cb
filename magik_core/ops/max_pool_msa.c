/* MaxPool with MSA, 16 channels at a time. */
#include "pool.h"
#include "requant_msa.h"

struct params {
    struct pool pool;
};

/* Largest of channels [0, count) of the taps in v and u; x at channel 0 of the tap (0, 0), which may lie outside. */
static inline v16u8 largest(const uint8_t *x, struct span v, struct span u, int32_t down, int32_t along, int32_t count)
{
    v16u8 most = (v16u8)__msa_ldi_b(0);
    const uint8_t *row = x + v.begin * down + u.begin * along;
    for (int32_t kh = v.begin; kh < v.end; kh++, row += down) {
        const uint8_t *at = row;
        for (int32_t kw = u.begin; kw < u.end; kw++, at += along)
            most = __msa_max_u_b(most, (v16u8)load_msa(at, count));
    }
    return most;
}

/* One output pixel. The last channels are done together with some before them, where there are 16. */
static inline void pixel(const uint8_t *x, uint8_t *y, int32_t channels, struct span v, struct span u, int32_t down, int32_t along)
{
    if (channels < 16) {
        store_msa((v16i8)largest(x, v, u, down, along, channels), y, channels);
        return;
    }
    for (int32_t c = 0; c < channels; c += 16) {
        const int32_t at = c + 16 <= channels ? c : channels - 16;
        store_msa((v16i8)largest(x + at, v, u, down, along, 16), y + at, 16);
    }
}

void magik_max_pool_u8_msa(const struct magik_step *n)
{
    const struct pool *p = &((const struct params *)n->params)->pool;
    const struct window *q = &p->window;
    const struct image s = image_of(n->in[0]), o = image_of(n->out[0]);
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct span v = pool_span(row % o.h * q->stride_h - q->top, s.h, p->kernel_h, q->dilation_h);
        const uint8_t *x = (const uint8_t *)n->in[0]->data + row / o.h * (s.h * s.w * s.c) + v.start * s.w * s.c;
        uint8_t *y = (uint8_t *)n->out[0]->data + row * (o.w * o.c);
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            const struct span u = pool_span(ow * q->stride_w - q->left, s.w, p->kernel_w, q->dilation_w);
            pixel(x + u.start * s.c, y, o.c, v, u, q->dilation_h * s.w * s.c, q->dilation_w * s.c);
        }
    }
}
