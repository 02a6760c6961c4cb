/* ArgMax and ArgMin along one axis. */
#include "lines.h"

struct params {
    int32_t axis;                      /* [0, rank) */
    int32_t is_max, is_last, keepdims; /* [0, 1] */
};

int32_t magik_arg_extremum_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (x->dtype != n->dtype)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->axis, 0, x->rank - 1) || !op_between(p->is_max, 0, 1) || !op_between(p->is_last, 0, 1) ||
        !op_between(p->keepdims, 0, 1))
        return MAGIK_BAD_PARAMS;
    y->dtype = MAGIK_S32;
    y->rank = 0;
    for (int32_t i = 0; i < x->rank; i++)
        if (i != p->axis || p->keepdims)
            y->dims[y->rank++] = i == p->axis ? 1 : x->dims[i];
    return MAGIK_OK;
}

#define ARG_EXTREMUM(n, TYPE)                                                               \
    do {                                                                                    \
        const struct params *p = (n)->params;                                               \
        const struct lines l = lines_of((n)->in[0], p->axis);                               \
        int32_t *y = (n)->out[0]->data;                                                     \
        int32_t r, end;                                                                     \
        op_span((n), l.outer * l.inner, &r, &end);                                          \
        for (; r < end; r++) {                                                              \
            const TYPE *x = (const TYPE *)(n)->in[0]->data + line_start(&l, r);             \
            TYPE best = x[0];                                                               \
            int32_t at = 0;                                                                 \
            for (int32_t i = 1; i < l.size; i++) {                                          \
                const TYPE v = x[i * l.inner];                                              \
                if ((p->is_max ? v > best : v < best) || (p->is_last && v == best)) {       \
                    best = v;                                                               \
                    at = i;                                                                 \
                }                                                                           \
            }                                                                               \
            y[r] = at;                                                                      \
        }                                                                                   \
    } while (0)

void magik_arg_extremum_u8(const struct magik_step *n)
{
    ARG_EXTREMUM(n, uint8_t);
}

void magik_arg_extremum_u16(const struct magik_step *n)
{
    ARG_EXTREMUM(n, uint16_t);
}

void magik_arg_extremum_f32(const struct magik_step *n)
{
    ARG_EXTREMUM(n, float);
}

void magik_arg_extremum_s32(const struct magik_step *n)
{
    ARG_EXTREMUM(n, int32_t);
}
