/* LayerNormalization, InstanceNormalization and GroupNormalization. */
#include "fixed.h"
#include "fmath.h"
#include "op.h"

struct params {
    int32_t first, last;        /* [0, rank]; axes in front and at the end */
    int32_t groups;             /* [1, size of the last axes] */
    float epsilon;
    int32_t epsilon_multiplier; /* [0, 2^epsilon_bits]; epsilon / s_x^2 */
    int32_t epsilon_shift;      /* [1, 62] */
    int32_t y_zero, top;        /* [0, 255], on u16 [0, 65535] */
    int32_t bits;               /* of x's codes: [0, 8], on u16 [0, 16] */
};

#define FRACTION 20

/* fraction bits of a bias */
static inline int32_t bias_bits(int is_wide)
{
    return is_wide ? 12 : 16;
}

/* A mean is over at most 2^this codes: n Q < 2^60, and n^2 times a variance at most 2^58. */
static inline int32_t count_bits(int32_t bits)
{
    return bits > 10 ? 30 - bits : 20;
}

/* n^2 times a multiplier of these fits 60 bits. */
static inline int32_t epsilon_bits(int32_t bits)
{
    const int32_t most = 60 - 2 * count_bits(bits);
    return most > 31 ? 31 : most;
}

/* x as (outer, between, groups, size); a mean is over between and size. */
struct parts {
    int32_t outer, between, groups, size;
};

static struct parts parts_of(const struct params *p, const struct magik_tensor *x)
{
    const int32_t end = x->rank - p->last;
    return (struct parts){op_product(x, 0, p->first), op_product(x, p->first, end), p->groups, op_product(x, end, x->rank) / p->groups};
}

static int are_params(const struct magik_step *n, int32_t rank)
{
    const struct params *p = n->params;
    const int32_t top = op_top(n);
    if (!op_between(p->first, 0, rank) || !op_between(p->last, 0, rank - p->first) ||
        !op_between(p->y_zero, 0, top) || !op_between(p->top, 0, top) || !op_between(p->bits, 0, top > UINT8_MAX ? 16 : 8))
        return 0;
    return p->epsilon_multiplier >= 0 && p->epsilon_multiplier <= (int64_t)1 << epsilon_bits(p->bits) &&
           op_between(p->epsilon_shift, 1, FX_MAX_SHIFT);
}

static int is_table(const struct magik_tensor *t, int32_t count)
{
    if (t->dtype != MAGIK_S32 || !t->is_constant || t->count != 3 * (int64_t)count)
        return 0;
    for (int32_t i = 0; i < count; i++)
        if (!op_between(((const int32_t *)t->data)[3 * i + 1], 1, FX_MAX_SHIFT))
            return 0;
    return 1;
}

int32_t magik_normalization_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    const int32_t has_table = n->dtype != MAGIK_F32;
    if (!op_has(n, 3 + has_table, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (x->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    if (!are_params(n, x->rank))
        return MAGIK_BAD_PARAMS;
    const int32_t count = op_product(x, x->rank - p->last, x->rank);
    if (p->groups < 1 || count % p->groups != 0)
        return MAGIK_BAD_PARAMS;
    for (int32_t i = 1; i < 3; i++)
        if (n->in[i]->dtype != MAGIK_F32 || n->in[i]->count != count)
            return MAGIK_BAD_SHAPE;
    const struct parts s = parts_of(p, x);
    if (has_table && (!is_table(n->in[3], count) || (int64_t)s.between * s.size > 1 << count_bits(p->bits)))
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    return MAGIK_OK;
}

/* A code of x; on u16 a hostile file may have some above their bits. */
static inline int32_t code_of(const struct params *p, const void *x, int32_t at, int is_wide)
{
    const int32_t q = fx_code(x, at, is_wide), most = (1 << p->bits) - 1;
    return is_wide && q > most ? most : q;
}

/* One part: `between` runs of `size` codes from `at` on, `step` apart; `table` is that of its first. */
static inline void part(const struct magik_step *n, const struct parts *s, int32_t at, int32_t step, const int32_t *table, int is_wide)
{
    const struct params *p = n->params;
    const void *x = n->in[0]->data;
    void *y = n->out[0]->data;
    const int64_t count = (int64_t)s->between * s->size;
    int64_t total = 0, squares = 0;
    for (int32_t b = 0; b < s->between; b++)
        for (int32_t i = 0; i < s->size; i++) {
            const uint32_t q = (uint32_t)code_of(p, x, at + b * step + i, is_wide);
            total += q;
            squares += q * q; /* at most 65535^2 */
        }
    const int64_t spread = count * squares - total * total + fx_shift(count * count * p->epsilon_multiplier, p->epsilon_shift);
    const struct fx_root by = fx_inverse_root(spread < 1 ? 1 : spread);
    for (int32_t b = 0; b < s->between; b++)
        for (int32_t i = 0; i < s->size; i++) {
            const int32_t to = at + b * step + i, *row = table + 3 * i;
            const int64_t h = fx_shift((count * code_of(p, x, to, is_wide) - total) * by.m, 61 - FRACTION - by.k);
            const int64_t fine = fx_rescale((int32_t)fx_clamp(h, -(1 << 30), 1 << 30), row[0], row[1]) + row[2];
            fx_put(y, to, is_wide, fx_shift(fine, bias_bits(is_wide)) + p->y_zero, 0, p->top);
        }
}

static inline void normalize(const struct magik_step *n, int is_wide)
{
    const struct parts s = parts_of(n->params, n->in[0]);
    const int32_t step = s.groups * s.size;
    int32_t r, end;
    op_span(n, s.outer * s.groups, &r, &end);
    for (; r < end; r++) {
        const int32_t g = r % s.groups * s.size;
        part(n, &s, r / s.groups * (s.between * step) + g, step, (const int32_t *)n->in[3]->data + 3 * g, is_wide);
    }
}

void magik_normalization_u8(const struct magik_step *n)
{
    normalize(n, 0);
}

void magik_normalization_u16(const struct magik_step *n)
{
    normalize(n, 1);
}

/* Sums run in memory order. */
static void part_f32(const struct params *p, const struct parts *s, int32_t step, const float *x, float *y, const float *scale, const float *bias)
{
    const float n = (float)(s->between * s->size);
    float total = 0.0f, squares = 0.0f;
    for (int32_t b = 0; b < s->between; b++)
        for (int32_t i = 0; i < s->size; i++)
            total += x[b * step + i];
    const float mean = total / n;
    for (int32_t b = 0; b < s->between; b++)
        for (int32_t i = 0; i < s->size; i++) {
            const float d = x[b * step + i] - mean;
            squares += d * d;
        }
    const float by = 1.0f / fm_sqrt(squares / n + p->epsilon);
    for (int32_t b = 0; b < s->between; b++)
        for (int32_t i = 0; i < s->size; i++)
            y[b * step + i] = ((x[b * step + i] - mean) * by) * scale[i] + bias[i];
}

void magik_normalization_f32(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct parts s = parts_of(p, n->in[0]);
    const int32_t step = s.groups * s.size;
    int32_t r, end;
    op_span(n, s.outer * s.groups, &r, &end);
    for (; r < end; r++) {
        const int32_t g = r % s.groups * s.size, at = r / s.groups * (s.between * step) + g;
        part_f32(p, &s, step, (const float *)n->in[0]->data + at, (float *)n->out[0]->data + at, (const float *)n->in[1]->data + g, (const float *)n->in[2]->data + g);
    }
}
