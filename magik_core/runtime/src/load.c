/* Reads a model file into a net. Everything in the file is distrusted, and checked here once. */
#include <float.h>

#include "net.h"

struct reader {
    const uint8_t *file;
    size_t size;
    const struct file_header *header;
    const struct file_section *sections;
    struct magik_fault *fault;
};

struct span {
    const uint8_t *data;
    uint32_t bytes;
};

static const char *const phrases[] = {
    "done",
    "not a magik model file",
    "made for a newer reader",
    "cut short",
    "a checksum does not match",
    "a section is missing or out of place",
    "a tensor's type, size or place is wrong",
    "a step's inputs, outputs or parameters do not fit its kernel",
    "a kernel is not in this library",
    "a parameter of a step is out of its range",
    "a step's shapes do not fit each other",
    "not enough memory was given",
    "an argument is wrong",
};

const char *magik_phrase(int32_t status)
{
    return status > 0 || status < MAGIK_BAD_ARGUMENT ? "unknown status" : phrases[-status];
}

int32_t magik_dtype_bytes(int32_t dtype)
{
    static const int8_t bytes[] = {0, 1, 1, 2, 2, 4, 4, 1, 8};
    return dtype < 0 || dtype > MAGIK_S64 ? 0 : bytes[dtype];
}

static int32_t fail(struct reader *r, int32_t status, int32_t step, int32_t tensor)
{
    if (r->fault != NULL)
        *r->fault = (struct magik_fault){status, step, tensor};
    return status;
}

static int32_t check_header(struct reader *r)
{
    const struct file_header *h = (const struct file_header *)(const void *)r->file;
    if (r->file == NULL || (uintptr_t)r->file % 4 != 0)
        return fail(r, MAGIK_BAD_ARGUMENT, -1, -1);
    if (r->size < sizeof *h || memcmp(h->magic, FILE_MAGIC, sizeof h->magic) != 0)
        return fail(r, MAGIK_NOT_A_MODEL, -1, -1);
    if (h->reader > MAGIK_READER_VERSION)
        return fail(r, MAGIK_TOO_NEW, -1, -1);
    if (h->bytes > r->size || h->bytes < sizeof *h || h->sections > MAX_SECTIONS ||
        h->sections * sizeof(struct file_section) > h->bytes - sizeof *h)
        return fail(r, MAGIK_TRUNCATED, -1, -1);
    uint8_t head[sizeof *h + MAX_SECTIONS * sizeof(struct file_section)];
    const size_t bytes = sizeof *h + h->sections * sizeof(struct file_section);
    memcpy(head, r->file, bytes);
    memset(head + offsetof(struct file_header, crc), 0, sizeof h->crc);
    if (crc32_of(head, bytes) != h->crc)
        return fail(r, MAGIK_BAD_CHECKSUM, -1, -1);
    r->header = h;
    r->sections = (const struct file_section *)(const void *)(r->file + sizeof *h);
    return MAGIK_OK;
}

/* A section's bytes; a missing one is empty. */
static struct span section(const struct reader *r, uint32_t kind)
{
    for (uint32_t i = 0; i < r->header->sections; i++)
        if (r->sections[i].kind == kind)
            return (struct span){r->file + r->sections[i].offset, r->sections[i].bytes};
    return (struct span){NULL, 0};
}

static int32_t check_sections(struct reader *r)
{
    for (uint32_t i = 0; i < r->header->sections; i++) {
        const struct file_section *s = &r->sections[i];
        if (s->offset % 4 != 0 || s->offset > r->header->bytes || s->bytes > r->header->bytes - s->offset)
            return fail(r, MAGIK_BAD_SECTION, -1, -1);
        if (crc32_of(r->file + s->offset, s->bytes) != s->crc)
            return fail(r, MAGIK_BAD_CHECKSUM, -1, -1);
    }
    const struct span strings = section(r, FOURCC('S', 'T', 'R', 'S'));
    if (strings.bytes > 0 && strings.data[strings.bytes - 1] != 0)
        return fail(r, MAGIK_BAD_SECTION, -1, -1);
    return MAGIK_OK;
}

/* How many bytes the states take, as the records say, which are still to be checked. */
static int32_t measure_states(struct reader *r, struct magik_net *net)
{
    uint64_t bytes = 0;
    for (int32_t i = 0; i < net->n_states; i++) {
        if (net->states[i].before >= (uint32_t)net->n_tensors)
            return fail(r, MAGIK_BAD_SECTION, -1, -1);
        bytes += net_round(net->file_tensors[net->states[i].before].bytes, NET_STATE);
        if (bytes > INT32_MAX)
            return fail(r, MAGIK_BAD_SECTION, -1, -1);
    }
    net->state_bytes = (size_t)bytes;
    return MAGIK_OK;
}

