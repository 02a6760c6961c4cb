/* Asks a loaded net for other sizes of its inputs: some that it may have, some that nothing can have. */
#include <stdlib.h>

#include "resize.h"

/* What a refused reshape has to leave alone. */
struct state {
    struct magik_net net;
    struct magik_tensor *tensors;
    uint32_t *offsets;
};

static struct state state_of(const struct magik_net *net)
{
    const size_t count = (size_t)net->n_tensors;
    struct state s = {*net, malloc(count * sizeof *s.tensors), malloc(count * sizeof *s.offsets)};
    if (count > 0 && (s.tensors == NULL || s.offsets == NULL))
        exit(2);
    for (size_t i = 0; i < count; i++) {
        s.tensors[i] = net->tensors[i];
        s.offsets[i] = net->places[i].offset;
    }
    return s;
}

static int is_as_it_was(const struct magik_net *net, const struct state *s)
{
    for (int32_t i = 0; i < net->n_tensors; i++)
        if (memcmp(&net->tensors[i], &s->tensors[i], sizeof *s->tensors) != 0 || net->places[i].offset != s->offsets[i])
            return 0;
    return memcmp(net, &s->net, sizeof *net) == 0;
}

static int32_t other_size(int32_t size, struct random *r)
{
    static const int32_t hostile[] = {0, -1, INT32_MIN, INT32_MAX, INT32_MAX / 4, 1 << 20, 65536};
    switch (random_below(r, 16)) {
    case 0:
        return hostile[random_below(r, sizeof hostile / sizeof *hostile)];
    case 1:
    case 2:
        return 1 + (int32_t)random_below(r, 12);
    case 3:
    case 4:
    case 5:
        return size > 0 && size < 64 ? 2 * size : 1;
    default:
        return size > 0 && size < INT32_MAX - 4 ? size + (int32_t)random_below(r, 6) - 2 : 1;
    }
}

/* Sizes near those that the inputs have: one or two axes change, in all inputs alike or in one. */
static void vary(const struct magik_net *net, struct random *r, int32_t *dims)
{
    const int32_t all = (int32_t)random_below(r, 2), inputs = magik_inputs(net);
    for (int32_t change = 0; change < 1 + (int32_t)random_below(r, 2) && inputs > 0; change++) {
        const int32_t axis = (int32_t)random_below(r, MAGIK_MAX_DIMS), only = (int32_t)random_below(r, (uint32_t)inputs);
        const int32_t size = other_size(dims[only * MAGIK_MAX_DIMS + axis], r);
        for (int32_t i = 0; i < inputs; i++)
            if ((all || i == only) && (axis < magik_tensor(net, magik_input(net, i))->rank || random_below(r, 64) == 0))
                dims[i * MAGIK_MAX_DIMS + axis] = size;
    }
}

int32_t resize(struct magik_net *net, struct random *r)
{
    const size_t words = (size_t)magik_inputs(net) * MAGIK_MAX_DIMS;
    int32_t *dims = calloc(words + 1, sizeof *dims);
    struct magik_fault fault = {0, -1, -1};
    struct state before = state_of(net);
    if (dims == NULL)
        exit(2);
    for (int32_t i = 0; i < magik_inputs(net); i++)
        memcpy(dims + i * MAGIK_MAX_DIMS, magik_tensor(net, magik_input(net, i))->dims, sizeof(int32_t) * MAGIK_MAX_DIMS);
    if (random_below(r, 8) != 0)
        vary(net, r, dims);
    const int32_t status = magik_reshape(net, dims, &fault);
    if (status != MAGIK_OK && (fault.status != status || !is_as_it_was(net, &before)))
        abort();
    free(before.tensors);
    free(before.offsets);
    free(dims);
    return status;
}
