/* Pad: more elements before and after each axis. */
#include "move.h"

enum { CONSTANT, EDGE, REFLECT, WRAP };

struct params {
    int32_t mode;                   /* [0, 3] */
    int32_t fill;                   /* bits of the element that CONSTANT adds */
    int32_t before[MAGIK_MAX_DIMS]; /* 0 and above; REFLECT: below the size, WRAP: up to it */
    int32_t after[MAGIK_MAX_DIMS];
};

int32_t magik_pad_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (!op_fits(n, x) || x->rank < 1)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->mode, CONSTANT, WRAP))
        return MAGIK_BAD_PARAMS;
    op_like(y, x);
    for (int32_t i = 0; i < x->rank; i++) {
        const int32_t most = p->mode == REFLECT ? x->dims[i] - 1 : p->mode == WRAP ? x->dims[i] : INT32_MAX;
        const int64_t size = (int64_t)x->dims[i] + p->before[i] + p->after[i];
        if (p->before[i] < 0 || p->after[i] < 0)
            return MAGIK_BAD_PARAMS;
        if (p->before[i] > most || p->after[i] > most || size > INT32_MAX)
            return MAGIK_BAD_SHAPE;
        y->dims[i] = (int32_t)size;
    }
    return MAGIK_OK;
}

/* Element of x that element `i` of y is along an axis of size `dim`, or -1: the fill. */
static int32_t source(const struct params *p, int32_t axis, int32_t dim, int32_t i)
{
    const int32_t at = i - p->before[axis];
    if (at >= 0 && at < dim)
        return at;
    if (p->mode == EDGE)
        return at < 0 ? 0 : dim - 1;
    if (p->mode == REFLECT)
        return at < 0 ? -at : 2 * (dim - 1) - at;
    if (p->mode == WRAP)
        return at < 0 ? at + dim : at - dim;
    return -1;
}

static inline void fill(uint8_t *y, int32_t count, int32_t word, size_t bytes)
{
    const uint16_t half = (uint16_t)word;
    if (bytes == 1)
        memset(y, word & 0xff, (size_t)count);
    else
        for (int32_t i = 0; i < count; i++, y += bytes)
            memcpy(y, bytes == 2 ? (const void *)&half : (const void *)&word, bytes);
}

/* Element of x where row `r` of y begins, rows running along axis `last` and what follows; -1: all fill. */
static int32_t row_start(const struct magik_step *n, int32_t last, int32_t r)
{
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    int32_t at = 0, size = op_product(x, last, x->rank);
    for (int32_t i = last - 1; i >= 0; i--) {
        const int32_t k = source(n->params, i, x->dims[i], r % y->dims[i]);
        if (k < 0)
            return -1;
        at += k * size;
        size *= x->dims[i];
        r /= y->dims[i];
    }
    return at;
}

/* Elements [i, end) of a row of pieces, none of which is in the middle of it. */
static inline void border(const struct magik_step *n, uint8_t *row, int32_t from, int32_t last, int32_t i, int32_t end, size_t bytes)
{
    const struct params *p = n->params;
    const struct magik_tensor *x = n->in[0];
    const int32_t piece = op_product(x, last + 1, x->rank);
    for (; i < end; i++) {
        const int32_t k = source(p, last, x->dims[last], i);
        uint8_t *y = row + (size_t)(i * piece) * bytes;
        if (k < 0)
            fill(y, piece, p->fill, bytes);
        else
            move_pieces(y, move_at(x, from + k * piece, bytes), 1, piece, 0, bytes);
    }
}

static inline void pad(const struct magik_step *n, size_t bytes)
{
    const struct params *p = n->params;
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    int32_t last = x->rank - 1, r, end;
    while (last > 0 && p->before[last] == 0 && p->after[last] == 0)
        last--;
    const int32_t piece = op_product(x, last + 1, x->rank), row = op_product(y, last, y->rank);
    const int32_t begin = p->before[last], middle = x->dims[last];
    op_span(n, y->count / row, &r, &end);
    for (; r < end; r++) {
        const int32_t from = row_start(n, last, r);
        uint8_t *to = move_at(y, r * row, bytes);
        if (from < 0) {
            fill(to, row, p->fill, bytes);
            continue;
        }
        border(n, to, from, last, 0, begin, bytes);
        memmove(to + (size_t)(begin * piece) * bytes, move_at(x, from, bytes), (size_t)(middle * piece) * bytes);
        border(n, to, from, last, begin + middle, y->dims[last], bytes);
    }
}

void magik_pad_x8(const struct magik_step *n)
{
    pad(n, 1);
}

void magik_pad_x16(const struct magik_step *n)
{
    pad(n, 2);
}

void magik_pad_x32(const struct magik_step *n)
{
    pad(n, 4);
}