/* Counts and pointers of the net from the sections; of the records only the states' sizes are looked at yet. */
static int32_t count_records(struct reader *r, struct magik_net *net)
{
    const struct span tensors = section(r, FOURCC('T', 'E', 'N', 'S')), steps = section(r, FOURCC('S', 'T', 'E', 'P'));
    const struct span list = section(r, FOURCC('L', 'I', 'S', 'T')), ports = section(r, FOURCC('P', 'O', 'R', 'T'));
    const struct span states = section(r, FOURCC('S', 'T', 'A', 'T'));
    if (tensors.bytes % sizeof(struct file_tensor) != 0 || steps.bytes % sizeof(struct file_step) != 0 ||
        list.bytes % 4 != 0 || ports.bytes % sizeof(struct file_port) != 0 || states.bytes % sizeof(struct file_state) != 0)
        return fail(r, MAGIK_BAD_SECTION, -1, -1);
    net->n_tensors = (int32_t)(tensors.bytes / sizeof(struct file_tensor));
    net->n_steps = (int32_t)(steps.bytes / sizeof(struct file_step));
    net->n_list = (int32_t)(list.bytes / 4);
    net->n_ports = (int32_t)(ports.bytes / sizeof(struct file_port));
    net->n_states = (int32_t)(states.bytes / sizeof(struct file_state));
    if (net->n_tensors > MAX_COUNT || net->n_steps > MAX_COUNT || net->n_list > MAX_COUNT || net->n_ports > MAX_COUNT ||
        net->n_states > MAX_COUNT || r->header->arena > INT32_MAX)
        return fail(r, MAGIK_BAD_SECTION, -1, -1);
    net->plan_bytes = net->file_bytes = r->header->arena;
    net->file_tensors = (const void *)tensors.data;
    net->file_steps = (const void *)steps.data;
    net->ports = (const void *)ports.data;
    net->states = (const void *)states.data;
    return measure_states(r, net);
}

/* The next `count` items of `size` bytes from *at on. */
static void *take(uintptr_t *at, int32_t count, size_t size)
{
    void *items = (void *)*at;
    *at += net_round(size * (size_t)count, 8);
    return items;
}

/* Give the net its arrays in the memory at `at`, where the net itself lies first; returns their end. */
static uintptr_t lay_out(struct magik_net *net, uintptr_t at)
{
    const int32_t n = net->n_tensors;
    at += net_round(sizeof *net, NET_STATE);
    net->tensors = take(&at, n, sizeof *net->tensors);
    net->steps = take(&at, net->n_steps, sizeof *net->steps);
    net->list = take(&at, net->n_list, sizeof(struct magik_tensor *));
    net->places = take(&at, n, sizeof *net->places);
    net->before = take(&at, n, sizeof *net->before);
    net->order = take(&at, n, sizeof *net->order);
    net->best = take(&at, n, sizeof *net->best);
    net->placed = take(&at, n, sizeof *net->placed);
    net->kept = (uint8_t *)at;
    at += net->state_bytes;
    return at;
}

/* What the file says that codes and axes mean: no kernel reads it, the caller does. */
static int meaning_is_sane(const struct file_tensor *f, int32_t size)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < f->rank; i++) {
        if (!op_between(f->axes[i], 0, (int32_t)f->rank - 1) || (seen >> f->axes[i] & 1u))
            return 0;
        seen |= 1u << f->axes[i];
    }
    if (f->bits == 0)
        return 1;
    return f->bits <= 8u * (uint32_t)size && f->bits <= 16 && f->scale > 0.0f && f->scale <= FLT_MAX && f->zero_point >= 0.0f &&
           f->zero_point <= (float)((1u << f->bits) - 1);
}

int32_t net_set_dims(struct magik_tensor *t, const int32_t *dims)
{
    int64_t count = 1;
    for (int32_t i = 0; i < t->rank; i++) {
        if (dims[i] < 1 || count * dims[i] > INT32_MAX / 4)
            return 0;
        count *= dims[i];
        t->dims[i] = dims[i];
    }
    t->count = (int32_t)count;
    return 1;
}

