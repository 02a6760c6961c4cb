/* AveragePool. Kernels run along the channels of one output after another. */
#include "average.h"

int32_t magik_average_pool_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct average_params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const int32_t top = op_top(n);
    if (!op_between(p->count_include_pad, 0, 1) || !op_between(p->x_zero, 0, top) || !op_between(p->y_zero, 0, top) ||
        !op_between(p->top_code, 0, top) || !op_between(p->shift, 1, FX_MAX_SHIFT))
        return MAGIK_BAD_PARAMS;
    return n->in[0]->dtype == n->dtype ? pool_shape(&p->pool, n->in[0], y) : MAGIK_BAD_SHAPE;
}

static void finish(const struct average_params *p, const int32_t *acc, int32_t count, int32_t taps, uint8_t *y)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t mean = (int32_t)fx_average(acc[i], taps);
        y[i] = fx_u8(fx_rescale(mean, p->multiplier, p->shift) + p->y_zero, 0, p->top_code);
    }
}

void magik_average_pool_u8(const struct magik_step *n)
{
    average_run(n, finish);
}

/* Codes of channels [c, c + count) of the window w; count at most AVERAGE_BLOCK. */
static void block_u16(const struct average_row *r, struct span w, const uint16_t *x, int32_t c, int32_t count, uint16_t *y)
{
    const struct average_params *p = r->p;
    const int64_t zeros = -(int64_t)(span_count(r->h) * span_count(w)) * p->x_zero;
    int64_t acc[AVERAGE_BLOCK];
    for (int32_t i = 0; i < count; i++)
        acc[i] = zeros;
    for (int32_t kh = r->h.begin; kh < r->h.end; kh++)
        for (int32_t kw = w.begin; kw < w.end; kw++) {
            const uint16_t *from = x + average_meets(r, w, kh, kw) + c;
            for (int32_t i = 0; i < count; i++)
                acc[i] += from[i];
        }
    const int32_t taps = average_count_of(r, w);
    for (int32_t i = 0; i < count; i++) {
        const int64_t mean = fx_average_wide(acc[i], taps);
        y[i] = (uint16_t)fx_clamp(fx_rescale_wide(mean, p->multiplier, p->shift) + p->y_zero, 0, p->top_code);
    }
}

void magik_average_pool_u16(const struct magik_step *n)
{
    const struct image o = image_of(n->out[0]);
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct average_row r = average_row_of(n, row);
        const uint16_t *x = (const uint16_t *)n->in[0]->data + r.in;
        uint16_t *y = (uint16_t *)n->out[0]->data + r.out;
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c)
            for (int32_t c = 0; c < o.c; c += AVERAGE_BLOCK)
                block_u16(&r, average_across(&r, ow), x, c, o.c - c < AVERAGE_BLOCK ? o.c - c : AVERAGE_BLOCK, y + c);
    }
}

void magik_average_pool_f32(const struct magik_step *n)
{
    const struct image o = image_of(n->out[0]);
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const struct average_row r = average_row_of(n, row);
        const float *x = (const float *)n->in[0]->data + r.in;
        float *y = (float *)n->out[0]->data + r.out;
        for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {
            const struct span w = average_across(&r, ow);
            memset(y, 0, sizeof(float) * (size_t)o.c);
            for (int32_t kh = r.h.begin; kh < r.h.end; kh++)
                for (int32_t kw = w.begin; kw < w.end; kw++) {
                    const float *from = x + average_meets(&r, w, kh, kw);
                    for (int32_t c = 0; c < o.c; c++)
                        y[c] += from[c];
                }
            for (int32_t c = 0; c < o.c; c++)
                y[c] /= (float)average_count_of(&r, w);
        }
    }
}
