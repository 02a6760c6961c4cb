/* Runs a model file and prints a CRC-32 of every step's outputs: the same lines on every machine.
 *
 *   digest MODEL INPUTS [--isa NAME] [--repeat N] [--step N] [--count N] [--apart N] [--shape N,H,W,C]…
 *   digest - LIST [OPTION]…
 *
 * INPUTS holds the stored input tensors one after the other; one --shape per input asks for other sizes.
 * A line is "STEP KERNEL ISA CRC". --repeat runs N times, --step N the step N alone, and nothing is printed
 * for them. --count 1 marks the beginning and the end of each step for the plugin count.c, after a pair of
 * marks with nothing between. --apart 1 lays every tensor against memory that must not be touched, --apart 2
 * before it: a kernel that reads or writes past its tensors stops the program. LIST is a file with a line
 * "MODEL<tab>INPUTS" per model; each one's lines end with an empty one.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "count.h"
#include "crc32.h"
#include "net.h"

enum { MOST_INPUTS = 64, LINE = 8192 };
enum { TOGETHER, BEFORE_A_WALL, AFTER_A_WALL };
static const char *const isas[MAGIK_ISAS] = {"portable", "fp64", "avx2", "vnni", "msa"};

struct options {
    const char *isa;
    int repeat, step, count, apart, shapes;
    int32_t dims[MOST_INPUTS * MAGIK_MAX_DIMS];
};

/* What one model was given, to give back. */
struct block {
    struct block *next;
    void *memory, *map; /* of malloc or of mmap */
    size_t map_bytes;
};

static _Noreturn void stop(const char *what, const char *name)
{
    fprintf(stderr, "digest: %s: %s\n", name, what);
    exit(1);
}

static struct block *note(struct block **blocks)
{
    struct block *b = calloc(1, sizeof *b);
    if (b == NULL)
        stop("not enough memory", "malloc");
    b->next = *blocks;
    return *blocks = b;
}

static void give_back(struct block *b)
{
    while (b != NULL) {
        struct block *next = b->next;
        if (b->map != NULL)
            munmap(b->map, b->map_bytes);
        free(b->memory);
        free(b);
        b = next;
    }
}

static void *aligned(struct block **blocks, size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes == 0 ? 64 : bytes) != 0)
        stop("not enough memory", "malloc");
    memset(p, 0, bytes);
    note(blocks)->memory = p;
    return p;
}

/* Memory that ends, or begins, where a page begins, or ends, that cannot be read or written. */
static void *walled(struct block **blocks, size_t bytes, int where)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
    uint8_t *map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || (room > 0 && mprotect(map + page, room, PROT_READ | PROT_WRITE) != 0))
        stop("not enough memory", "mmap");
    struct block *b = note(blocks);
    b->map = map;
    b->map_bytes = room + 2 * page;
    return map + page + (where == BEFORE_A_WALL ? room - bytes : 0);
}

static uint8_t *read_file(struct block **blocks, const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        stop("cannot be read", path);
    const long end = ftell(f);
    rewind(f);
    *size = end < 0 ? 0 : (size_t)end;
    uint8_t *data = aligned(blocks, *size);
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
    for (int i = 3; i < argc; i += 2) {
        if (i + 1 == argc)
            stop("wants a value", argv[i]);
        if (strcmp(argv[i], "--isa") == 0)
            o.isa = argv[i + 1];
        else if (strcmp(argv[i], "--repeat") == 0)
            o.repeat = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--step") == 0)
            o.step = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--count") == 0)
            o.count = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--apart") == 0)
            o.apart = atoi(argv[i + 1]);
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
    struct block *blocks = NULL;
    size_t size, at = 0;
    uint8_t *inputs = read_file(&blocks, path, &size);
    for (int32_t i = 0; i < magik_inputs(net); i++) {
        const struct magik_tensor *t = magik_tensor(net, magik_input(net, i));
        if (bytes_of(t) > size - at)
            stop("has too few bytes", path);
        memcpy(t->data, inputs + at, bytes_of(t));
        at += bytes_of(t);
    }
    give_back(blocks);
}

/* Lay the constants, or all others, against walls; a constant stays aligned to 4 bytes. */
static void set_apart(struct magik_net *net, struct block **blocks, int where, int constants)
{
    for (int32_t i = 0; where != TOGETHER && i < net->n_tensors; i++) {
        struct magik_tensor *t = &net->tensors[i];
        if (t->is_constant != constants)
            continue;
        void *to = walled(blocks, constants ? (bytes_of(t) + 3) & ~(size_t)3 : bytes_of(t), where);
        if (constants)
            memcpy(to, t->data, bytes_of(t));
        t->data = to;
    }
}

static void give_memory(struct magik_net *net, struct block **blocks, const struct options *o)
{
    struct magik_fault fault = {0, -1, -1};
    if (o->isa != NULL && magik_set_isas(net, mask_of(o->isa)) != MAGIK_OK)
        stop("this CPU has no such kernels", o->isa);
    set_apart(net, blocks, o->apart, 1);
    const size_t prepared = magik_prepared_bytes(net);
    magik_prepare(net, o->apart ? walled(blocks, prepared, o->apart) : aligned(blocks, prepared), prepared);
    if (o->shapes != 0 && (o->shapes != magik_inputs(net) || magik_reshape(net, o->dims, &fault) != MAGIK_OK))
        stop("the model cannot have these sizes", magik_phrase(fault.status));
    const size_t arena = magik_arena_bytes(net, 1); /* scratch is its end */
    magik_set_arena(net, o->apart ? walled(blocks, arena, o->apart) : aligned(blocks, arena), arena, 1);
    set_apart(net, blocks, o->apart, 0);
}

static void mark(const struct options *o)
{
    if (o->count)
        close(COUNT_MARK);
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

static void run(struct magik_net *net, const struct options *o)
{
    mark(o);
    mark(o);
    for (int r = 0; r < o->repeat; r++)
        for (int32_t i = 0; i < magik_steps(net); i++) {
            if (o->step >= 0 && i != o->step)
                continue;
            mark(o);
            magik_run_step(net, i, NULL);
            mark(o);
            if (o->step < 0 && o->repeat == 1)
                print_step(net, i);
        }
}

static void digest(const char *model, const char *inputs, const struct options *o)
{
    struct block *blocks = NULL;
    struct magik_fault fault = {0, -1, -1};
    struct magik_net *net;
    size_t size;
    uint8_t *file = read_file(&blocks, model, &size);
    const size_t bytes = magik_net_bytes(file, size);
    if (magik_load(&net, file, size, aligned(&blocks, bytes), bytes, &fault) != MAGIK_OK)
        stop(magik_phrase(fault.status), model);
    give_memory(net, &blocks, o);
    feed(net, inputs);
    run(net, o);
    give_back(blocks);
}

static void digest_all(const char *list, const struct options *o)
{
    char line[LINE];
    FILE *f = fopen(list, "r");
    if (f == NULL)
        stop("cannot be read", list);
    while (fgets(line, LINE, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *tab = strchr(line, '\t');
        if (tab == NULL)
            stop("is no line MODEL<tab>INPUTS", line);
        *tab = '\0';
        digest(line, tab + 1, o);
        printf("\n");
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        stop("MODEL INPUTS [--isa NAME] [--repeat N] [--step N] [--count N] [--apart N] [--shape N,H,W,C]", "usage");
    const struct options o = parse(argc, argv);
    if (strcmp(argv[1], "-") == 0)
        digest_all(argv[2], &o);
    else
        digest(argv[1], argv[2], &o);
    return 0;
}