static int32_t check_tensor(const struct magik_net *net, const struct file_tensor *f, struct span data, struct magik_tensor *t)
{
    const int32_t size = magik_dtype_bytes(f->dtype > MAGIK_S64 ? 0 : (int32_t)f->dtype);
    if (size == 0 || f->rank > MAGIK_MAX_DIMS || f->is_constant > 1 || (f->dtype == MAGIK_S64 && !f->is_constant) || !meaning_is_sane(f, size))
        return MAGIK_BAD_TENSOR;
    t->dtype = (int32_t)f->dtype;
    t->rank = (int32_t)f->rank;
    t->is_constant = (int32_t)f->is_constant;
    memcpy(t->dims, f->dims, sizeof t->dims);
    if (!net_set_dims(t, f->dims))
        return MAGIK_BAD_TENSOR;
    const uint64_t room = f->is_constant ? data.bytes : net->plan_bytes;
    if (f->bytes != (uint64_t)t->count * (uint64_t)size || f->offset > room || f->bytes > room - f->offset || f->offset % (uint32_t)size != 0)
        return MAGIK_BAD_TENSOR;
    /* the net never writes to a constant: check_outputs sees to it */
    t->data = f->is_constant ? (void *)(uintptr_t)(data.data + f->offset) : NULL;
    return MAGIK_OK;
}

static int32_t check_tensors(struct reader *r, struct magik_net *net)
{
    const struct span data = section(r, FOURCC('D', 'A', 'T', 'A'));
    for (int32_t i = 0; i < net->n_tensors; i++) {
        const int32_t status = check_tensor(net, &net->file_tensors[i], data, &net->tensors[i]);
        if (status != MAGIK_OK)
            return fail(r, status, -1, i);
        net->places[i].offset = net->file_tensors[i].offset;
    }
    return MAGIK_OK;
}

static int32_t check_list(struct reader *r, struct magik_net *net)
{
    const struct span list = section(r, FOURCC('L', 'I', 'S', 'T'));
    for (int32_t i = 0; i < net->n_list; i++) {
        const uint32_t index = ((const uint32_t *)(const void *)list.data)[i];
        if (index >= (uint32_t)net->n_tensors)
            return fail(r, MAGIK_BAD_STEP, -1, -1);
        net->list[i] = &net->tensors[index];
    }
    return MAGIK_OK;
}

static const struct magik_kernel *find_kernel(struct span strings, uint32_t name)
{
    if (name >= strings.bytes)
        return NULL;
    for (const struct magik_kernel *k = magik_kernels; k->name != NULL; k++)
        if (strcmp(k->name, (const char *)strings.data + name) == 0)
            return k;
    return NULL;
}

/* Ask the operator what its outputs are, and hold the file's tensors against it. */
static int32_t check_outputs(const struct net_step *s)
{
    struct magik_tensor want[MAX_OUTPUTS];
    memset(want, 0, sizeof want);
    const int32_t status = s->kernel->shape(&s->step, want);
    if (status != MAGIK_OK)
        return status;
    for (int32_t i = 0; i < s->step.n_out; i++) {
        const struct magik_tensor *y = s->step.out[i];
        if (y->is_constant || y->dtype != want[i].dtype || !op_same_shape(y, &want[i]))
            return MAGIK_BAD_SHAPE;
    }
    return MAGIK_OK;
}

static int32_t check_step(const struct magik_net *net, const struct file_step *f, struct span params, struct span strings, struct net_step *s)
{
    const uint32_t list = (uint32_t)net->n_list, words = params.bytes / 4;
    if (f->in > list || f->n_in > list - f->in || f->out > list || f->n_out > list - f->out || f->n_in > MAX_INPUTS ||
        f->n_out < 1 || f->n_out > MAX_OUTPUTS || f->n_in < 1 || f->params > words || f->n_params > words - f->params)
        return MAGIK_BAD_STEP;
    s->kernel = find_kernel(strings, f->kernel);
    if (s->kernel == NULL)
        return MAGIK_UNKNOWN_KERNEL;
    s->step = (struct magik_step){
        .params = params.data == NULL ? (const void *)f : params.data + 4u * f->params,
        .in = net->list + f->in,
        .out = net->list + f->out,
        .n_in = (int32_t)f->n_in,
        .n_out = (int32_t)f->n_out,
        .params_bytes = (int32_t)(4u * f->n_params),
        .dtype = s->kernel->dtype,
        .part = 0,
        .parts = 1,
        .prepared = NULL,
        .scratch = NULL,
    };
    return check_outputs(s);
}

