/* magik: loads and runs a model file. C11, no dependencies; the caller owns all memory.
 *
 *   size_t bytes = magik_net_bytes(file, size);
 *   magik_load(&net, file, size, memory, bytes, &fault);   // checks everything once
 *   magik_prepare(net, prepared, magik_prepared_bytes(net)); // optional: weights in the order that is fastest
 *   magik_reshape(net, dims, &fault);                        // optional: other sizes of the inputs
 *   magik_set_arena(net, arena, magik_arena_bytes(net, 1), 1);
 *   fill magik_tensor(net, magik_input(net, 0))->data; magik_run(net, NULL); read the outputs
 *
 * A net belongs to one thread at a time; separate nets share nothing. The file's bytes must stay
 * where they are, 4-byte aligned, as long as the net lives. docs/model-format.md specifies them.
 */
#ifndef MAGIK_H
#define MAGIK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAGIK_READER_VERSION 2 /* model files that need a newer reader are refused */
#define MAGIK_MAX_DIMS 8

enum magik_status {
    MAGIK_OK = 0,
    MAGIK_NOT_A_MODEL = -1,
    MAGIK_TOO_NEW = -2,
    MAGIK_TRUNCATED = -3,
    MAGIK_BAD_CHECKSUM = -4,
    MAGIK_BAD_SECTION = -5,
    MAGIK_BAD_TENSOR = -6,
    MAGIK_BAD_STEP = -7,
    MAGIK_UNKNOWN_KERNEL = -8,
    MAGIK_BAD_PARAMS = -9,
    MAGIK_BAD_SHAPE = -10,
    MAGIK_NO_MEMORY = -11,
    MAGIK_BAD_ARGUMENT = -12
};

enum magik_dtype {
    MAGIK_U8 = 1,
    MAGIK_S8 = 2,
    MAGIK_U16 = 3,
    MAGIK_S16 = 4,
    MAGIK_S32 = 5,
    MAGIK_F32 = 6,
    MAGIK_BOOL = 7, /* one byte, 0 or 1 */
    MAGIK_S64 = 8   /* constants alone */
};

/* Kinds of kernels, the later the faster; a set of them is a mask of 1 << isa. */
enum magik_isa {
    MAGIK_PORTABLE = 0,
    MAGIK_FP64 = 1, /* plain C that sums in doubles, for a MIPS without SIMD */
    MAGIK_AVX2 = 2,
    MAGIK_VNNI = 3, /* AVX-512 F, BW, DQ, VL and VNNI */
    MAGIK_MSA = 4,
    MAGIK_ISAS = 5
};

/* Order of an image input's channels. */
enum magik_color { MAGIK_NO_COLOR = 0, MAGIK_RGB = 1, MAGIK_BGR = 2, MAGIK_GRAY = 3 };

struct magik_tensor {
    void *data;
    int32_t dtype; /* enum magik_dtype */
    int32_t rank;  /* [0, 8] */
    int32_t dims[MAGIK_MAX_DIMS];
    int32_t count; /* elements */
    int32_t is_constant;
};

/* What a tensor's codes mean: real = scale * (q - zero_point); axes[i] is the source axis of dim i. */
struct magik_meaning {
    float scale, zero_point;
    int32_t bits;
    int32_t axes[MAGIK_MAX_DIMS];
    int32_t color;    /* enum magik_color, of inputs */
    const char *name; /* of inputs, outputs and states; else "" */
};

/* Where a file was refused: step and tensor are -1 where they do not apply. */
struct magik_fault {
    int32_t status, step, tensor;
};

/* Runs fn(arg, part) for part in [0, parts), in any order, and returns when all are done. */
struct magik_parallel {
    void (*run)(void *context, void (*fn)(void *arg, int32_t part), void *arg, int32_t parts);
    void *context;
    int32_t parts; /* >= 1 */
};

struct magik_net;

const char *magik_phrase(int32_t status);

