/* Pointwise functions on codes of more than 12 bits: points with straight lines between. */
#include "fixed.h"
#include "op.h"

struct params {
    int32_t bits;  /* of x's codes: [13, 16] */
    int32_t phase; /* points lie at codes 2^(bits - 12) * i - phase: [0, 2^(bits - 12)) */
    int32_t top;   /* [0, 65535] */
};

enum { POINT_BITS = 12, POINTS = (1 << POINT_BITS) + 2, FRACTION = 8 };

int32_t magik_points_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (!op_between(p->bits, POINT_BITS + 1, 16) || !op_between(p->phase, 0, (1 << (p->bits - POINT_BITS)) - 1) ||
        !op_between(p->top, 0, op_top(n)))
        return MAGIK_BAD_PARAMS;
    if (n->in[0]->dtype != n->dtype || !op_is(n->in[1], MAGIK_S32, 1) || n->in[1]->count != POINTS)
        return MAGIK_BAD_SHAPE;
    op_like(y, n->in[0]);
    return MAGIK_OK;
}

void magik_points_u16(const struct magik_step *n)
{
    const struct params *p = n->params;
    const int32_t last = (1 << p->bits) - 1; /* a hostile file may have codes above it */
    const int32_t spread = p->bits - POINT_BITS, *points = n->in[1]->data;
    const uint16_t *x = n->in[0]->data;
    uint16_t *y = n->out[0]->data;
    int32_t i, end;
    op_span(n, n->out[0]->count, &i, &end);
    for (; i < end; i++) {
        const int32_t at = (x[i] < last ? x[i] : last) + p->phase, f = at & ((1 << spread) - 1);
        const int64_t left = points[at >> spread], right = points[(at >> spread) + 1]; /* at most 4097 */
        const int64_t v = left * (1 << spread) + (right - left) * f;
        y[i] = (uint16_t)fx_clamp(fx_shift(v, spread + FRACTION), 0, p->top);
    }
}
