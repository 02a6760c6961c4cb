/* Gemm: rows times a constant matrix. */
#include "gemm.h"

enum { LANES = 4 }; /* f32 outputs whose sums run side by side */

/* Inputs: x, w, bias, and with codes multipliers and shifts. */
int32_t magik_gemm_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct gemm_params *p = n->params;
    const int is_real = n->dtype == MAGIK_F32;
    if (!op_has(n, is_real ? 3 : 5, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    if (!weights_fit(n) || x->rank < 1 || w->rank != 2 || b->rank != 1 || w->dims[1] != x->dims[x->rank - 1] || b->count != w->dims[0])
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    y->dims[x->rank - 1] = w->dims[0];
    if (is_real)
        return MAGIK_OK;
    if (!op_between(p->y_zero, 0, op_top(n)) || !op_between(p->low, 0, op_top(n)) || !op_between(p->high, 0, op_top(n)))
        return MAGIK_BAD_PARAMS;
    return op_table(n->in[3], b->count, INT32_MIN, INT32_MAX) && op_table(n->in[4], b->count, 1, FX_MAX_SHIFT) ? MAGIK_OK : MAGIK_BAD_PARAMS;
}

/* Body of the kernels on codes. */
SUMS_INLINE void gemm(struct sums sums)
{
    const struct magik_step *n = sums.n;
    const struct gemm_params *p = n->params;
    const int32_t depth = n->in[1]->dims[1], columns = n->in[1]->dims[0];
    const struct weights w = weights_in(n->in[1]);
    const int32_t *m = n->in[3]->data, *shift = n->in[4]->data;
    void *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    const void *x = sums_from(sums, n->in[0]->data, i / columns * depth);
    for (int32_t o = i % columns; i < end; i++, o++) {
        if (o == columns) {
            o = 0;
            x = sums_from(sums, x, depth);
        }
        const int64_t acc = sums_bias(sums, o) + sums_dot(sums, weights_from(w, o * depth), x, 0, depth);
        fx_put(y, i, sums.is_wide, sums_rescale(sums, acc, m[o], shift[o]) + p->y_zero, p->low, p->high);
    }
}

void magik_gemm_u8(const struct magik_step *n)
{
    gemm((struct sums){n, 0, 0});
}

void magik_gemm_u16(const struct magik_step *n)
{
    gemm(sums_of(n));
}

void magik_gemm_u8_s16(const struct magik_step *n)
{
    magik_gemm_u8(n);
}

void magik_gemm_u8_twice(const struct magik_step *n)
{
    magik_gemm_u8(n);
}

/* Sums of `count` outputs, each from its bias over k, each product and sum rounded to f32. */
static void sums_f32(const float *x, const float *w, int32_t depth, const float *bias, int32_t count, float *acc)
{
    for (int32_t j = 0; j < count; j++)
        acc[j] = bias[j] + 0.0f;
    if (count == LANES) {
        for (int32_t k = 0; k < depth; k++)
            for (int32_t j = 0; j < LANES; j++)
                acc[j] += x[k] * w[j * depth + k];
        return;
    }
    for (int32_t j = 0; j < count; j++)
        for (int32_t k = 0; k < depth; k++)
            acc[j] += x[k] * w[j * depth + k];
}

void magik_gemm_f32(const struct magik_step *n)
{
    const struct gemm_params *p = n->params;
    const int32_t depth = n->in[1]->dims[1], columns = n->in[1]->dims[0];
    const float *w = n->in[1]->data, *bias = n->in[2]->data;
    float *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    while (i < end) {
        const float *x = (const float *)n->in[0]->data + i / columns * depth;
        const int32_t o = i % columns, left = columns - o < end - i ? columns - o : end - i;
        const int32_t count = left < LANES ? left : LANES;
        float acc[LANES];
        sums_f32(x, w + o * depth, depth, bias + o, count, acc);
        for (int32_t j = 0; j < count; j++)
            y[i + j] = fx_clip(acc[j], p->real_low, p->real_high);
        i += count;
    }
}
