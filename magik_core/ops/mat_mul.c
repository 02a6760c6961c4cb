/* MatMul: batches of matrices times batches of matrices. */
#include "fixed.h"
#include "op.h"

struct params {
    int32_t a_zero, b_zero, y_zero; /* codes */
    int32_t top;                    /* largest code of y */
    int32_t multiplier, shift;      /* gain * s_a * s_b / s_y; shift [1, 62] */
    float gain;                     /* on f32 */
    int32_t m_axis;                 /* [0, rank - 2] */
    int32_t order[MAGIK_MAX_DIMS];  /* axis of b for each of y; at m_axis that of k, at the end that of n */
};

enum { MAX_DEPTH = 1 << 15, BLOCK = 64 }; /* 255 * 255 * MAX_DEPTH fits int32; columns summed at a time */

static int is_permutation(const int32_t *order, int32_t rank)
{
    uint32_t seen = 0;
    for (int32_t i = 0; i < rank; i++)
        if (!op_between(order[i], 0, rank - 1))
            return 0;
        else
            seen |= 1u << order[i];
    return seen == (1u << rank) - 1u;
}

int32_t magik_mat_mul_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *a = n->in[0], *b = n->in[1];
    const int32_t last = a->rank - 1;
    if (a->dtype != n->dtype || b->dtype != n->dtype || a->rank < 2 || b->rank != a->rank)
        return MAGIK_BAD_SHAPE;
    const int32_t top = op_top(n);
    if (!op_between(p->a_zero, 0, top) || !op_between(p->b_zero, 0, top) || !op_between(p->y_zero, 0, top) || !op_between(p->top, 0, top) ||
        !op_between(p->shift, 1, FX_MAX_SHIFT) || !op_between(p->m_axis, 0, last - 1) || !is_permutation(p->order, a->rank))
        return MAGIK_BAD_PARAMS;
    if (a->dims[last] != b->dims[p->order[p->m_axis]] || (n->dtype == MAGIK_U8 && a->dims[last] > MAX_DEPTH))
        return MAGIK_BAD_SHAPE;
    op_like(y, a);
    y->dims[last] = b->dims[p->order[last]];
    for (int32_t i = 0; i < last; i++) {
        const int32_t other = b->dims[p->order[i]];
        if (i == p->m_axis)
            continue;
        if (other != 1 && y->dims[i] != 1 && other != y->dims[i])
            return MAGIK_BAD_SHAPE;
        y->dims[i] = y->dims[i] == 1 ? other : y->dims[i];
    }
    return MAGIK_OK;
}

/* How far apart elements lie: along k and n in b, and in a and b along every axis of y but the last. */
struct walk {
    const struct magik_tensor *y;
    int32_t depth, columns, k_step, n_step;
    int32_t a_step[MAGIK_MAX_DIMS], b_step[MAGIK_MAX_DIMS];
};

static struct walk walk_of(const struct magik_step *n)
{
    const struct params *p = n->params;
    const struct magik_tensor *a = n->in[0], *b = n->in[1], *y = n->out[0];
    const int32_t last = y->rank - 1;
    struct walk w = {.y = y, .depth = a->dims[last], .columns = y->dims[last]};
    for (int32_t i = 0; i < last; i++) {
        const int32_t other = p->order[i];
        w.a_step[i] = a->dims[i] == 1 ? 0 : op_product(a, i + 1, a->rank);
        w.b_step[i] = i == p->m_axis || b->dims[other] == 1 ? 0 : op_product(b, other + 1, b->rank);
    }
    w.k_step = op_product(b, p->order[p->m_axis] + 1, b->rank);
    w.n_step = op_product(b, p->order[last] + 1, b->rank);
    return w;
}

/* Elements of a and b where row r of y begins. */
static void row_at(const struct walk *w, int32_t r, int32_t *a, int32_t *b)
{
    *a = *b = 0;
    for (int32_t i = w->y->rank - 2; i >= 0; i--) {
        const int32_t k = r % w->y->dims[i];
        r /= w->y->dims[i];
        *a += k * w->a_step[i];
        *b += k * w->b_step[i];
    }
}

