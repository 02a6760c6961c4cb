/* Softmax along one axis. */
#include "fixed.h"
#include "fmath.h"
#include "lines.h"

struct params {
    int32_t axis;       /* [0, rank) */
    int32_t y_zero;     /* [0, 255], on u16 [0, 65535] */
    int32_t multiplier; /* 2^-30 / s_y */
    int32_t shift;      /* [1, 62] */
    int32_t top;        /* as y_zero */
};

/* 256 exponentials, or on u16 those of the lower and of the upper byte. The largest element's exponential is 1, so that a sum
 * is never below 2^30. */
static int32_t is_table(const struct magik_step *n, const struct magik_tensor *t)
{
    const int32_t count = n->dtype == MAGIK_U16 ? 512 : 256, one = 1 << 30;
    if (!op_table(t, count, 0, one))
        return 0;
    const int32_t *powers = t->data;
    return powers[0] == one && powers[count - 256] == one;
}

int32_t magik_softmax_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    const int32_t has_table = n->dtype != MAGIK_F32;
    if (!op_has(n, 1 + has_table, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (x->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->axis, 0, x->rank - 1) || !op_between(p->shift, 1, FX_MAX_SHIFT) ||
        !op_between(p->y_zero, 0, op_top(n)) || !op_between(p->top, 0, op_top(n)) || (has_table && !is_table(n, n->in[1])))
        return MAGIK_BAD_PARAMS;
    op_like(y, x);
    return MAGIK_OK;
}

/* The exponential of one code; the index stays in the table even where a hostile plan lets y overwrite x. */
static inline int32_t power(const int32_t *table, int32_t most, uint8_t code)
{
    return table[(uint8_t)(most - code)];
}

static int32_t largest(const uint8_t *x, int32_t size, int32_t step)
{
    int32_t most = 0;
    for (int32_t i = 0; i < size; i++)
        most = x[i * step] > most ? x[i * step] : most;
    return most;
}

static void line_u8(const struct params *p, const uint8_t *x, uint8_t *y, int32_t size, int32_t step, const int32_t *table)
{
    const int32_t most = largest(x, size, step);
    int64_t total = 0;
    for (int32_t i = 0; i < size; i++)
        total += power(table, most, x[i * step]);
    const struct fx_reciprocal by = fx_reciprocal(total);
    const int32_t shift = p->shift + by.k > FX_MAX_SHIFT ? FX_MAX_SHIFT : p->shift + by.k;
    for (int32_t i = 0; i < size; i++) {
        const int32_t share = (int32_t)fx_rescale(power(table, most, x[i * step]), by.m, 31);
        y[i * step] = fx_u8(fx_rescale(share, p->multiplier, shift) + p->y_zero, 0, p->top);
    }
}

/* Lines of two: the codes follow from the difference alone, so those of each are made once. */
static void pairs_u8(const struct params *p, const uint8_t *x, uint8_t *y, int32_t count, const int32_t *table)
{
    uint8_t is_known[256] = {0}, codes[256][2];
    for (int32_t i = 0; i < count; i++, x += 2, y += 2) {
        const int32_t first_is_most = x[0] > x[1];
        const uint8_t d = (uint8_t)(first_is_most ? x[0] - x[1] : x[1] - x[0]);
        if (!is_known[d]) {
            const uint8_t pair[2] = {d, 0};
            line_u8(p, pair, codes[d], 2, 1, table);
            is_known[d] = 1;
        }
        y[0] = codes[d][!first_is_most];
        y[1] = codes[d][first_is_most];
    }
}

void magik_softmax_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct lines l = lines_of(n->in[0], p->axis);
    const uint8_t *x = n->in[0]->data;
    uint8_t *y = n->out[0]->data;
    int32_t r, end;
    op_span(n, l.outer * l.inner, &r, &end);
    if (l.size == 2 && l.inner == 1) {
        pairs_u8(p, x + 2 * r, y + 2 * r, end - r, n->in[1]->data);
        return;
    }
    for (; r < end; r++) {
        const int32_t at = line_start(&l, r);
        line_u8(p, x + at, y + at, l.size, l.inner, n->in[1]->data);
    }
}

static inline int64_t power_u16(const int32_t *table, int32_t most, uint16_t code)
{
    const uint16_t d = (uint16_t)(most - code);
    return fx_shift((int64_t)table[256 + (d >> 8)] * table[d & 255], 30);
}

static void line_u16(const struct magik_step *n, int32_t at, int32_t size, int32_t step)
{
    const struct params *p = n->params;
    const uint16_t *x = (const uint16_t *)n->in[0]->data + at;
    uint16_t *y = (uint16_t *)n->out[0]->data + at;
    const int32_t *table = n->in[1]->data;
    int32_t most = 0;
    for (int32_t i = 0; i < size; i++)
        most = x[i * step] > most ? x[i * step] : most;
    int64_t total = 0;
    for (int32_t i = 0; i < size; i++)
        total += power_u16(table, most, x[i * step]);
    const struct fx_reciprocal by = fx_reciprocal(total);
    const int32_t shift = p->shift + by.k > FX_MAX_SHIFT ? FX_MAX_SHIFT : p->shift + by.k;
    for (int32_t i = 0; i < size; i++) {
        const int32_t share = (int32_t)fx_rescale((int32_t)power_u16(table, most, x[i * step]), by.m, 31);
        y[i * step] = (uint16_t)fx_clamp(fx_rescale(share, p->multiplier, shift) + p->y_zero, 0, p->top);
    }
}

void magik_softmax_u16(const struct magik_step *n)
{
    lines_each(n, ((const struct params *)n->params)->axis, line_u16);
}

static void line_f32(const struct magik_step *n, int32_t at, int32_t size, int32_t step)
{
    const float *x = (const float *)n->in[0]->data + at;
    float *y = (float *)n->out[0]->data + at;
    const float most = fm_largest(x, size, step);
    float total = 0.0f;
    for (int32_t i = 0; i < size; i++) {
        y[i * step] = fm_exp(x[i * step] - most);
        total += y[i * step];
    }
    for (int32_t i = 0; i < size; i++)
        y[i * step] /= total;
}

void magik_softmax_f32(const struct magik_step *n)
{
    lines_each(n, ((const struct params *)n->params)->axis, line_f32);
}
