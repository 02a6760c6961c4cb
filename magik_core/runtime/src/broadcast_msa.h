/* Walks two tensors that broadcast, for kernels that take 16 elements at a time. */
#ifndef MAGIK_BROADCAST_MSA_H
#define MAGIK_BROADCAST_MSA_H

#include "broadcast.h"
#include "requant_msa.h"

/* Elements of a row: a step of 0 repeats one. */
struct operand_msa {
    const uint8_t *at;
    int32_t step;
};

/* Elements [i, i + count) of a row, count in [1, 16]. */
static inline v16i8 operand_at_msa(struct operand_msa x, int32_t i, int32_t count)
{
    return x.step != 0 ? load_msa(x.at + i, count) : __msa_fill_b(x.at[0]);
}

typedef void row_msa_fn(const void *how, struct operand_msa a, struct operand_msa b, uint8_t *y, int32_t count);

/* Call `row` for every row of the part; tensors of one shape are one row. */
static inline __attribute__((always_inline)) void broadcast_msa(const struct magik_step *n, row_msa_fn *row, const void *how)
{
    const struct broadcast w = broadcast_of(n->in[0], n->in[1], n->out[0]);
    const uint8_t *a = w.a->data, *b = w.b->data;
    uint8_t *y = w.y->data;
    int32_t r, end;
    if (op_same_shape(w.a, w.b)) {
        op_span(n, w.y->count, &r, &end);
        row(how, (struct operand_msa){a + r, 1}, (struct operand_msa){b + r, 1}, y + r, end - r);
        return;
    }
    op_span(n, w.rows, &r, &end);
    for (; r < end; r++) {
        const struct operand_msa row_a = {a + broadcast_at(&w, w.a, r), w.a_step}, row_b = {b + broadcast_at(&w, w.b, r), w.b_step};
        row(how, row_a, row_b, y + r * w.row, w.row);
    }
}

#endif
