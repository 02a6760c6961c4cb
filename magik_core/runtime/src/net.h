/* A loaded net. */
#ifndef MAGIK_NET_H
#define MAGIK_NET_H

#include "crc32.h"
#include "file.h"
#include "op.h"

struct net_step {
    const struct magik_kernel *kernel;
    const struct magik_variant *variant;
    struct magik_step step;
    size_t scratch_bytes; /* of one part */
};

/* Where a tensor lies, and what the planner knows of it. Moments are steps, -1 before the first one. */
struct net_place {
    uint32_t offset;     /* in the arena, of the plan in use */
    uint32_t found;      /* the offset that the planner tries */
    uint32_t bytes;      /* a multiple of 64 */
    int32_t storage;     /* the tensor whose bytes it takes: itself, unless they share */
    int32_t first, last; /* moments from which and until which its bytes matter */
};

struct magik_net {
    int32_t n_tensors, n_steps, n_list, n_ports, n_inputs, n_states;
    uint32_t isas;       /* bits of enum magik_isa: variants that may be chosen */
    int32_t parts;       /* that there is scratch for */
    size_t plan_bytes;   /* of the activations */
    size_t file_bytes;   /* of the activations by the file's own plan */
    uint8_t *prepared;   /* NULL until magik_prepare */
    const struct file_tensor *file_tensors;
    const struct file_step *file_steps;
    const struct file_port *ports; /* inputs first */
    const struct file_state *states;
    size_t state_bytes;  /* of `kept` */
    const char *strings;
    struct magik_tensor *tensors;
    struct net_step *steps;
    struct magik_tensor **list; /* inputs and outputs of all steps */
    struct net_place *places;   /* of each tensor */
    uint8_t *kept;              /* the states between two runs, one after the other, each rounded up to 8 bytes */
    /* for magik_reshape, of each tensor */
    struct magik_tensor *before;     /* what it was */
    int32_t *order, *best, *placed;  /* tensors, as the planner takes them; in order of offsets */
};

enum { NET_LINE = 64, NET_STATE = 8 }; /* bytes: what tensors in the arena, and kept states, are rounded up to */

static inline size_t net_round(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) & ~(unit - 1);
}

static inline int32_t net_index(const struct magik_net *net, const struct magik_tensor *t)
{
    return (int32_t)(t - net->tensors);
}

static inline size_t net_bytes(const struct magik_tensor *t)
{
    return (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype);
}

/* Kinds of kernels that this CPU runs beside the portable ones. */
uint32_t cpu_isas(void);
/* Choose a variant for every step and ask it what it needs; after load, prepare and reshape. */
void net_choose(struct magik_net *net);
/* Give a tensor of known rank these sizes; 0 where no tensor can have them. */
int32_t net_set_dims(struct magik_tensor *t, const int32_t *dims);
/* Bring the states to where a run reads them, before its first step; and keep them, after its last. */
void net_bring_states(const struct magik_net *net);
void net_keep_states(const struct magik_net *net);
/* Give every activation a place for the sizes that the tensors have now. -1, or, with the places as they
 * were, the largest tensor: there is no room for it. */
int32_t net_plan(struct magik_net *net);

#endif
