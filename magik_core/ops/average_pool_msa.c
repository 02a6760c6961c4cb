/* AveragePool with MSA, 16 channels at a time. */
#include "pool.h"
#include "requant_msa.h"

struct params {
    struct pool pool;
    int32_t count_include_pad;
    int32_t x_zero, y_zero;
    int32_t top_code;
    int32_t multiplier, shift;
};

void magik_average_pool_u8(const struct magik_step *n);

enum { MOST_TAPS = 64 }; /* of up to 2^8 each: sums with FX_AVERAGE_BITS fraction bits fit 32 bits */

/* Taps of a window, and what its sums are divided by. */
struct taps {
    struct span v, u;
    int32_t down, along; /* bytes between taps */
    int32_t count;
};

struct how {
    int32_t zero;
    v4i32 m, shift; /* shift less 31 */
    struct codes_msa codes;
};

/* Sums of 16 channels in 16 bits: at most 64 * 255 */
static inline void sum(const uint8_t *x, const struct taps *t, int32_t channels, v8i16 *low, v8i16 *high)
{
    const v16i8 zero = __msa_ldi_b(0);
    const uint8_t *row = x + t->v.begin * t->down + t->u.begin * t->along;
    *low = *high = (v8i16)zero;
    for (int32_t kh = t->v.begin; kh < t->v.end; kh++, row += t->down) {
        const uint8_t *at = row;
        for (int32_t kw = t->u.begin; kw < t->u.end; kw++, at += t->along) {
            const v16i8 v = load_msa(at, channels);
            *low = __msa_addv_h(*low, (v8i16)__msa_ilvr_b(zero, v));
            *high = __msa_addv_h(*high, (v8i16)__msa_ilvl_b(zero, v));
        }
    }
}

/* As fx_average and fx_rescale: the quotient is cut off at 0, so one less where a rest is negative. */
static inline v4i32 mean(const struct how *h, const struct taps *t, v4i32 total)
{
    const v4i32 count = __msa_fill_w(t->count), less = __msa_fill_w(span_count(t->v) * span_count(t->u) * h->zero);
    const v4i32 v = __msa_addv_w(__msa_slli_w(__msa_subv_w(total, less), FX_AVERAGE_BITS), __msa_fill_w(t->count >> 1));
    const v4i32 q = __msa_addv_w(__msa_div_s_w(v, count), __msa_clti_s_w(__msa_mod_s_w(v, count), 0));
    return rescale_quick_msa(q, h->m, h->shift);
}

static inline v16i8 pooled(const struct how *h, const uint8_t *x, const struct taps *t, int32_t channels)
{
    const v8i16 none = __msa_ldi_h(0);
    v8i16 low, high;
    sum(x, t, channels, &low, &high);
    return pack_msa(mean(h, t, (v4i32)__msa_ilvr_h(none, low)), mean(h, t, (v4i32)__msa_ilvl_h(none, low)),
                    mean(h, t, (v4i32)__msa_ilvr_h(none, high)), mean(h, t, (v4i32)__msa_ilvl_h(none, high)), &h->codes);
}

/* One output pixel. The last channels are done together with some before them, where there are 16. */
static void pixel(const struct how *h, const uint8_t *x, uint8_t *y, int32_t channels, const struct taps *t)
{
    if (channels < 16) {
        store_msa(pooled(h, x, t, channels), y, channels);
        return;
    }
    for (int32_t c = 0; c < channels; c += 16) {
        const int32_t at = c + 16 <= channels ? c : channels - 16;
        store_msa(pooled(h, x + at, t, 16), y + at, 16);
    }
}

/* Taps along one axis that lie inside x or its padding; `after` is what follows x. */
static int32_t padded(struct span s, int32_t size, int32_t kernel, int32_t dilation, int32_t after)
{
    return pool_span(s.start, size + after, kernel, dilation).end;
}

static int32_t count_of(const struct params *p, struct image s, struct span v, struct span u)
{
    const struct pool *q = &p->pool;
    int32_t count = span_count(v) * span_count(u);
    if (p->count_include_pad)
        count = padded(v, s.h, q->kernel_h, q->window.dilation_h, q->window.bottom) * padded(u, s.w, q->kernel_w, q->window.dilation_w, q->window.right);
    return count < 1 ? 1 : count;
}

void magik_average_pool_u8_msa(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct pool *q = &p->pool;
    const struct window *z = &q->window;
    const struct image s = image_of(n->in[0]), o = image_of(n->out[0]);
    if (q->kernel_h > MOST_TAPS || q->kernel_w > MOST_TAPS || q->kernel_h * q->kernel_w > MOST_TAPS ||
        !is_quick_msa(p->multiplier, p->shift, 256 << FX_AVERAGE_BITS)) {
        magik_average_pool_u8(n);
        return;
    }
    const struct how h = {p->x_zero, __msa_fill_w(p->multiplier), __msa_fill_w(p->shift - 31), codes_msa(p->y_zero, 0, p->top_code)};
    struct taps t = {.down = z->dilation_h * s.w * s.c, .along = z->dilation_w * s.c};
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        t.v = pool_span(row % o.h * z->stride_h - z->top, s.h, q->kernel_h, z->dilation_h);
        const uint8_t *x = (const uint8_t *)n->in[0]->data + row / o.h * (s.h * s.w * s.c) + t.v.start * s.w * s.c;
        uint8_t *y = (uint8_t *)n->out[0]->data + row * (o.w * o.c);
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            t.u = pool_span(ow * z->stride_w - z->left, s.w, q->kernel_w, z->dilation_w);
            t.count = count_of(p, s, t.v, t.u);
            pixel(&h, x + t.u.start * s.c, y, o.c, &t);
        }
    }
}
