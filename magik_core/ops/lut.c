/* Pointwise functions: a table of codes, or on u16 one of points with lines between them. */
#include "fixed.h"
#include "op.h"

struct params {    /* on u16 alone */
    int32_t bits;  /* of x's codes: [1, 16] */
    int32_t phase; /* points lie at codes 2^(bits - 12) * i - phase: [0, 2^(bits - 12)) */
    int32_t top;   /* [0, 65535] */
};

enum { POINT_BITS = 12, POINTS = (1 << POINT_BITS) + 2, FRACTION = 8 };

static int32_t check_u16(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct magik_tensor *table = n->in[1];
    if (!op_between(p->bits, 1, 16) || !op_between(p->top, 0, UINT16_MAX))
        return MAGIK_BAD_PARAMS;
    if (n->in[0]->dtype != MAGIK_U16 || table->rank != 1)
        return MAGIK_BAD_SHAPE;
    if (table->dtype == MAGIK_U16)
        return table->count == 1 << p->bits ? MAGIK_OK : MAGIK_BAD_SHAPE;
    if (p->bits <= POINT_BITS || !op_between(p->phase, 0, (1 << (p->bits - POINT_BITS)) - 1))
        return MAGIK_BAD_PARAMS;
    return table->dtype == MAGIK_S32 && table->count == POINTS ? MAGIK_OK : MAGIK_BAD_SHAPE;
}

int32_t magik_lut_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const int32_t is_wide = n->dtype == MAGIK_U16;
    if (!op_has(n, 2, 1, is_wide ? sizeof(struct params) : 0))
        return MAGIK_BAD_STEP;
    const int32_t status = is_wide ? check_u16(n) : MAGIK_OK;
    if (status != MAGIK_OK)
        return status;
    if (!is_wide && (n->in[0]->dtype != MAGIK_U8 || !op_is(n->in[1], MAGIK_U8, 1) || n->in[1]->count != 256))
        return MAGIK_BAD_SHAPE;
    op_like(y, n->in[0]);
    return MAGIK_OK;
}

void magik_lut_u8(const struct magik_step *n)
{
    const uint8_t *x = n->in[0]->data, *table = n->in[1]->data;
    uint8_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++)
        y[i] = table[x[i]];
}

/* The place of a code on the line between two points. */
static inline uint16_t on_line(const struct params *p, const int32_t *points, int32_t code)
{
    const int32_t apart = p->bits - POINT_BITS, at = code + p->phase, f = at & ((1 << apart) - 1);
    const int64_t left = points[at >> apart], right = points[(at >> apart) + 1];
    return (uint16_t)fx_clamp(fx_shift(left * (1 << apart) + (right - left) * f, apart + FRACTION), 0, p->top);
}

void magik_lut_u16(const struct magik_step *n)
{
    const struct params *p = n->params;
    const uint16_t *x = n->in[0]->data;
    uint16_t *y = n->out[0]->data;
    const int32_t last = (1 << p->bits) - 1; /* a hostile file may have codes above it */
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    if (n->in[1]->dtype == MAGIK_S32)
        for (; i < end; i++)
            y[i] = on_line(p, n->in[1]->data, x[i] < last ? x[i] : last);
    else
        for (const uint16_t *table = n->in[1]->data; i < end; i++)
            y[i] = table[x[i] < last ? x[i] : last];
}
