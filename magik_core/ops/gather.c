/* Gather: elements of an axis in the order of an index tensor. */
#include "move.h"

struct params {
    int32_t axis; /* [0, rank of the data) */
};

int32_t magik_gather_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *index = n->in[1];
    if (!op_fits(n, x) || index->dtype != MAGIK_S32 || x->rank + index->rank - 1 > MAGIK_MAX_DIMS)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->axis, 0, x->rank - 1))
        return MAGIK_BAD_PARAMS;
    y->dtype = x->dtype;
    y->rank = 0;
    for (int32_t i = 0; i < p->axis; i++)
        y->dims[y->rank++] = x->dims[i];
    for (int32_t i = 0; i < index->rank; i++)
        y->dims[y->rank++] = index->dims[i];
    for (int32_t i = p->axis + 1; i < x->rank; i++)
        y->dims[y->rank++] = x->dims[i];
    return MAGIK_OK;
}

/* An index below 0 counts from the end; what is still outside takes the nearest element. */
static inline int32_t within(int32_t index, int32_t size)
{
    if (index < 0)
        index += size;
    return index < 0 ? 0 : index < size ? index : size - 1;
}

static inline void gather(const struct magik_step *n, size_t bytes)
{
    const struct params *p = n->params;
    const struct magik_tensor *x = n->in[0], *index = n->in[1];
    const int32_t *indices = index->data;
    const int32_t size = x->dims[p->axis], piece = op_product(x, p->axis + 1, x->rank);
    int32_t r, end;
    op_span(n, n->out[0]->count / piece, &r, &end);
    int32_t k = r % index->count, row = r / index->count * size;
    for (; r < end; r++) {
        const int32_t at = (row + within(indices[k], size)) * piece;
        move_pieces(move_at(n->out[0], r * piece, bytes), move_at(x, at, bytes), 1, piece, 0, bytes);
        if (++k == index->count) {
            k = 0;
            row += size;
        }
    }
}

void magik_gather_x8(const struct magik_step *n)
{
    gather(n, 1);
}

void magik_gather_x16(const struct magik_step *n)
{
    gather(n, 2);
}

void magik_gather_x32(const struct magik_step *n)
{
    gather(n, 4);
}