static void sums_u8(const struct walk *w, const struct params *p, const uint8_t *a, const uint8_t *b, int32_t count, int32_t *acc)
{
    memset(acc, 0, sizeof(int32_t) * (size_t)count);
    if (w->n_step == 1) {
        for (int32_t k = 0; k < w->depth; k++)
            for (int32_t j = 0; j < count; j++)
                acc[j] += (a[k] - p->a_zero) * (b[k * w->k_step + j] - p->b_zero);
        return;
    }
    for (int32_t j = 0; j < count; j++) {
        const uint8_t *column = b + j * w->n_step;
        int32_t sum = 0;
        if (w->k_step == 1)
            for (int32_t k = 0; k < w->depth; k++)
                sum += (a[k] - p->a_zero) * (column[k] - p->b_zero);
        else
            for (int32_t k = 0; k < w->depth; k++)
                sum += (a[k] - p->a_zero) * (column[k * w->k_step] - p->b_zero);
        acc[j] = sum;
    }
}

/* A tensor has fewer than 2^29 elements, so sums stay below 2^61. */
static void sums_u16(const struct walk *w, const struct params *p, const uint16_t *a, const uint16_t *b, int32_t count, int64_t *restrict acc)
{
    memset(acc, 0, sizeof(int64_t) * (size_t)count);
    if (w->n_step == 1) {
        for (int32_t k = 0; k < w->depth; k++)
            for (int32_t j = 0; j < count; j++)
                acc[j] += (int64_t)(a[k] - p->a_zero) * (b[k * w->k_step + j] - p->b_zero);
        return;
    }
    for (int32_t j = 0; j < count; j++)
        for (int32_t k = 0; k < w->depth; k++)
            acc[j] += (int64_t)(a[k] - p->a_zero) * (b[j * w->n_step + k * w->k_step] - p->b_zero);
}

/* Each sum runs from 0 over k, every product and sum rounded to f32. */
static void sums_f32(const struct walk *w, const struct params *p, const float *a, const float *b, int32_t count, float *acc)
{
    (void)p;
    for (int32_t j = 0; j < count; j++)
        acc[j] = 0.0f;
    if (w->n_step == 1) {
        for (int32_t k = 0; k < w->depth; k++)
            for (int32_t j = 0; j < count; j++)
                acc[j] += a[k] * b[k * w->k_step + j];
        return;
    }
    for (int32_t j = 0; j < count; j++)
        for (int32_t k = 0; k < w->depth; k++)
            acc[j] += a[k] * b[j * w->n_step + k * w->k_step];
}

/* Body of a kernel: LAST makes an element of y of the sum `acc`. */
#define MAT_MUL(n, TYPE, ACC, SUMS, LAST)                                                                              \
    do {                                                                                                               \
        const struct params *p = (n)->params;                                                                          \
        const struct walk w = walk_of(n);                                                                              \
        const TYPE *a = (n)->in[0]->data, *b = (n)->in[1]->data;                                                       \
        TYPE *y = (n)->out[0]->data;                                                                                   \
        int32_t i, end, at_a, at_b;                                                                                    \
        op_span((n), (n)->out[0]->count, &i, &end);                                                                    \
        while (i < end) {                                                                                              \
            const int32_t o = i % w.columns, left = w.columns - o < end - i ? w.columns - o : end - i;                 \
            const int32_t count = left < BLOCK ? left : BLOCK;                                                         \
            ACC sums[BLOCK];                                                                                           \
            row_at(&w, i / w.columns, &at_a, &at_b);                                                                   \
            SUMS(&w, p, a + at_a, b + at_b + o * w.n_step, count, sums);                                               \
            for (int32_t j = 0; j < count; j++) {                                                                      \
                const ACC acc = sums[j];                                                                               \
                y[i + j] = (LAST);                                                                                     \
            }                                                                                                          \
            i += count;                                                                                                \
        }                                                                                                              \
    } while (0)

void magik_mat_mul_u8(const struct magik_step *n)
{
    MAT_MUL(n, uint8_t, int32_t, sums_u8, fx_u8(fx_rescale(acc, p->multiplier, p->shift) + p->y_zero, 0, p->top));
}

static uint16_t code_u16(const struct params *p, int64_t acc)
{
    return (uint16_t)fx_clamp(fx_rescale_wide(acc, p->multiplier, p->shift) + p->y_zero, 0, p->top);
}

void magik_mat_mul_u16(const struct magik_step *n)
{
    MAT_MUL(n, uint16_t, int64_t, sums_u16, code_u16(p, acc));
}

void magik_mat_mul_f32(const struct magik_step *n)
{
    MAT_MUL(n, float, float, sums_f32, acc * p->gain);
}
