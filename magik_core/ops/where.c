/* Where: one of two tensors, element by element. */
#include "broadcast.h"
#include "fixed.h"

struct params {
    int32_t a_zero, b_zero, y_zero; /* codes */
    int32_t a_multiplier, a_shift;  /* s_a / s_y, 0 where a's codes are y's; [1, 62] */
    int32_t b_multiplier, b_shift;
    int32_t top; /* largest code of y */
};

int32_t magik_where_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 3, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *c = n->in[0], *a = n->in[1], *b = n->in[2];
    if (c->dtype != MAGIK_BOOL || a->dtype != b->dtype || !op_fits(n, a))
        return MAGIK_BAD_SHAPE;
    const int32_t top = op_top(n);
    if (!op_between(p->a_zero, 0, top) || !op_between(p->b_zero, 0, top) || !op_between(p->y_zero, 0, top) ||
        !op_between(p->a_shift, 1, FX_MAX_SHIFT) || !op_between(p->b_shift, 1, FX_MAX_SHIFT) || !op_between(p->top, 0, top))
        return MAGIK_BAD_PARAMS;
    struct magik_tensor both;
    memset(&both, 0, sizeof both);
    const int32_t status = broadcast_shape(a, b, &both);
    y->dtype = a->dtype;
    return status == MAGIK_OK ? broadcast_shape(c, &both, y) : status;
}

/* Steps of the three inputs along a row of y. */
struct row {
    int32_t c, a, b;
};

static int32_t step_of(const struct magik_tensor *t)
{
    return t->rank > 0 && t->dims[t->rank - 1] != 1;
}

#define WHERE(n, TYPE, A, B)                                                              \
    do {                                                                                  \
        const struct magik_tensor *const c_ = (n)->in[0];                                 \
        const struct broadcast w = broadcast_of((n)->in[1], (n)->in[2], (n)->out[0]);     \
        const struct row by = {step_of(c_), step_of(w.a), step_of(w.b)};                  \
        int32_t r, end;                                                                   \
        op_span((n), w.rows, &r, &end);                                                   \
        for (; r < end; r++) {                                                            \
            const uint8_t *c = (const uint8_t *)c_->data + broadcast_at(&w, c_, r);       \
            const TYPE *a = (const TYPE *)w.a->data + broadcast_at(&w, w.a, r);           \
            const TYPE *b = (const TYPE *)w.b->data + broadcast_at(&w, w.b, r);           \
            TYPE *y = (TYPE *)w.y->data + r * w.row;                                      \
            for (int32_t i = 0; i < w.row; i++, c += by.c, a += by.a, b += by.b)          \
                y[i] = *c ? (A) : (B);                                                    \
        }                                                                                 \
    } while (0)

static uint16_t rescaled(const struct params *p, int32_t x, int32_t zero, int32_t m, int32_t s)
{
    return (uint16_t)(m == 0 ? x : fx_clamp(fx_rescale(x - zero, m, s) + p->y_zero, 0, p->top));
}

#define WHERE_CODES(n, TYPE)                                                         \
    WHERE(n, TYPE, (TYPE)rescaled(p, *a, p->a_zero, p->a_multiplier, p->a_shift),    \
          (TYPE)rescaled(p, *b, p->b_zero, p->b_multiplier, p->b_shift))

void magik_where_u8(const struct magik_step *n)
{
    const struct params *p = n->params;
    WHERE_CODES(n, uint8_t);
}

void magik_where_u16(const struct magik_step *n)
{
    const struct params *p = n->params;
    WHERE_CODES(n, uint16_t);
}

void magik_where_x8(const struct magik_step *n)
{
    WHERE(n, uint8_t, *a, *b);
}

void magik_where_x32(const struct magik_step *n)
{
    WHERE(n, uint32_t, *a, *b);
}
