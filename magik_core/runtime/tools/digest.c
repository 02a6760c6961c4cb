/* Runs a model file and prints a CRC-32 of every step's outputs: the same lines on every machine.
 *
 *   digest MODEL INPUTS [--isa NAME] [--repeat N] [--step N] [--shape N,H,W,C]…
 *
 * INPUTS holds the stored input tensors one after the other; one --shape per input asks for other sizes.
 * A line is "STEP KERNEL ISA CRC". --repeat runs N times, --step N the step N alone (for counting
 * instructions), and nothing is printed for them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "crc32.h"
#include "net.h"

enum { MOST_INPUTS = 64 };
static const char *const isas[MAGIK_ISAS] = {"portable", "fp64", "avx2", "vnni", "msa"};

struct options {
    const char *isa;
    int repeat, step, shapes;
    int32_t dims[MOST_INPUTS * MAGIK_MAX_DIMS];
};

static _Noreturn void stop(const char *what, const char *name)
{
    fprintf(stderr, "digest: %s: %s\n", name, what);
    exit(1);
}

static void *aligned(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes == 0 ? 64 : bytes) != 0)
        stop("not enough memory", "malloc");
    memset(p, 0, bytes);
    return p;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        stop("cannot be read", path);
    const long end = ftell(f);
    rewind(f);
    *size = end < 0 ? 0 : (size_t)end;
    uint8_t *data = aligned(*size);
    if (fread(data, 1, *size, f) != *size)
        stop("cannot be read", path);
    fclose(f);
    return data;
}

static uint32_t mask_of(const char *name)
{
    for (uint32_t i = 0; i < MAGIK_ISAS; i++)
        if (strcmp(name, isas[i]) == 0) {
            const uint32_t below = i == MAGIK_VNNI ? 1u << MAGIK_AVX2 : i == MAGIK_MSA ? 1u << MAGIK_FP64 : 0;
            return below | 1u << i | 1u << MAGIK_PORTABLE;
        }
    stop("is no kind of kernels", name);
}

static void parse_shape(const char *text, int32_t *dims)
{
    for (int32_t i = 0; i < MAGIK_MAX_DIMS && *text != '\0'; i++) {
        char *end;
        dims[i] = (int32_t)strtol(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
}

static struct options parse(int argc, char **argv)
{
    struct options o;
    memset(&o, 0, sizeof o);
    o.repeat = 1;
    o.step = -1;
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--isa") == 0)
            o.isa = argv[i + 1];
        else if (strcmp(argv[i], "--repeat") == 0)
            o.repeat = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--step") == 0)
            o.step = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--shape") == 0 && o.shapes < MOST_INPUTS)
            parse_shape(argv[i + 1], o.dims + MAGIK_MAX_DIMS * o.shapes++);
        else
            stop("is no option", argv[i]);
    }
    return o;
}

static size_t bytes_of(const struct magik_tensor *t)
{
    return (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype);
}

static void feed(struct magik_net *net, const char *path)
{
    size_t size, at = 0;
    uint8_t *inputs = read_file(path, &size);
    for (int32_t i = 0; i < magik_inputs(net); i++) {
        const struct magik_tensor *t = magik_tensor(net, magik_input(net, i));
        if (bytes_of(t) > size - at)
            stop("has too few bytes", path);
        memcpy(t->data, inputs + at, bytes_of(t));
        at += bytes_of(t);
    }
    free(inputs);
}

static void print_step(struct magik_net *net, int32_t step)
{
    uint32_t crc = 0;
    for (int32_t k = 0; k < magik_step_outputs(net, step); k++) {
        const struct magik_tensor *t = magik_tensor(net, magik_step_output(net, step, k));
        crc = crc * 31 + crc32_of(t->data, bytes_of(t));
    }
    printf("%" PRId32 " %s %s %08" PRIx32 "\n", step, magik_step_kernel(net, step), isas[magik_step_isa(net, step)], crc);
}

static void give_memory(struct magik_net *net, const struct options *o)
{
    struct magik_fault fault = {0, -1, -1};
    if (o->isa != NULL && magik_set_isas(net, mask_of(o->isa)) != MAGIK_OK)
        stop("this CPU has no such kernels", o->isa);
    const size_t prepared = magik_prepared_bytes(net);
    magik_prepare(net, aligned(prepared), prepared);
    if (o->shapes != 0 && (o->shapes != magik_inputs(net) || magik_reshape(net, o->dims, &fault) != MAGIK_OK))
        stop("the model cannot have these sizes", magik_phrase(fault.status));
    const size_t arena = magik_arena_bytes(net, 1);
    magik_set_arena(net, aligned(arena), arena, 1);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        stop("MODEL INPUTS [--isa NAME] [--repeat N] [--step N] [--shape N,H,W,C]", "usage");
    const struct options o = parse(argc, argv);
    size_t size;
    uint8_t *file = read_file(argv[1], &size);
    const size_t bytes = magik_net_bytes(file, size);
    struct magik_net *net;
    struct magik_fault fault = {0, -1, -1};
    if (magik_load(&net, file, size, aligned(bytes), bytes, &fault) != MAGIK_OK)
        stop(magik_phrase(fault.status), argv[1]);
    give_memory(net, &o);
    feed(net, argv[2]);
    for (int r = 0; r < o.repeat; r++)
        for (int32_t i = 0; i < magik_steps(net); i++) {
            if (o.step < 0 || i == o.step)
                magik_run_step(net, i, NULL);
            if (o.step < 0 && o.repeat == 1)
                print_step(net, i);
        }
    return 0;
}
