/* Reshape: the same bytes under another shape. */
#include "op.h"

struct params {
    int32_t runs;                    /* [1, 8] */
    int32_t take[MAGIK_MAX_DIMS];    /* per run, axes of x; [0, 8] */
    int32_t give[MAGIK_MAX_DIMS];    /* per run, axes of y; [0, 8] */
    int32_t dims[MAGIK_MAX_DIMS];    /* per axis of y, its size, or -1: what is left of the run */
};

/* Sizes of one run of y from `total` elements; the open axis gets what the others leave. */
static int32_t run_shape(const int32_t *dims, int32_t count, int64_t total, struct magik_tensor *y)
{
    int64_t known = 1;
    int32_t open = -1;
    for (int32_t i = 0; i < count; i++) {
        if (dims[i] == -1 && open < 0)
            open = y->rank;
        else if (dims[i] < 1)
            return MAGIK_BAD_PARAMS;
        else if (known * dims[i] > total)
            return MAGIK_BAD_SHAPE;
        else
            known *= dims[i];
        y->dims[y->rank++] = dims[i];
    }
    if (total % known != 0 || (open < 0 && total != known))
        return MAGIK_BAD_SHAPE;
    if (open >= 0)
        y->dims[open] = (int32_t)(total / known);
    return MAGIK_OK;
}

int32_t magik_reshape_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (!op_fits(n, x))
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->runs, 0, MAGIK_MAX_DIMS))
        return MAGIK_BAD_PARAMS;
    int32_t taken = 0;
    y->dtype = x->dtype;
    y->rank = 0;
    for (int32_t r = 0; r < p->runs; r++) {
        if (!op_between(p->take[r], 0, x->rank - taken) || !op_between(p->give[r], 0, MAGIK_MAX_DIMS - y->rank))
            return MAGIK_BAD_PARAMS;
        const int64_t total = op_product(x, taken, taken + p->take[r]);
        const int32_t status = run_shape(p->dims + y->rank, p->give[r], total, y);
        if (status != MAGIK_OK)
            return status;
        taken += p->take[r];
    }
    return taken == x->rank ? MAGIK_OK : MAGIK_BAD_PARAMS;
}

int32_t magik_reshape_is_view(const struct magik_step *n)
{
    (void)n;
    return 1;
}

static void copy(const struct magik_step *n, size_t bytes)
{
    if (n->part == 0 && n->out[0]->data != n->in[0]->data)
        memmove(n->out[0]->data, n->in[0]->data, bytes * (size_t)n->out[0]->count);
}

void magik_reshape_x8(const struct magik_step *n)
{
    copy(n, 1);
}

void magik_reshape_x16(const struct magik_step *n)
{
    copy(n, 2);
}

void magik_reshape_x32(const struct magik_step *n)
{
    copy(n, 4);
}
