/* Equal, Greater, GreaterOrEqual, Less and LessOrEqual. */
#include "broadcast.h"
#include "op.h"

struct params {
    int32_t relation;           /* enum relation */
    int32_t a_zero, b_zero;     /* codes */
    int32_t a_factor, b_factor; /* [0, 2^24]; mantissas of the scales */
    int32_t a_shift, b_shift;   /* [0, 22]: a code has 16 bits at most, a factor 24, their product at its place 62 */
};

enum { MAX_STEP = 22 };
enum relation { EQUAL, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL };

int32_t magik_compare_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const int32_t dtype = n->dtype == MAGIK_X8 ? MAGIK_BOOL : n->dtype;
    if (n->in[0]->dtype != dtype || n->in[1]->dtype != dtype)
        return MAGIK_BAD_SHAPE;
    const int32_t top = op_top(n);
    if (!op_between(p->relation, EQUAL, LESS_OR_EQUAL) || !op_between(p->a_zero, 0, top) || !op_between(p->b_zero, 0, top) ||
        !op_between(p->a_factor, 0, 1 << 24) || !op_between(p->b_factor, 0, 1 << 24) ||
        !op_between(p->a_shift, 0, MAX_STEP) || !op_between(p->b_shift, 0, MAX_STEP))
        return MAGIK_BAD_PARAMS;
    y->dtype = MAGIK_BOOL;
    return broadcast_shape(n->in[0], n->in[1], y);
}

/* What each relation says of u < v, u == v and u > v: bits 0, 1 and 2. Of a NaN all say no. */
static int32_t answers(const struct magik_step *n)
{
    static const uint8_t of[] = {2, 4, 6, 1, 3};
    return of[((const struct params *)n->params)->relation];
}

/* y = u RELATION v for every element, u and v made from *a and *b */
#define COMPARE(n, TYPE, NUMBER, U, V)                                                  \
    do {                                                                                \
        const struct broadcast w = broadcast_of((n)->in[0], (n)->in[1], (n)->out[0]);   \
        const int32_t yes = answers(n);                                                 \
        int32_t r, end;                                                                 \
        op_span((n), w.rows, &r, &end);                                                 \
        for (; r < end; r++) {                                                          \
            const TYPE *a = (const TYPE *)w.a->data + broadcast_at(&w, w.a, r);         \
            const TYPE *b = (const TYPE *)w.b->data + broadcast_at(&w, w.b, r);         \
            uint8_t *y = (uint8_t *)w.y->data + r * w.row;                              \
            for (int32_t i = 0; i < w.row; i++, a += w.a_step, b += w.b_step) {         \
                const NUMBER u = (U), v = (V);                                          \
                y[i] = (yes & ((u < v) | (u == v) << 1 | (u > v) << 2)) != 0;           \
            }                                                                           \
        }                                                                               \
    } while (0)

#define COMPARE_CODES(n, TYPE)                                                                               \
    do {                                                                                                     \
        const struct params *p = (n)->params;                                                                \
        const int64_t fa = (int64_t)p->a_factor << p->a_shift, fb = (int64_t)p->b_factor << p->b_shift;      \
        COMPARE(n, TYPE, int64_t, (*a - p->a_zero) * fa, (*b - p->b_zero) * fb);                             \
    } while (0)

void magik_compare_u8(const struct magik_step *n)
{
    COMPARE_CODES(n, uint8_t);
}

void magik_compare_u16(const struct magik_step *n)
{
    COMPARE_CODES(n, uint16_t);
}

void magik_compare_f32(const struct magik_step *n)
{
    COMPARE(n, float, float, *a, *b);
}

void magik_compare_s32(const struct magik_step *n)
{
    COMPARE(n, int32_t, int32_t, *a, *b);
}

void magik_compare_x8(const struct magik_step *n)
{
    COMPARE(n, uint8_t, int32_t, *a, *b);
}
