/* What a kernel sees. Each operator's <op>.c defines `struct params`, one check and its portable kernels:
 *
 *   int32_t magik_<op>_shape(const struct magik_step *n, struct magik_tensor *y);
 *   void magik_<op>_<dtype>(const struct magik_step *n);
 *
 * The check runs at load and at every reshape: it reads shapes, params and constant tables that may be
 * hostile, and says the shape and dtype of every output. The kernel then trusts them. Where output 0 may be
 * the bytes of input 0, which then need no copy, there is also
 *
 *   int32_t magik_<op>_is_view(const struct magik_step *n);
 *
 * A faster kernel stands in <op>_<isa>.c, gives the same bits, and reads and writes nothing outside its
 * tensors. What it does not cover it leaves to the portable kernel by calling it:
 *
 *   void magik_<op>_<dtype>_<isa>(const struct magik_step *n);
 *   size_t magik_<op>_<dtype>_<isa>_prepare(const struct magik_step *n, void *memory);   (optional)
 *   size_t magik_<op>_<dtype>_<isa>_scratch(const struct magik_step *n);                 (optional)
 *
 * `prepare` says how many bytes it wants for constants in an order of its own, 0 for none, and writes them
 * where `memory` is not NULL. It depends on constants and params alone, so that a reshape leaves it as it
 * is. `scratch` says how many bytes one part needs while it runs, for the shapes as they are. kernels.py
 * finds all of them by name. Constants are aligned to 4 bytes, activations to their element.
 */
#ifndef MAGIK_OP_H
#define MAGIK_OP_H

#include <string.h>

#include "magik/magik.h"

/* dtype of a kernel that moves elements of a size, whatever they mean: the suffixes x8, x16, x32 */
enum { MAGIK_X8 = 101, MAGIK_X16 = 102, MAGIK_X32 = 104 };
/* dtype of a kernel on u8 whose weights are s16 in the place of s8: the suffix u8_s16 */
enum { MAGIK_U8_S16 = 33 };
/* dtype of a kernel on u8 that rounds its sums twice, its weights s8 or s16: the suffix u8_twice */
enum { MAGIK_U8_TWICE = 34 };

struct magik_step {
    const void *params;
    struct magik_tensor *const *in, *const *out;
    int32_t n_in, n_out;
    int32_t params_bytes;
    int32_t dtype;        /* of the kernel, from its name */
    int32_t part, parts;  /* which share of the work to do, [0, parts) */
    const void *prepared; /* what the variant's prepare wrote; 64-byte aligned */
    void *scratch;        /* of this part; 64-byte aligned */
};

struct magik_variant {
    int32_t isa; /* enum magik_isa */
    void (*run)(const struct magik_step *n);
    size_t (*prepare)(const struct magik_step *n, void *memory); /* NULL: needs nothing */
    size_t (*scratch)(const struct magik_step *n);               /* NULL: needs nothing */
};

struct magik_kernel {
    const char *name;
    int32_t (*shape)(const struct magik_step *n, struct magik_tensor *y);
    int32_t (*is_view)(const struct magik_step *n); /* NULL: never */
    int32_t dtype;
    struct magik_variant portable;
    const struct magik_variant *faster; /* the slowest first; ends with a NULL run; NULL: none */
};
extern const struct magik_kernel magik_kernels[]; /* ends with a NULL name */

int32_t magik_dtype_bytes(int32_t dtype); /* 0 for an unknown one */

/* The largest code that the kernel's storage holds. */
static inline int32_t op_top(const struct magik_step *n)
{
    return n->dtype == MAGIK_U16 ? UINT16_MAX : UINT8_MAX;
}

/* Share of `total` items that this part does: [*begin, *end). */
static inline void op_span(const struct magik_step *n, int32_t total, int32_t *begin, int32_t *end)
{
    *begin = (int32_t)((int64_t)total * n->part / n->parts);
    *end = (int32_t)((int64_t)total * (n->part + 1) / n->parts);
}

/* Whether inputs, outputs and params are as many as the operator has. */
static inline int op_has(const struct magik_step *n, int32_t n_in, int32_t n_out, size_t params)
{
    return n->n_in == n_in && n->n_out == n_out && (size_t)n->params_bytes == params;
}

static inline int op_is(const struct magik_tensor *t, int32_t dtype, int32_t rank)
{
    return t->dtype == dtype && t->rank == rank;
}

/* Whether a tensor holds elements of the kernel's size. */
static inline int op_fits(const struct magik_step *n, const struct magik_tensor *t)
{
    return n->dtype >= MAGIK_X8 ? magik_dtype_bytes(t->dtype) == n->dtype - 100 : t->dtype == n->dtype;
}

static inline int op_same_shape(const struct magik_tensor *a, const struct magik_tensor *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, sizeof(int32_t) * (size_t)a->rank) == 0;
}

static inline int op_between(int32_t v, int32_t low, int32_t high)
{
    return v >= low && v <= high;
}

/* A constant s32 table of `count` values in [low, high]. */
static inline int op_table(const struct magik_tensor *t, int32_t count, int32_t low, int32_t high)
{
    if (t->dtype != MAGIK_S32 || !t->is_constant || t->count != count)
        return 0;
    for (int32_t i = 0; i < count; i++)
        if (!op_between(((const int32_t *)t->data)[i], low, high))
            return 0;
    return 1;
}

/* Product of dims [from, to). */
static inline int32_t op_product(const struct magik_tensor *t, int32_t from, int32_t to)
{
    int32_t n = 1;
    for (int32_t i = from; i < to; i++)
        n *= t->dims[i];
    return n;
}

/* Make `y` like `x`. */
static inline void op_like(struct magik_tensor *y, const struct magik_tensor *x)
{
    y->dtype = x->dtype;
    y->rank = x->rank;
    memcpy(y->dims, x->dims, sizeof y->dims);
}

#endif
