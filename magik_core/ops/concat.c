/* Concat: tensors one after the other along an axis. */
#include "fixed.h"
#include "op.h"

struct params {
    int32_t axis;   /* [0, rank) */
    int32_t y_zero; /* [0, 255] */
    int32_t top;    /* largest code of y */
};

/* Inputs of the step that are tensors to join: with codes, the last one is the table. */
static int32_t parts_of(const struct magik_step *n)
{
    return n->dtype == MAGIK_U8 ? n->n_in - 1 : n->n_in;
}

static int is_table(const struct magik_tensor *t, int32_t parts)
{
    if (t->dtype != MAGIK_S32 || !t->is_constant || t->count != 3 * parts)
        return 0;
    const int32_t *row = t->data;
    for (int32_t k = 0; k < parts; k++, row += 3)
        if (!op_between(row[0], 0, 255) || !op_between(row[2], 1, FX_MAX_SHIFT))
            return 0;
    return 1;
}

int32_t magik_concat_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    const int32_t parts = parts_of(n);
    if (n->n_out != 1 || n->params_bytes != sizeof *p || parts < 1)
        return MAGIK_BAD_STEP;
    const struct magik_tensor *first = n->in[0];
    if (!op_between(p->axis, 0, first->rank - 1) || !op_between(p->top, 0, 255) || !op_between(p->y_zero, 0, 255))
        return MAGIK_BAD_PARAMS;
    op_like(y, first);
    int64_t size = 0;
    for (int32_t k = 0; k < parts; k++) {
        struct magik_tensor t = *n->in[k];
        size += t.rank == first->rank ? t.dims[p->axis] : 0;
        t.dims[p->axis] = first->dims[p->axis];
        if (!op_fits(n, &t) || t.dtype != first->dtype || !op_same_shape(&t, first))
            return MAGIK_BAD_SHAPE;
    }
    if (size > INT32_MAX)
        return MAGIK_BAD_SHAPE;
    y->dims[p->axis] = (int32_t)size;
    return n->dtype == MAGIK_U8 && !is_table(n->in[parts], parts) ? MAGIK_BAD_PARAMS : MAGIK_OK;
}

static void rescale_row(const uint8_t *x, uint8_t *y, int32_t count, const int32_t *row, const struct params *p)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = fx_u8(fx_rescale(x[i] - row[0], row[1], row[2]) + p->y_zero, 0, p->top);
}

/* Copies each part into place; with a table, rescales the parts whose multiplier is not 0. */
static void join(const struct magik_step *n, size_t bytes, const int32_t *table)
{
    const struct params *p = n->params;
    const struct magik_tensor *out = n->out[0];
    const int32_t after = op_product(out, p->axis + 1, out->rank), row = after * out->dims[p->axis];
    int32_t begin, end, at = 0;
    op_span(n, op_product(out, 0, p->axis), &begin, &end);
    for (int32_t k = 0; k < parts_of(n); k++) {
        const int32_t size = n->in[k]->dims[p->axis] * after;
        for (int32_t r = begin; r < end; r++) {
            const uint8_t *x = (const uint8_t *)n->in[k]->data + bytes * (size_t)(r * size);
            uint8_t *y = (uint8_t *)out->data + bytes * (size_t)(r * row + at);
            if (table != NULL && table[3 * k + 1] != 0)
                rescale_row(x, y, size, table + 3 * k, p);
            else if (x != y)
                memmove(y, x, bytes * (size_t)size);
        }
        at += size;
    }
}

void magik_concat_u8(const struct magik_step *n)
{
    join(n, 1, n->in[n->n_in - 1]->data);
}

void magik_concat_x8(const struct magik_step *n)
{
    join(n, 1, NULL);
}

void magik_concat_x32(const struct magik_step *n)
{
    join(n, 4, NULL);
}
