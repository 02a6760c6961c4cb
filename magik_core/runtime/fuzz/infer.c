/* Gives the outputs of a damaged program the shapes that its operators say, so that a change of sizes,
 * types or params runs where the operator takes it, instead of being refused for its output. */
#include <string.h>

#include "draft.h"
#include "op.h"

enum { MOST = 64 };

/* The tensor of a record, as far as the loader would take it; a constant with its data. */
static int tensor_of(struct draft *d, const struct file_tensor *f, struct magik_tensor *t)
{
    const struct piece *data = piece_of(d, FOURCC('D', 'A', 'T', 'A'));
    const int32_t size = magik_dtype_bytes((int32_t)(f->dtype & 7));
    int64_t count = 1;
    for (uint32_t i = 0; i < f->rank && i < 8; i++) {
        if (f->dims[i] < 1 || count * f->dims[i] > INT32_MAX / 4)
            return 0;
        count *= f->dims[i];
    }
    if (size == 0 || f->dtype > 7 || f->rank > 8)
        return 0;
    if (f->is_constant && (f->offset % 4 != 0 || f->offset > data->bytes || count * size > data->bytes - f->offset))
        return 0;
    *t = (struct magik_tensor){NULL, (int32_t)f->dtype, (int32_t)f->rank, {0}, (int32_t)count, f->is_constant != 0};
    memcpy(t->dims, f->dims, sizeof t->dims);
    t->data = f->is_constant ? data->data + f->offset : NULL;
    return 1;
}

static const struct magik_kernel *kernel_of(struct draft *d, uint32_t name)
{
    const struct piece *strings = piece_of(d, FOURCC('S', 'T', 'R', 'S'));
    for (const struct magik_kernel *k = magik_kernels; k->name != NULL; k++)
        if (name < strings->bytes && strcmp(k->name, (const char *)strings->data + name) == 0)
            return k;
    return NULL;
}

static int is_within(uint32_t first, uint32_t count, uint32_t all)
{
    return first <= all && count <= all - first;
}

/* Shapes of one step's outputs into their records; what the loader would refuse stays as it is. */
static void infer_step(struct draft *d, const struct file_step *s, struct file_tensor *records, uint32_t count)
{
    const struct piece *list = piece_of(d, FOURCC('L', 'I', 'S', 'T')), *params = piece_of(d, FOURCC('P', 'A', 'R', 'M'));
    const uint32_t *entries = (const void *)list->data;
    const struct magik_kernel *kernel = kernel_of(d, s->kernel);
    struct magik_tensor tensors[MOST], want[MOST], *in[MOST], *out[MOST];
    if (kernel == NULL || s->n_in < 1 || s->n_in > MOST || s->n_out < 1 || s->n_out > MOST ||
        !is_within(s->in, s->n_in, list->bytes / 4) || !is_within(s->out, s->n_out, list->bytes / 4) ||
        !is_within(s->params, s->n_params, params->bytes / 4))
        return;
    for (uint32_t i = 0; i < s->n_in; i++) {
        if (entries[s->in + i] >= count || !tensor_of(d, &records[entries[s->in + i]], &tensors[i]))
            return;
        in[i] = &tensors[i];
    }
    memset(want, 0, sizeof want);
    for (uint32_t i = 0; i < s->n_out; i++) {
        if (entries[s->out + i] >= count)
            return;
        out[i] = &want[i];
    }
    const struct magik_step n = {params->data + 4u * s->params, in, out, (int32_t)s->n_in, (int32_t)s->n_out, (int32_t)(4u * s->n_params), kernel->dtype, 0, 1, NULL, NULL};
    if (kernel->shape(&n, want) != MAGIK_OK)
        return;
    for (uint32_t i = 0; i < s->n_out; i++) {
        struct file_tensor *f = &records[entries[s->out + i]];
        f->dtype = (uint32_t)want[i].dtype;
        f->rank = (uint32_t)want[i].rank;
        memcpy(f->dims, want[i].dims, sizeof f->dims);
        for (int32_t k = 0; k < MAGIK_MAX_DIMS; k++)
            f->axes[k] = k;
    }
}

void infer(struct draft *d)
{
    const struct piece *tensors = piece_of(d, FOURCC('T', 'E', 'N', 'S')), *steps = piece_of(d, FOURCC('S', 'T', 'E', 'P'));
    const struct file_step *s = (const void *)steps->data;
    for (uint32_t i = 0; i < steps->bytes / (uint32_t)sizeof *s; i++)
        infer_step(d, &s[i], (void *)tensors->data, tensors->bytes / (uint32_t)sizeof(struct file_tensor));
}
