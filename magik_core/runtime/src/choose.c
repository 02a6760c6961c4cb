/* Which variant of a kernel each step runs, and what it keeps in memory. All give the same bits. */
#include "net.h"

uint32_t magik_isas(void)
{
    return cpu_isas() | 1u << MAGIK_PORTABLE;
}

/* The fastest variant that may be chosen; one that needs preparing only where there is memory for it. */
static const struct magik_variant *fastest(const struct net_step *s, uint32_t isas, int may_prepare)
{
    const struct magik_variant *best = &s->kernel->portable;
    for (const struct magik_variant *v = s->kernel->faster; v != NULL && v->run != NULL; v++)
        if ((isas >> v->isa & 1u) != 0 && (may_prepare || v->prepare == NULL || v->prepare(&s->step, NULL) == 0))
            best = v;
    return best;
}

void net_choose(struct magik_net *net)
{
    for (int32_t i = 0; i < net->n_steps; i++) {
        struct net_step *s = &net->steps[i];
        s->variant = fastest(s, net->isas, net->prepared != NULL);
        s->scratch_bytes = s->variant->scratch == NULL ? 0 : s->variant->scratch(&s->step);
    }
}

int32_t magik_set_isas(struct magik_net *net, uint32_t isas)
{
    /* FP64 is plain C that only pays on a MIPS, and runs anywhere */
    if ((isas & ~(magik_isas() | 1u << MAGIK_FP64)) != 0)
        return MAGIK_BAD_ARGUMENT;
    net->isas = isas;
    net->prepared = NULL;
    net_choose(net);
    return MAGIK_OK;
}

static size_t bytes_of(const struct net_step *s, uint32_t isas, void *memory)
{
    const struct magik_variant *v = fastest(s, isas, 1);
    return v->prepare == NULL ? 0 : net_round(v->prepare(&s->step, memory), NET_LINE);
}

size_t magik_prepared_bytes(const struct magik_net *net)
{
    size_t total = 0;
    for (int32_t i = 0; i < net->n_steps; i++)
        total += bytes_of(&net->steps[i], net->isas, NULL);
    return total;
}

int32_t magik_prepare(struct magik_net *net, void *memory, size_t bytes)
{
    const size_t need = magik_prepared_bytes(net);
    if (bytes < need || (need > 0 && (memory == NULL || (uintptr_t)memory % NET_LINE != 0)))
        return MAGIK_NO_MEMORY;
    if (need == 0)
        return MAGIK_OK;
    net->prepared = memory;
    uint8_t *at = memory;
    for (int32_t i = 0; i < net->n_steps; i++) {
        struct net_step *s = &net->steps[i];
        s->step.prepared = at;
        at += bytes_of(s, net->isas, at);
    }
    net_choose(net);
    return MAGIK_OK;
}
