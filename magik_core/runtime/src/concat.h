/* Concat: its params, and how its kernels join. */
#ifndef MAGIK_CONCAT_H
#define MAGIK_CONCAT_H

#include "fixed.h"
#include "move.h"

struct concat_params {
    int32_t axis;   /* [0, rank) */
    int32_t y_zero; /* a code of y */
    int32_t top;    /* largest code of y */
};

static inline int concat_has_table(const struct magik_step *n)
{
    return n->dtype == MAGIK_U8 || n->dtype == MAGIK_U16;
}

/* Inputs of the step that are tensors to join: with codes, the last one is the table. */
static inline int32_t concat_parts(const struct magik_step *n)
{
    return concat_has_table(n) ? n->n_in - 1 : n->n_in;
}

/* Rescale codes of u8, or of u16 in a kernel on those; `row` is (zero point, multiplier, shift) of the part. */
typedef void concat_rescale(const uint8_t *x, uint8_t *y, int32_t count, const int32_t *row, const struct concat_params *p);

enum { CONCAT_BYTES = 4096 };

/* Rows of `size` codes; short ones are rescaled many at a time and then put into place. */
static inline void concat_rescaled(uint8_t *y, int32_t y_row, const uint8_t *x, int32_t size, int32_t rows, const int32_t *row,
                                   const struct concat_params *p, concat_rescale *rescale, size_t bytes)
{
    uint16_t aligned[CONCAT_BYTES / 2];
    uint8_t *const codes = (uint8_t *)aligned;
    const int32_t most = CONCAT_BYTES / (int32_t)bytes / size;
    for (int32_t r = 0, count; r < rows; r += count, x += (size_t)(count * size) * bytes, y += (size_t)(count * y_row) * bytes) {
        count = most < 1 ? 1 : rows - r < most ? rows - r : most;
        if (count == 1) {
            rescale(x, y, size, row, p);
            continue;
        }
        rescale(x, codes, count * size, row, p);
        move_rows(y, (ptrdiff_t)y_row * (ptrdiff_t)bytes, codes, (ptrdiff_t)size * (ptrdiff_t)bytes, count, (size_t)size * bytes);
    }
}

/* Body of a kernel: copies each part into place; with a table, rescales the parts whose multiplier is not 0. */
static inline void concat_join(const struct magik_step *n, size_t bytes, const int32_t *table, concat_rescale *rescale)
{
    const struct concat_params *p = n->params;
    const struct magik_tensor *out = n->out[0];
    const int32_t after = op_product(out, p->axis + 1, out->rank), row = after * out->dims[p->axis];
    int32_t begin, end, at = 0;
    op_span(n, op_product(out, 0, p->axis), &begin, &end);
    for (int32_t k = 0; k < concat_parts(n); k++) {
        const int32_t size = n->in[k]->dims[p->axis] * after;
        const uint8_t *x = move_at(n->in[k], begin * size, bytes);
        uint8_t *y = move_at(out, begin * row + at, bytes);
        if (table != NULL && table[3 * k + 1] != 0)
            concat_rescaled(y, row, x, size, end - begin, table + 3 * k, p, rescale, bytes);
        else
            move_rows(y, (ptrdiff_t)((size_t)row * bytes), x, (ptrdiff_t)((size_t)size * bytes), end - begin, bytes * (size_t)size);
        at += size;
    }
}

#endif
