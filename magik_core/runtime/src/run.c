/* Runs a loaded net, and says what is in it. After load nothing here can fail. */
#include "net.h"

/* Work in bytes that fast kernels read and write: below, handing a part over takes longer than doing it. */
enum { SHARED_WORK = 48 * 1024, SLOWER = 16, PRODUCTS = 16, COPIED = 4 };

/* Of one part. */
static size_t scratch_bytes(const struct magik_net *net)
{
    size_t most = 0;
    for (int32_t i = 0; i < net->n_steps; i++)
        most = net->steps[i].scratch_bytes > most ? net->steps[i].scratch_bytes : most;
    return net_round(most, NET_LINE);
}

/* SIZE_MAX, which nobody has, where a size_t cannot say it. */
size_t magik_arena_bytes(const struct magik_net *net, int32_t parts)
{
    const size_t plan = net_round(net->plan_bytes, NET_LINE), scratch = scratch_bytes(net), many = (size_t)(parts < 1 ? 1 : parts);
    return scratch > (SIZE_MAX - plan) / many ? SIZE_MAX : plan + scratch * many;
}

int32_t magik_set_arena(struct magik_net *net, void *arena, size_t bytes, int32_t parts)
{
    const size_t need = magik_arena_bytes(net, parts);
    if (parts < 1 || bytes < need || (need > 0 && (arena == NULL || (uintptr_t)arena % NET_LINE != 0)))
        return MAGIK_NO_MEMORY;
    net->parts = parts;
    for (int32_t i = 0; i < net->n_tensors; i++)
        if (!net->tensors[i].is_constant)
            net->tensors[i].data = (uint8_t *)arena + net->places[i].offset;
    for (int32_t i = 0; i < net->n_steps; i++)
        net->steps[i].step.scratch = (uint8_t *)arena + net_round(net->plan_bytes, NET_LINE);
    return MAGIK_OK;
}

static void run_part(void *arg, int32_t part)
{
    const struct net_step *s = arg;
    struct magik_step n = s->step;
    n.part = part;
    n.scratch = (uint8_t *)n.scratch + net_round(s->scratch_bytes, NET_LINE) * (size_t)part;
    s->variant->run(&n);
}

static void run_in_parts(struct magik_net *net, struct net_step *s, const struct magik_parallel *parallel)
{
    const int32_t wanted = parallel == NULL ? 1 : parallel->parts;
    const int32_t parts = wanted < net->parts ? wanted : net->parts;
    if (parts <= 1) {
        s->variant->run(&s->step);
        return;
    }
    s->step.parts = parts;
    parallel->run(parallel->context, run_part, s, parts);
    s->step.parts = 1;
}

void magik_run_step(struct magik_net *net, int32_t step, const struct magik_parallel *parallel)
{
    if (step == 0)
        net_bring_states(net);
    run_in_parts(net, &net->steps[step], parallel);
    if (step == net->n_steps - 1)
        net_keep_states(net);
}

/* Whether a step is worth several threads. A guess from the sizes of its tensors: fast kernels multiply PRODUCTS
 * weights while they read or write one byte, portable arithmetic is SLOWER, and COPIED bytes cost one. */
static int is_shared(const struct net_step *s)
{
    const struct magik_step *n = &s->step;
    const struct magik_tensor *y = n->out[0];
    uint64_t work = 0;
    for (int32_t i = 0; i < n->n_in; i++) {
        const struct magik_tensor *x = n->in[i];
        if (!x->is_constant)
            work += net_bytes(x);
        else if ((x->dtype == MAGIK_S8 || x->dtype == MAGIK_S16) && y->rank > 0)
            work += (uint64_t)(uint32_t)(y->count / y->dims[y->rank - 1]) * (uint32_t)x->count / PRODUCTS;
    }
    for (int32_t i = 0; i < n->n_out; i++)
        work += net_bytes(n->out[i]);
    if (n->dtype >= MAGIK_X8)
        return work >= SHARED_WORK * COPIED;
    return work >= (s->variant->isa < MAGIK_AVX2 ? SHARED_WORK / SLOWER : SHARED_WORK);
}

void magik_run(struct magik_net *net, const struct magik_parallel *parallel)
{
    for (int32_t i = 0; i < net->n_steps; i++)
        magik_run_step(net, i, parallel != NULL && is_shared(&net->steps[i]) ? parallel : NULL);
}

int32_t magik_steps(const struct magik_net *net)
{
    return net->n_steps;
}

int32_t magik_step_isa(const struct magik_net *net, int32_t step)
{
    return net->steps[step].variant->isa;
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
    meaning->color = MAGIK_NO_COLOR;
    for (int32_t i = 0; i < net->n_ports; i++)
        if (net->ports[i].tensor == (uint32_t)tensor) {
            meaning->name = net->strings + net->ports[i].name;
            meaning->color = (int32_t)net->ports[i].color;
        }
    for (int32_t i = 0; i < net->n_states; i++)
        if (net->states[i].before == (uint32_t)tensor)
            meaning->name = net->strings + net->states[i].name;
}

const char *magik_kernel_name(int32_t index)
{
    return magik_kernels[index].name;
}
