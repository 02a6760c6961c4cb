/* Other sizes of the inputs: shapes inferred again, memory planned again. What is in the file was checked
 * when it was loaded; what follows from the sizes is checked here. */
#include "net.h"

static int32_t fail(struct magik_fault *fault, int32_t status, int32_t step, int32_t tensor)
{
    if (fault != NULL)
        *fault = (struct magik_fault){status, step, tensor};
    return status;
}

static int is_as_in_file(const struct magik_net *net, const int32_t *dims)
{
    for (int32_t i = 0; i < net->n_inputs; i++, dims += MAGIK_MAX_DIMS) {
        const struct file_tensor *f = &net->file_tensors[net->ports[i].tensor];
        if (memcmp(f->dims, dims, sizeof f->dims) != 0)
            return 0;
    }
    return 1;
}

static void restore_file(struct magik_net *net)
{
    for (int32_t i = 0; i < net->n_tensors; i++) {
        net_set_dims(&net->tensors[i], net->file_tensors[i].dims);
        net->places[i].offset = net->file_tensors[i].offset;
    }
    net->plan_bytes = net->file_bytes;
}

/* `is_known` says of each tensor whether its sizes are known by now. */
static int32_t set_inputs(struct magik_net *net, const int32_t *dims, int32_t *is_known, struct magik_fault *fault)
{
    for (int32_t i = 0; i < net->n_inputs; i++, dims += MAGIK_MAX_DIMS) {
        const int32_t index = magik_input(net, i);
        struct magik_tensor *t = &net->tensors[index];
        int is_sane = !is_known[index];
        for (int32_t k = t->rank; k < MAGIK_MAX_DIMS; k++)
            is_sane &= dims[k] == 0;
        if (!is_sane || !net_set_dims(t, dims))
            return fail(fault, MAGIK_BAD_TENSOR, -1, index);
        is_known[index] = 1;
    }
    return MAGIK_OK;
}

/* States keep the sizes of the file. */
static void set_states(struct magik_net *net, int32_t *is_known)
{
    for (int32_t i = 0; i < net->n_states; i++) {
        const uint32_t index = net->states[i].before;
        net_set_dims(&net->tensors[index], net->file_tensors[index].dims);
        is_known[index] = 1;
    }
}

static int32_t check_states(const struct magik_net *net, struct magik_fault *fault)
{
    for (int32_t i = 0; i < net->n_states; i++)
        if (!op_same_shape(&net->tensors[net->states[i].before], &net->tensors[net->states[i].after]))
            return fail(fault, MAGIK_BAD_SHAPE, -1, (int32_t)net->states[i].after);
    return MAGIK_OK;
}

/* The loader takes steps in any order; here one that reads what is not known yet would be asked about sizes
 * that change later, so each tensor has to be written once, before it is read. */
static int32_t infer_step(struct magik_net *net, int32_t step, int32_t *is_known, struct magik_fault *fault)
{
    const struct net_step *s = &net->steps[step];
    struct magik_tensor want[MAX_OUTPUTS];
    memset(want, 0, sizeof want);
    for (int32_t k = 0; k < s->step.n_in; k++)
        if (!s->step.in[k]->is_constant && !is_known[net_index(net, s->step.in[k])])
            return fail(fault, MAGIK_BAD_STEP, step, net_index(net, s->step.in[k]));
    const int32_t status = s->kernel->shape(&s->step, want);
    if (status != MAGIK_OK)
        return fail(fault, status, step, -1);
    for (int32_t k = 0; k < s->step.n_out; k++) {
        struct magik_tensor *y = s->step.out[k];
        const int32_t index = net_index(net, y);
        if (is_known[index])
            return fail(fault, MAGIK_BAD_STEP, step, index);
        if (!op_is(y, want[k].dtype, want[k].rank))
            return fail(fault, MAGIK_BAD_SHAPE, step, index);
        if (!net_set_dims(y, want[k].dims))
            return fail(fault, MAGIK_BAD_TENSOR, step, index);
        is_known[index] = 1;
    }
    return MAGIK_OK;
}

static int32_t infer(struct magik_net *net, const int32_t *dims, struct magik_fault *fault)
{
    int32_t *is_known = net->order; /* the planner needs it later */
    memset(is_known, 0, sizeof *is_known * (size_t)net->n_tensors);
    int32_t status = set_inputs(net, dims, is_known, fault);
    set_states(net, is_known);
    for (int32_t i = 0; i < net->n_steps && status == MAGIK_OK; i++)
        status = infer_step(net, i, is_known, fault);
    return status == MAGIK_OK ? check_states(net, fault) : status;
}

/* The places that the planner found are those in use from now on; memory for them is still to come. */
static void commit(struct magik_net *net)
{
    for (int32_t i = 0; i < net->n_tensors; i++)
        if (!net->tensors[i].is_constant)
            net->tensors[i].data = NULL;
    for (int32_t i = 0; i < net->n_steps; i++)
        net->steps[i].step.scratch = NULL;
    net->parts = 0;
    net_choose(net);
}

int32_t magik_reshape(struct magik_net *net, const int32_t *dims, struct magik_fault *fault)
{
    if (net == NULL || dims == NULL)
        return fail(fault, MAGIK_BAD_ARGUMENT, -1, -1);
    if (is_as_in_file(net, dims)) {
        restore_file(net);
        commit(net);
        return MAGIK_OK;
    }
    const size_t bytes = sizeof *net->tensors * (size_t)net->n_tensors;
    memcpy(net->before, net->tensors, bytes);
    int32_t status = infer(net, dims, fault);
    if (status == MAGIK_OK) {
        const int32_t tensor = net_plan(net);
        status = tensor < 0 ? MAGIK_OK : fail(fault, MAGIK_BAD_TENSOR, -1, tensor);
    }
    if (status != MAGIK_OK) {
        memcpy(net->tensors, net->before, bytes);
        return status;
    }
    commit(net);
    return MAGIK_OK;
}
