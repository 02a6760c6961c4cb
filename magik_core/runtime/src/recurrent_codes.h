/* LSTM, GRU and RNN on codes: docs/quantization.md, "Recurrent layers". */
#ifndef MAGIK_RECURRENT_CODES_H
#define MAGIK_RECURRENT_CODES_H

#include "recurrent.h"

/* After the inputs of the f32 kernel: s32 (3, D G H), m_x, m_h and s of each row of a gate; then the tables of functions,
 * s32 (n, ACTIVATION_SEGMENTS + 1). w is (D G H, I), r (D G H, H), s8 or s16; b s64 (D, B H); h and c are u16. */
enum { RECURRENT_FACTORS = 3, RECURRENT_BLOCK = 256 }; /* so many products of u16 and s8 fit 32 bits */

/* One direction of one step. The state h, c is in place, `fixed` what h has become before it was rounded. */
struct recurrent_codes {
    const struct recurrent_params *p;
    int32_t width, hidden;
    int32_t is_wide, has_wide_weights; /* u16, s16 */
    const void *w, *r;
    const int32_t *factors;
    int32_t rows; /* D G H */
    const uint8_t *b;
    struct activation_fixed functions[RECURRENT_FUNCTIONS];
    int32_t *sums, *fixed; /* (G H), (H) */
    uint16_t *more;        /* (H) */
    uint16_t *h, *c;
    const int32_t *peepholes; /* multipliers of i, o, f, (3 H); their shifts are D 3 H further on */
    int32_t peephole_shifts;
};

int magik_recurrent_is_matrix(const struct magik_tensor *t, int32_t dtype, int32_t a, int32_t b);

/* The check of codes; `gates` rows of weights and `biases` of biases per unit. */
int32_t magik_recurrent_codes_shape(const struct magik_step *n, struct magik_tensor *y, int32_t gates, int32_t biases);
size_t magik_recurrent_codes_scratch(const struct magik_step *n);
int64_t magik_recurrent_of_x(const struct recurrent_codes *k, const void *x, int32_t row);
int64_t magik_recurrent_of_h(const struct recurrent_codes *k, const uint16_t *h, int32_t row);

/* What enters a gate, before it is limited. A hostile file's sums wrap, as unsigned numbers. */
int32_t magik_recurrent_sum(const struct recurrent_codes *k, int32_t row, int32_t bias, int64_t of_x, int64_t of_h);

/* Rows [from, to) of the gates, from x and h. */
void magik_recurrent_sums(const struct recurrent_codes *k, const void *x, const uint16_t *h, int32_t from, int32_t to);

/* f or g (0, 1) of a limited v */
int32_t magik_recurrent_fixed_gate(const struct recurrent_codes *k, int32_t which, int64_t v);
int32_t magik_recurrent_real_h(const struct recurrent_codes *k, int32_t j);
void magik_recurrent_set_h(const struct recurrent_codes *k, int32_t j, int32_t v);

/* As recurrent_run. */
void magik_recurrent_codes_run(const struct magik_step *n, void (*advance)(struct recurrent_codes *k, const void *x));

#endif
