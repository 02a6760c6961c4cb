/* Checks that several operators share, each of them once in a program for a board. */
#include "conv.h"

/* Inputs after x and w: bias, [border], multipliers, shifts; in f32 the bias alone. */
int32_t magik_conv_check(const struct magik_step *n, const struct window *p, const struct conv_codes *q, int32_t channels, int32_t taps)
{
    const int is_real = n->dtype == MAGIK_F32;
    if (!op_between(q->has_border, 0, 1) || !window_is_sane(p))
        return MAGIK_BAD_PARAMS;
    if (n->n_in != (is_real ? 3 : 5 + q->has_border) || n->n_out != 1)
        return MAGIK_BAD_STEP;
    if (!weights_fit(n) || n->in[2]->count != channels)
        return MAGIK_BAD_SHAPE;
    if (is_real)
        return MAGIK_OK;
    const int32_t top = op_top(n);
    if (!op_between(q->x_zero, 0, top) || !op_between(q->y_zero, 0, top) || !op_between(q->low, 0, top) || !op_between(q->high, 0, top))
        return MAGIK_BAD_PARAMS;
    if (q->has_border && !op_table(n->in[3], channels * taps, INT32_MIN, INT32_MAX))
        return MAGIK_BAD_SHAPE;
    return op_table(n->in[n->n_in - 2], channels, INT32_MIN, INT32_MAX) && op_table(n->in[n->n_in - 1], channels, 1, FX_MAX_SHIFT)
               ? MAGIK_OK
               : MAGIK_BAD_PARAMS;
}
