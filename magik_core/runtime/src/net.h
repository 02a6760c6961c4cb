/* A loaded net. */
#ifndef MAGIK_NET_H
#define MAGIK_NET_H

#include "crc32.h"
#include "file.h"
#include "op.h"

struct net_step {
    const struct magik_kernel *kernel;
    struct magik_step step;
};

struct magik_net {
    int32_t n_tensors, n_steps, n_list, n_ports, n_inputs;
    size_t arena_bytes;
    const struct file_tensor *file_tensors;
    const struct file_step *file_steps;
    const struct file_port *ports; /* inputs first */
    const char *strings;
    struct magik_tensor *tensors;
    struct net_step *steps;
    struct magik_tensor **list; /* inputs and outputs of all steps */
};

#endif