static int32_t check_steps(struct reader *r, struct magik_net *net)
{
    const struct span params = section(r, FOURCC('P', 'A', 'R', 'M')), strings = section(r, FOURCC('S', 'T', 'R', 'S'));
    for (int32_t i = 0; i < net->n_steps; i++) {
        const int32_t status = check_step(net, &net->file_steps[i], params, strings, &net->steps[i]);
        if (status != MAGIK_OK)
            return fail(r, status, i, -1);
    }
    return MAGIK_OK;
}

static int32_t check_ports(struct reader *r, struct magik_net *net)
{
    const struct span strings = section(r, FOURCC('S', 'T', 'R', 'S'));
    net->strings = (const char *)strings.data;
    net->n_inputs = 0;
    for (int32_t i = 0; i < net->n_ports; i++) {
        const struct file_port *p = &net->ports[i];
        const int is_late_input = !p->is_output && i != net->n_inputs;
        if (p->tensor >= (uint32_t)net->n_tensors || p->name >= strings.bytes || p->is_output > 1 || p->color > MAGIK_GRAY || is_late_input ||
            net->tensors[p->tensor].is_constant)
            return fail(r, MAGIK_BAD_SECTION, -1, -1);
        net->n_inputs += !p->is_output;
    }
    return MAGIK_OK;
}

static int is_same_meaning(const struct file_tensor *a, const struct file_tensor *b)
{
    return a->bits == b->bits && (a->bits == 0 || (a->scale == b->scale && a->zero_point == b->zero_point));
}

/* Each state enters through a tensor that is no constant, no input and no other state, and leaves as its like. */
static int32_t check_states(struct reader *r, struct magik_net *net)
{
    const struct span strings = section(r, FOURCC('S', 'T', 'R', 'S'));
    int32_t *enters = net->order; /* the planner needs it later */
    memset(enters, 0, sizeof *enters * (size_t)net->n_tensors);
    for (int32_t i = 0; i < net->n_inputs; i++)
        enters[net->ports[i].tensor] = 1;
    for (int32_t i = 0; i < net->n_states; i++) {
        const struct file_state *s = &net->states[i];
        if (s->after >= (uint32_t)net->n_tensors || s->name >= strings.bytes)
            return fail(r, MAGIK_BAD_SECTION, -1, -1);
        const struct magik_tensor *x = &net->tensors[s->before], *y = &net->tensors[s->after];
        if (enters[s->before] || s->before == s->after || x->is_constant || y->is_constant || x->dtype != y->dtype ||
            !op_same_shape(x, y) || !is_same_meaning(&net->file_tensors[s->before], &net->file_tensors[s->after]))
            return fail(r, MAGIK_BAD_TENSOR, -1, (int32_t)s->before);
        enters[s->before] = 1;
    }
    return MAGIK_OK;
}

size_t magik_net_bytes(const void *file, size_t size)
{
    struct reader r = {file, size, NULL, NULL, NULL};
    struct magik_net net;
    memset(&net, 0, sizeof net);
    if (check_header(&r) != MAGIK_OK || check_sections(&r) != MAGIK_OK || count_records(&r, &net) != MAGIK_OK)
        return 0;
    return (size_t)lay_out(&net, 0);
}

int32_t magik_load(struct magik_net **out, const void *file, size_t size, void *memory, size_t memory_bytes, struct magik_fault *fault)
{
    struct reader r = {file, size, NULL, NULL, fault};
    struct magik_net head;
    int32_t status;
    memset(&head, 0, sizeof head);
    if ((status = check_header(&r)) != MAGIK_OK || (status = check_sections(&r)) != MAGIK_OK || (status = count_records(&r, &head)) != MAGIK_OK)
        return status;
    if (memory == NULL || (uintptr_t)memory % 8 != 0 || memory_bytes < (size_t)lay_out(&head, 0))
        return fail(&r, MAGIK_NO_MEMORY, -1, -1);
    struct magik_net *net = memory;
    lay_out(&head, (uintptr_t)memory);
    *net = head;
    if ((status = check_tensors(&r, net)) != MAGIK_OK || (status = check_list(&r, net)) != MAGIK_OK ||
        (status = check_steps(&r, net)) != MAGIK_OK || (status = check_ports(&r, net)) != MAGIK_OK ||
        (status = check_states(&r, net)) != MAGIK_OK)
        return status;
    magik_reset(net);
    net->isas = magik_isas();
    net_choose(net);
    *out = net;
    return MAGIK_OK;
}
