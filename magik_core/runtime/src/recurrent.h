/* What LSTM, GRU and RNN share: params, the check, and how time passes. Each adds the cell of one time step. */
#ifndef MAGIK_RECURRENT_H
#define MAGIK_RECURRENT_H

#include "activation.h"
#include "op.h"

enum { RECURRENT_FUNCTIONS = 3 }; /* f, g, h of each direction */

struct recurrent_params {
    int32_t is_reverse; /* 0, 1: the first direction runs from the end; a second one always does */
    int32_t is_coupled; /* 0, 1: LSTM's input_forget, GRU's linear_before_reset */
    int32_t kinds[6];   /* enum activation: f, g, h of the first direction, then of the second */
    float alphas[6];
    float betas[6];
    float clip; /* limit of what enters a function f or g, 0 and above */
    /* of codes: fixed numbers have FX_FIXED_BITS fraction bits */
    int32_t limit; /* clip, fixed: [0, 2^30] */
    int32_t h_zero, h_top; /* [0, 65535] */
    int32_t h_real, h_real_shift; /* s_h to fixed */
    int32_t h_multiplier, h_shift; /* fixed to s_h */
    int32_t c_zero, c_top, c_real, c_real_shift, c_multiplier, c_shift; /* as of h */
    int32_t y_zero, y_top, y_multiplier, y_shift; /* fixed to s_y */
    int32_t tables[6]; /* which table of functions */
    int32_t segments[6]; /* bits of its segments, [1, 20] */
    int32_t multipliers[6]; /* alpha */
    int32_t shifts[6]; /* of alpha, [1, 62] */
    int32_t offsets[6]; /* beta or a limit, fixed */
    int32_t h_half, y_half; /* 0, 1: the zero point is half a code above h_zero, y_zero */
};

/* x (T, N, I), w (D, I, G H), r (D, H, G H), b (D, B H), lengths s32 (N), h (D, N, H); then the operator's own */
enum { RECURRENT_X, RECURRENT_W, RECURRENT_R, RECURRENT_B, RECURRENT_LENGTHS, RECURRENT_H, RECURRENT_MORE };

/* y (T, D, N, H), the last h (D, N, H); LSTM also the last c */
enum { RECURRENT_Y, RECURRENT_LAST_H, RECURRENT_LAST_C };

/* One direction of one step: `gates` and `more` are scratch, `h` and `c` the state, in place. */
struct recurrent_cell {
    const struct recurrent_params *p;
    int32_t direction, width, hidden, gates;
    const float *w, *r, *b;
    float *sums, *more; /* (G H), (H) */
    float *h, *c;
    const float *peepholes; /* (3 H): i, o, f */
};

int magik_recurrent_dims(const struct magik_tensor *t, int32_t dtype, int32_t a, int32_t b, int32_t c);
int magik_recurrent_kinds(const struct recurrent_params *p);

/* Whether the state has as many sequences as x, and lengths are as many. */
int magik_recurrent_sizes_fit(const struct magik_step *n);
void magik_recurrent_outputs(const struct magik_step *n, struct magik_tensor *y);

/* The check of f32: `gates` columns of weights and `biases` of biases per unit. */
int32_t magik_recurrent_shape(const struct magik_step *n, struct magik_tensor *y, int32_t gates, int32_t biases);

/* Counts of inputs and outputs: those of f32, on codes two tables more. */
int magik_recurrent_has(const struct magik_step *n, int32_t n_in, int32_t n_out);

/* How many times of sequence `which` there are. */
int32_t magik_recurrent_length(const struct magik_step *n, int32_t which);
size_t magik_recurrent_scratch(const struct magik_step *n);

/* sums[j] += v[k] * w[k][j], over k in order */
void magik_recurrent_add(const float *v, int32_t count, const float *w, int32_t stride, int32_t columns, float *sums);

/* f, g or h (0, 1, 2) of a limited v */
float magik_recurrent_function(const struct recurrent_cell *cell, int32_t which, float v);
float magik_recurrent_gate(const struct recurrent_cell *cell, int32_t which, float v);

/* The parts share the sequences, each in each direction: time has to pass in order. A sequence that is shorter than the others
 * ends early, from where its reverse begins; y is 0 beyond. */
void magik_recurrent_run(const struct magik_step *n, void (*advance)(struct recurrent_cell *cell, const float *x));

#endif
