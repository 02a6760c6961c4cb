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

struct magik_net {
    int32_t n_tensors, n_steps, n_list, n_ports, n_inputs;
    uint32_t isas;       /* bits of enum magik_isa: variants that may be chosen */
    int32_t parts;       /* that there is scratch for */
    size_t plan_bytes;   /* of the activations */
    uint8_t *prepared;   /* NULL until magik_prepare */
    const struct file_tensor *file_tensors;
    const struct file_step *file_steps;
    const struct file_port *ports; /* inputs first */
    const char *strings;
    struct magik_tensor *tensors;
    struct net_step *steps;
    struct magik_tensor **list; /* inputs and outputs of all steps */
};

/* Kinds of kernels that this CPU runs beside the portable ones. */
uint32_t cpu_isas(void);
/* Choose a variant for every step and ask it what it needs; after load, prepare and reshape. */
void net_choose(struct magik_net *net);

#endif
