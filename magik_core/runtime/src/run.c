/* Runs a loaded net, and says what is in it. After load nothing here can fail. */
#include "net.h"

size_t magik_arena_bytes(const struct magik_net *net)
{
    return net->arena_bytes;
}

int32_t magik_set_arena(struct magik_net *net, void *arena, size_t bytes)
{
    if (bytes < net->arena_bytes || (net->arena_bytes > 0 && (arena == NULL || (uintptr_t)arena % 64 != 0)))
        return MAGIK_NO_MEMORY;
    for (int32_t i = 0; i < net->n_tensors; i++)
        if (!net->tensors[i].is_constant)
            net->tensors[i].data = (uint8_t *)arena + net->file_tensors[i].offset;
    return MAGIK_OK;
}

static void run_part(void *arg, int32_t part)
{
    const struct net_step *s = arg;
    struct magik_step n = s->step;
    n.part = part;
    s->kernel->run(&n);
}

void magik_run_step(struct magik_net *net, int32_t step, const struct magik_parallel *parallel)
{
    struct net_step *s = &net->steps[step];
    if (parallel == NULL || parallel->parts <= 1) {
        s->kernel->run(&s->step);
        return;
    }
    s->step.parts = parallel->parts;
    parallel->run(parallel->context, run_part, s, parallel->parts);
    s->step.parts = 1;
}

void magik_run(struct magik_net *net, const struct magik_parallel *parallel)
{
    for (int32_t i = 0; i < net->n_steps; i++)
        magik_run_step(net, i, parallel);
}

int32_t magik_steps(const struct magik_net *net)
{
    return net->n_steps;
}

const char *magik_step_kernel(const struct magik_net *net, int32_t step)
{
    return net->steps[step].kernel->name;
}

int32_t magik_step_outputs(const struct magik_net *net, int32_t step)
{
    return net->steps[step].step.n_out;
}

int32_t magik_step_output(const struct magik_net *net, int32_t step, int32_t index)
{
    return (int32_t)(net->steps[step].step.out[index] - net->tensors);
}

int32_t magik_tensors(const struct magik_net *net)
{
    return net->n_tensors;
}

const struct magik_tensor *magik_tensor(const struct magik_net *net, int32_t index)
{
    return &net->tensors[index];
}

int32_t magik_inputs(const struct magik_net *net)
{
    return net->n_inputs;
}

int32_t magik_outputs(const struct magik_net *net)
{
    return net->n_ports - net->n_inputs;
}

int32_t magik_input(const struct magik_net *net, int32_t index)
{
    return (int32_t)net->ports[index].tensor;
}

int32_t magik_output(const struct magik_net *net, int32_t index)
{
    return (int32_t)net->ports[net->n_inputs + index].tensor;
}

void magik_meaning(const struct magik_net *net, int32_t tensor, struct magik_meaning *meaning)
{
    const struct file_tensor *f = &net->file_tensors[tensor];
    meaning->scale = f->scale;
    meaning->zero_point = f->zero_point;
    meaning->bits = (int32_t)f->bits;
    memcpy(meaning->axes, f->axes, sizeof meaning->axes);
    meaning->name = "";
    for (int32_t i = 0; i < net->n_ports; i++)
        if (net->ports[i].tensor == (uint32_t)tensor)
            meaning->name = net->strings + net->ports[i].name;
}

const char *magik_kernel_name(int32_t index)
{
    return magik_kernels[index].name;
}
