/* Add and Mul: their params, and how their fast kernels walk. */
#ifndef MAGIK_ARITHMETIC_H
#define MAGIK_ARITHMETIC_H

#include "broadcast.h"

struct add_params {
    int32_t a_zero, b_zero, y_zero;     /* codes */
    int32_t a_multiplier, b_multiplier; /* s_a / s_y and s_b / s_y over one shift */
    int32_t shift;                      /* [1, 62] */
    int32_t low, high;                  /* codes of y */
    float real_low, real_high;
    float sign; /* 1 adds b, -1 subtracts it */
};

struct mul_params {
    int32_t a_zero, b_zero, y_zero; /* codes */
    int32_t multiplier;             /* s_a * s_b / s_y */
    int32_t shift;                  /* [1, 62] */
    int32_t low, high;              /* codes of y */
    float real_low, real_high;
};

/* what the others leave */
void magik_add_u8(const struct magik_step *n);
void magik_mul_u8(const struct magik_step *n);

/* `count` codes side by side; where a step is 0, its code stays the same. */
struct codes_run {
    const void *constants; /* of the kernel */
    const uint8_t *a, *b;
    int32_t a_step, b_step;
    uint8_t *y;
    int32_t count;
};

enum { CODES_REPEATED = 1024 };

/* A row shorter than half of `memory`, again and again; the length of the whole. */
static inline int32_t codes_repeat(uint8_t *memory, const uint8_t *row, int32_t count)
{
    int32_t at = 0;
    for (; at + count <= CODES_REPEATED; at += count)
        memcpy(memory + at, row, (size_t)count);
    return at;
}

/* Body of a kernel: `make` makes the codes of a run. Where all rows of y meet the same short row of an input,
 * runs are of several rows, and of that row as often. */
static inline void codes_walk(const struct magik_step *n, const void *constants, void (*make)(const struct codes_run *run))
{
    const struct broadcast w = broadcast_long(n->in[0], n->in[1], n->out[0]);
    const uint8_t *a = w.a->data, *b = w.b->data;
    uint8_t *y = w.y->data, memory[CODES_REPEATED];
    const int is_a = w.a->count == w.row && w.b->count == w.y->count, is_b = w.b->count == w.row && w.a->count == w.y->count;
    struct stretch k;
    int32_t at, end;
    op_span(n, w.y->count, &at, &end);
    if (w.rows > 1 && w.a_step && w.b_step && 2 * w.row <= CODES_REPEATED && (is_a || is_b)) {
        const int32_t size = codes_repeat(memory, is_a ? a : b, w.row);
        for (int32_t count; at < end; at += count) {
            const int32_t phase = at % w.row, left = size - phase;
            count = left < end - at ? left : end - at;
            make(&(struct codes_run){constants, is_a ? memory + phase : a + at, is_a ? b + at : memory + phase, 1, 1, y + at, count});
        }
        return;
    }
    for (; at < end; at += k.count) {
        k = broadcast_stretch(&w, at, end);
        make(&(struct codes_run){constants, a + k.a, b + k.b, w.a_step, w.b_step, y + k.y, k.count});
    }
}

#endif
