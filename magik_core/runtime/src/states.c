/* What a net carries from run to run. States lie in the net's own memory, not in the arena, which nets may share and
 * the caller may take back; a run begins with a copy of them and ends with another. */
#include "net.h"

static size_t bytes_of(const struct magik_net *net, uint32_t tensor)
{
    return net->file_tensors[tensor].bytes;
}

/* Where the state behind one of these bytes begins. */
static uint8_t *next(uint8_t *kept, size_t bytes)
{
    return kept + net_round(bytes, NET_STATE);
}

void net_bring_states(const struct magik_net *net)
{
    uint8_t *from = net->kept;
    for (int32_t i = 0; i < net->n_states; i++) {
        const uint32_t tensor = net->states[i].before;
        memcpy(net->tensors[tensor].data, from, bytes_of(net, tensor));
        from = next(from, bytes_of(net, tensor));
    }
}

void net_keep_states(const struct magik_net *net)
{
    uint8_t *to = net->kept;
    for (int32_t i = 0; i < net->n_states; i++) {
        const uint32_t tensor = net->states[i].after;
        memcpy(to, net->tensors[tensor].data, bytes_of(net, tensor));
        to = next(to, bytes_of(net, tensor));
    }
}

/* The code of real zero, a half rounded up as Quantize does; 0 where there are no codes. */
static uint32_t zero_of(const struct file_tensor *f)
{
    const uint32_t top = (1u << f->bits) - 1;
    if (f->bits == 0)
        return 0;
    const uint32_t code = (uint32_t)(f->zero_point + 0.5f);
    return code < top ? code : top;
}

static void fill(uint8_t *to, const struct file_tensor *f)
{
    const uint32_t code = zero_of(f), size = (uint32_t)magik_dtype_bytes((int32_t)f->dtype);
    for (uint32_t i = 0; i < f->bytes; i++)
        to[i] = (uint8_t)(code >> 8 * (i % size));
}

void magik_reset(struct magik_net *net)
{
    uint8_t *to = net->kept;
    for (int32_t i = 0; i < net->n_states; i++) {
        const struct file_tensor *f = &net->file_tensors[net->states[i].before];
        fill(to, f);
        to = next(to, f->bytes);
    }
}

int32_t magik_states(const struct magik_net *net)
{
    return net->n_states;
}

int32_t magik_state(const struct magik_net *net, int32_t index)
{
    return (int32_t)net->states[index].before;
}