/* Bytes that magik_load needs for this file, or 0 when its header is no good. */
size_t magik_net_bytes(const void *file, size_t size);
/* Checks the whole file and makes a net in `memory` (8-byte aligned). 0 or an enum magik_status. */
int32_t magik_load(struct magik_net **net, const void *file, size_t size, void *memory, size_t memory_bytes,
                   struct magik_fault *fault);
/* The kinds of kernels that this CPU and this library have; magik_load chooses among them. */
uint32_t magik_isas(void);
/* Choose among `isas` alone; forgets what was prepared. Before magik_set_arena. */
int32_t magik_set_isas(struct magik_net *net, uint32_t isas);
/* Memory, 64-byte aligned, in which fast kernels keep weights in an order of their own as long as the net
 * lives; without it they are not used. 0 bytes where none wants it. Before magik_set_arena. */
size_t magik_prepared_bytes(const struct magik_net *net);
int32_t magik_prepare(struct magik_net *net, void *memory, size_t bytes);

/* Give the inputs other sizes: `dims` holds MAGIK_MAX_DIMS words per input, in their order, as the board
 * stores them (NHWC), 0 beyond the input's rank; ranks stay. All shapes are inferred again and memory is
 * planned again: magik_arena_bytes changes, and data of every tensor that is no constant is NULL until
 * magik_set_arena. What was prepared stays. The file's own sizes bring its own plan back. Where an operator
 * cannot have these sizes, returns its status and says at which step; where a tensor or the arena would
 * reach 2 GiB, MAGIK_BAD_TENSOR and which tensor. The net is then exactly as it was. `fault` may be NULL. */
int32_t magik_reshape(struct magik_net *net, const int32_t *dims, struct magik_fault *fault);
/* Bytes of working memory for runs in up to `parts` parts. */
size_t magik_arena_bytes(const struct magik_net *net, int32_t parts);
/* Gives the net its working memory, 64-byte aligned. */
int32_t magik_set_arena(struct magik_net *net, void *arena, size_t bytes, int32_t parts);

/* Runs all steps, those that are too small to be worth it in one part, or one step in as many parts as there are;
 * `parallel` may be NULL: one thread. The same bits for any number of parts; more than magik_set_arena was told are
 * not used. */
void magik_run(struct magik_net *net, const struct magik_parallel *parallel);
void magik_run_step(struct magik_net *net, int32_t step, const struct magik_parallel *parallel);

/* A net with memory carries states from run to run: a run begins with what the one before it has left. They lie in
 * the memory that magik_load was given, so that arenas may be shared, moved and taken back between runs, and
 * magik_reshape keeps them. A run that is broken off between two steps leaves them as they were before it. Each net
 * has its own; for several streams, load the file several times. */
/* Begin anew: every state is real zero, as it is after magik_load. Not during a run. */
void magik_reset(struct magik_net *net);
int32_t magik_states(const struct magik_net *net);
int32_t magik_state(const struct magik_net *net, int32_t index); /* a tensor's index: a run reads the state there */

int32_t magik_steps(const struct magik_net *net);
const char *magik_step_kernel(const struct magik_net *net, int32_t step);
int32_t magik_step_isa(const struct magik_net *net, int32_t step); /* of the variant that was chosen */
int32_t magik_step_outputs(const struct magik_net *net, int32_t step);
int32_t magik_step_output(const struct magik_net *net, int32_t step, int32_t index); /* a tensor's index */

int32_t magik_tensors(const struct magik_net *net);
const struct magik_tensor *magik_tensor(const struct magik_net *net, int32_t index);
int32_t magik_inputs(const struct magik_net *net);
int32_t magik_outputs(const struct magik_net *net);
int32_t magik_input(const struct magik_net *net, int32_t index); /* a tensor's index */
int32_t magik_output(const struct magik_net *net, int32_t index);
void magik_meaning(const struct magik_net *net, int32_t tensor, struct magik_meaning *meaning);

/* The kernels in this library, for listing: NULL past the end. */
const char *magik_kernel_name(int32_t index);

#ifdef __cplusplus
}
#endif
#endif
