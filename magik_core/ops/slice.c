/* Slice: every step-th element of a range along each axis. */
#include "fixed.h"
#include "move.h"

struct params {
    int32_t start[MAGIK_MAX_DIMS]; /* any; below 0 it counts from the end; limited to the axis */
    int32_t end[MAGIK_MAX_DIMS];   /* any; as start; not itself taken */
    int32_t step[MAGIK_MAX_DIMS];  /* not 0 */
};

/* How many elements are taken along axis `i` of size `dim`; *first is the first of them. */
static int32_t extent(const struct params *p, int32_t i, int32_t dim, int32_t *first)
{
    const int32_t back = p->step[i] < 0;
    const int64_t size = back ? -(int64_t)p->step[i] : p->step[i];
    int64_t start = p->start[i], end = p->end[i];
    start = fx_clamp(start < 0 ? start + dim : start, 0, dim - back);
    end = fx_clamp(end < 0 ? end + dim : end, -back, dim - back);
    *first = (int32_t)start;
    const int64_t length = back ? start - end : end - start;
    return length > 0 ? (int32_t)((length + size - 1) / size) : 0;
}

int32_t magik_slice_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (!op_fits(n, x))
        return MAGIK_BAD_SHAPE;
    op_like(y, x);
    for (int32_t i = 0; i < x->rank; i++) {
        int32_t first;
        if (p->step[i] == 0)
            return MAGIK_BAD_PARAMS;
        y->dims[i] = extent(p, i, x->dims[i], &first);
        if (y->dims[i] < 1)
            return MAGIK_BAD_SHAPE;
    }
    return MAGIK_OK;
}

/* The last axes that lie together in x make a piece; pieces along axis `outer` make a row of y. */
struct plan {
    int32_t first; /* element of x */
    int32_t stride[MAGIK_MAX_DIMS];
    int32_t outer, pieces, piece, step;
};

static struct plan plan_of(const struct magik_step *n)
{
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    struct plan w = {0, {0}, y->rank, 1, 1, 0};
    for (int32_t i = x->rank - 1, size = 1; i >= 0; size *= x->dims[i--]) {
        int32_t first;
        const int32_t count = extent(n->params, i, x->dims[i], &first);
        w.first += first * size;
        w.stride[i] = count > 1 ? ((const struct params *)n->params)->step[i] * size : 0;
    }
    while (w.outer > 0 && (y->dims[w.outer - 1] == 1 || w.stride[w.outer - 1] == w.piece))
        w.piece *= y->dims[--w.outer];
    if (w.outer > 0) {
        w.pieces = y->dims[--w.outer];
        w.step = w.stride[w.outer];
    }
    while (w.outer > 0 && (y->dims[w.outer - 1] == 1 || w.stride[w.outer - 1] == w.pieces * w.step))
        w.pieces *= y->dims[--w.outer];
    return w;
}

static inline void slice(const struct magik_step *n, size_t bytes)
{
    const struct plan w = plan_of(n);
    const struct magik_tensor *y = n->out[0];
    int32_t p, end, count;
    op_span(n, y->count / w.piece, &p, &end);
    for (; p < end; p += count) {
        const int32_t r = p / w.pieces, i = p % w.pieces, rest = w.pieces - i;
        int32_t at = w.first + i * w.step, left = r;
        count = rest < end - p ? rest : end - p;
        for (int32_t k = w.outer - 1; k >= 0; k--) {
            at += left % y->dims[k] * w.stride[k];
            left /= y->dims[k];
        }
        move_pieces(move_at(y, p * w.piece, bytes), move_at(n->in[0], at, bytes), count, w.piece, w.step, bytes);
    }
}

void magik_slice_x8(const struct magik_step *n)
{
    slice(n, 1);
}

void magik_slice_x16(const struct magik_step *n)
{
    slice(n, 2);
}

void magik_slice_x32(const struct magik_step *n)
{
    slice(n, 4);
}
