/* Tile: the same elements again and again along each axis. */
#include "move.h"

struct params {
    int32_t repeats[MAGIK_MAX_DIMS]; /* [1, 2^31) */
};

int32_t magik_tile_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (!op_fits(n, x))
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    for (int32_t i = 0; i < x->rank; i++) {
        const int64_t size = (int64_t)x->dims[i] * p->repeats[i];
        if (p->repeats[i] < 1)
            return MAGIK_BAD_PARAMS;
        if (size > INT32_MAX)
            return MAGIK_BAD_SHAPE;
        y->dims[i] = (int32_t)size;
    }
    return MAGIK_OK;
}

/* A piece is what is repeated as a whole: the axes from the last one with repeats. */
static inline void tile(const struct magik_step *n, size_t bytes)
{
    const struct params *p = n->params;
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    int32_t last = x->rank > 0 ? x->rank - 1 : 0;
    while (last > 0 && p->repeats[last] == 1)
        last--;
    const int32_t piece = op_product(x, last, x->rank), repeats = x->rank > 0 ? p->repeats[last] : 1;
    int32_t r, end;
    op_span(n, y->count / (piece * repeats), &r, &end);
    for (; r < end; r++) {
        int32_t at = 0, left = r, size = piece;
        for (int32_t i = last - 1; i >= 0; i--) {
            at += left % y->dims[i] % x->dims[i] * size;
            left /= y->dims[i];
            size *= x->dims[i];
        }
        move_pieces(move_at(y, r * piece * repeats, bytes), move_at(x, at, bytes), repeats, piece, 0, bytes);
    }
}

void magik_tile_x8(const struct magik_step *n)
{
    tile(n, 1);
}

void magik_tile_x16(const struct magik_step *n)
{
    tile(n, 2);
}

void magik_tile_x32(const struct magik_step *n)
{
    tile(n, 4);
}
