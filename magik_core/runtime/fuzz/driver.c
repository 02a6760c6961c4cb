/* Runs model files under the sanitizers.
 *
 *   magik_fuzz run < LIST                    each line "MODEL<tab>INPUTS": prints a CRC-32 per step
 *   magik_fuzz mutate SEED COUNT [FIRST] < LIST   each line "MODEL": COUNT mutants, prints counts
 *
 * INPUTS holds the stored input tensors one after the other. `run` runs a file several ways (one part; five
 * parts, last first, where the board's planner puts the tensors; every tensor in memory of its own, with each
 * kind of kernel that the CPU has) and fails where they differ. In `mutate`, what loads is also given other
 * sizes, and a finding stops the process and names the mutant: run it alone with COUNT 1 and that FIRST.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fill.h"
#include "mutate.h"
#include "resize.h"

enum { LINE = 4096, MOST_STEPS = 4096, MOST_BYTES = 1 << 24, SECONDS = 60 };
#define MOST_WORK ((int64_t)1 << 24)

struct bytes {
    uint8_t *data;
    size_t size;
};

static int64_t mutant = -1; /* being run; for the report of a finding */

/* The sanitizers abort (abort_on_error=1), and a mutant that runs for SECONDS is a finding as well. */
static void on_signal(int number)
{
    fprintf(stderr, "finding in mutant %" PRId64 ", signal %d\n", mutant, number);
    _Exit(1);
}

static struct bytes read_file(const char *path)
{
    struct bytes b = {NULL, 0};
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    b.size = (size_t)ftell(f);
    rewind(f);
    b.data = malloc(b.size + 1);
    if (b.data == NULL || fread(b.data, 1, b.size, f) != b.size)
        exit(2);
    fclose(f);
    return b;
}

/* ---- a loaded net whose every buffer ends where its bytes end ---- */

struct subject {
    uint8_t *file, *memory;
    void *arena, *prepared;
    void **apart; /* what set_apart allocated; NULL ends it */
    struct magik_net *net;
    struct magik_fault fault;
};

/* Memory of exactly `size` bytes that is aligned to `skip` and no more. */
static uint8_t *exact(size_t size, size_t skip)
{
    uint8_t *p = malloc(size + skip);
    if (p == NULL)
        exit(2);
    return p + skip;
}

static int32_t load(struct subject *s, const uint8_t *file, size_t size)
{
    memset(s, 0, sizeof *s);
    s->file = exact(size, 4);
    memcpy(s->file, file, size);
    const size_t bytes = magik_net_bytes(s->file, size);
    s->memory = exact(bytes, 8);
    return magik_load(&s->net, s->file, size, s->memory, bytes, &s->fault);
}

enum { MOST_PARTS = 7 };

static void give_arena(struct subject *s)
{
    const size_t bytes = magik_arena_bytes(s->net, MOST_PARTS);
    if (posix_memalign(&s->arena, 64, bytes) != 0 || magik_set_arena(s->net, s->arena, bytes, MOST_PARTS) != MAGIK_OK)
        exit(2);
    memset(s->arena, 0, bytes);
}

static void prepare(struct subject *s)
{
    if (magik_prepare(s->net, s->prepared, magik_prepared_bytes(s->net)) != MAGIK_OK)
        abort();
}

/* Every kind of kernel up to `isa`, with its weights prepared. */
static void choose(struct subject *s, int32_t isa)
{
    const uint32_t all = (magik_isas() | 1u << MAGIK_FP64) & ((2u << isa) - 1);
    if (magik_set_isas(s->net, isa == MAGIK_FP64 ? all : all & ~(1u << MAGIK_FP64)) != MAGIK_OK)
        abort();
    if (posix_memalign(&s->prepared, 64, magik_prepared_bytes(s->net)) != 0)
        exit(2);
    prepare(s);
}

static size_t size_of(const struct magik_tensor *t)
{
    return (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype);
}

static void *copy_of(struct subject *s, size_t *used, const void *data, size_t bytes)
{
    void *p = malloc(bytes);
    if (p == NULL)
        exit(2);
    memcpy(p, data, bytes);
    return s->apart[(*used)++] = p;
}

/* Give each tensor, each step's params and lists memory of their own, and ask the operators again: what
 * reads or writes past any of them is then seen. */
static void set_apart(struct subject *s)
{
    size_t used = 0;
    s->apart = calloc((size_t)s->net->n_tensors + 4 * (size_t)s->net->n_steps + 1, sizeof *s->apart);
    for (int32_t i = 0; i < s->net->n_tensors; i++) {
        struct magik_tensor *t = &s->net->tensors[i];
        t->data = copy_of(s, &used, t->data, size_of(t));
    }
    for (int32_t i = 0; i < s->net->n_steps; i++) {
        struct magik_step *n = &s->net->steps[i].step;
        struct magik_tensor *want = calloc((size_t)n->n_out, sizeof *want);
        n->params = copy_of(s, &used, n->params, (size_t)n->params_bytes);
        n->in = copy_of(s, &used, n->in, (size_t)n->n_in * sizeof *n->in);
        n->out = copy_of(s, &used, n->out, (size_t)n->n_out * sizeof *n->out);
        s->apart[used++] = want;
        if (s->net->steps[i].kernel->shape(n, want) != MAGIK_OK)
            abort(); /* it was MAGIK_OK when the file was loaded */
    }
    prepare(s); /* from the copies */
}

static void unload(struct subject *s)
{
    for (int32_t i = 0; s->apart != NULL && s->apart[i] != NULL; i++)
        free(s->apart[i]);
    free(s->apart);
    free(s->arena);
    free(s->prepared);
    free(s->memory - 8);
    free(s->file - 4);
}

/* Parts one after the other, the last first: any order has to do. */
static void backwards(void *context, void (*fn)(void *arg, int32_t part), void *arg, int32_t parts)
{
    (void)context;
    while (parts-- > 0)
        fn(arg, parts);
}

static uint32_t run_step(struct subject *s, int32_t step, int32_t parts)
{
    const struct magik_parallel parallel = {backwards, NULL, parts};
    uint32_t crc = 0;
    magik_run_step(s->net, step, parts > 1 ? &parallel : NULL);
    for (int32_t k = 0; k < magik_step_outputs(s->net, step); k++) {
        const struct magik_tensor *t = magik_tensor(s->net, magik_step_output(s->net, step, k));
        crc = crc * 31 + crc32_of(t->data, size_of(t));
    }
    return crc;
}

/* ---- run: valid files ---- */

static void feed(struct subject *s, struct bytes inputs)
{
    size_t at = 0;
    for (int32_t i = 0; i < magik_inputs(s->net); i++) {
        const struct magik_tensor *t = magik_tensor(s->net, magik_input(s->net, i));
        if (at + size_of(t) > inputs.size)
            exit(2);
        memcpy(t->data, inputs.data + at, size_of(t));
        at += size_of(t);
    }
}

struct way {
    int32_t parts, isa, is_apart, is_planned;
};

static const struct way ways[] = {{1, MAGIK_PORTABLE, 0, 0}, {5, MAGIK_PORTABLE, 0, 1}, {3, MAGIK_PORTABLE, 1, 0},
                                  {1, MAGIK_FP64, 1, 0},     {3, MAGIK_AVX2, 1, 0},     {3, MAGIK_VNNI, 1, 0}};
enum { WAYS = sizeof ways / sizeof *ways };

/* crc has room for MOST_STEPS. Returns the number of steps. */
static int32_t run_all(struct subject *s, struct bytes inputs, int32_t parts, uint32_t *crc)
{
    const int32_t steps = magik_steps(s->net);
    feed(s, inputs);
    for (int32_t i = 0; i < steps && i < MOST_STEPS; i++)
        crc[i] = run_step(s, i, parts);
    return steps;
}

/* As run_all, twice from the beginning; or a status. */
static int32_t run_once(struct bytes model, struct bytes inputs, struct way way, uint32_t *crc)
{
    static uint32_t again[MOST_STEPS];
    struct subject s;
    const int32_t status = load(&s, model.data, model.size);
    int32_t steps = status;
    if (status == MAGIK_OK) {
        choose(&s, way.isa);
        if (way.is_planned && net_plan(s.net) >= 0)
            abort(); /* there is room in the file's own plan */
        give_arena(&s);
        if (way.is_apart)
            set_apart(&s);
        steps = run_all(&s, inputs, way.parts, crc);
        magik_reset(s.net);
        run_all(&s, inputs, way.parts, again);
        if (memcmp(again, crc, sizeof *crc * (size_t)steps) != 0)
            abort(); /* a reset does not begin anew */
    }
    unload(&s);
    return steps;
}

static int run_line(const char *line, const char *inputs_path)
{
    static uint32_t crc[WAYS][MOST_STEPS];
    const struct bytes model = read_file(line), inputs = read_file(inputs_path);
    int32_t steps = 0, failed = 0;
    for (int32_t way = 0; way < WAYS && steps >= 0; way++) {
        steps = run_once(model, inputs, ways[way], crc[way]);
        for (int32_t i = 0; i < steps; i++)
            if (crc[way][i] != crc[0][i]) {
                printf("step %d differs in way %d\n", i, way);
                failed = 1;
                break;
            }
    }
    if (steps < 0)
        printf("refused: %s", magik_phrase(steps));
    for (int32_t i = 0; i < steps; i++)
        printf("%08x ", crc[0][i]);
    printf("\n");
    free(model.data);
    free(inputs.data);
    return failed;
}

/* ---- mutate: damaged files ---- */

struct counts {
    int64_t refused[-MAGIK_BAD_ARGUMENT + 1], large, run, resized, unfit;
};

/* An upper bound of what running costs, in elements touched. */
static int is_small(const struct magik_net *net)
{
    int64_t work = 0, bytes = (int64_t)net->plan_bytes;
    for (int32_t i = 0; i < net->n_tensors; i++)
        bytes += (int64_t)size_of(&net->tensors[i]);
    for (int32_t i = 0; i < net->n_steps; i++) {
        const struct magik_step *n = &net->steps[i].step;
        int64_t in = 1, out = 1;
        for (int32_t k = 0; k < n->n_in; k++)
            in = n->in[k]->count > in ? n->in[k]->count : in;
        for (int32_t k = 0; k < n->n_out; k++)
            out += n->out[k]->count;
        if (in * out > MOST_WORK)
            return 0;
        work += in * out;
    }
    return work <= MOST_WORK && bytes <= MOST_BYTES;
}

/* What a caller reads of a net beside its tensors. */
static void read_meanings(const struct magik_net *net)
{
    struct magik_meaning meaning;
    size_t length = 0;
    for (int32_t i = 0; i < net->n_tensors; i++) {
        magik_meaning(net, i, &meaning);
        length += strlen(meaning.name);
    }
    if (length > MOST_BYTES)
        abort();
}

/* Other sizes once or twice, and whether the net is then still small enough to run. */
static int may_run(struct subject *s, struct random *r, struct counts *c)
{
    for (uint32_t i = random_below(r, 3); i > 0 && is_small(s->net); i--)
        *(resize(s->net, r) == MAGIK_OK ? &c->resized : &c->unfit) += 1;
    return is_small(s->net);
}

static void run_mutant(struct subject *s, struct random *r, const struct bytes *m, struct counts *c)
{
    const int32_t parts = 1 + 3 * (int32_t)random_below(r, 3);
    const int32_t isa = (int32_t)random_below(r, MAGIK_ISAS);
    choose(s, isa);
    if (!may_run(s, r, c)) {
        c->large++;
        return;
    }
    c->run++;
    give_arena(s);
    if (random_below(r, 3) != 0)
        set_apart(s);
    for (int32_t i = 0; i < s->net->n_tensors; i++)
        if (!s->net->tensors[i].is_constant)
            fill(&s->net->tensors[i], r);
    for (uint32_t times = random_below(r, 3) + 1; times > 0; times--) {
        if (random_below(r, 4) == 0)
            magik_reset(s->net);
        for (int32_t i = 0; i < magik_inputs(s->net); i++)
            fill(magik_tensor(s->net, magik_input(s->net, i)), r);
        for (int32_t i = 0; i < magik_steps(s->net); i++)
            run_step(s, i, parts);
    }
    read_meanings(s->net);
    if (memcmp(s->file, m->data, m->size) != 0)
        abort(); /* a constant was written to */
}

static void try_mutant(const struct bytes *corpus, int32_t files, uint64_t seed, struct counts *c)
{
    struct random r = {seed * 0x100000001b3u + (uint64_t)mutant * 0x9e3779b97f4a7c15u};
    const struct bytes *from = &corpus[random_below(&r, (uint32_t)files)];
    struct bytes m;
    struct subject s;
    m.data = mutate(from->data, from->size, &r, &m.size);
    alarm(SECONDS);
    const int32_t status = load(&s, m.data, m.size);
    if (status != MAGIK_OK)
        c->refused[-status]++;
    else if (!is_small(s.net))
        c->large++;
    else
        run_mutant(&s, &r, &m, c);
    unload(&s);
    free(m.data);
}

static int mutate_all(const struct bytes *corpus, int32_t files, uint64_t seed, int64_t count, int64_t first)
{
    struct counts c;
    memset(&c, 0, sizeof c);
    for (mutant = first; mutant < first + count; mutant++)
        try_mutant(corpus, files, seed, &c);
    mutant = -1;
    printf("%" PRId64 " mutants of %d files\n", count, files);
    for (int32_t i = 1; i <= -MAGIK_BAD_ARGUMENT; i++)
        printf("%8" PRId64 " refused: %s\n", c.refused[i], magik_phrase(-i));
    printf("%8" PRId64 " loaded, too large to run\n%8" PRId64 " loaded and run\n", c.large, c.run);
    printf("%8" PRId64 " other sizes taken\n%8" PRId64 " other sizes refused\n", c.resized, c.unfit);
    return 0;
}

int main(int argc, char **argv)
{
    static char line[LINE];
    static struct bytes corpus[MOST_STEPS];
    int32_t files = 0;
    int failed = 0;
    const int is_run = argc == 2 && strcmp(argv[1], "run") == 0;
    if (!is_run && !((argc == 4 || argc == 5) && strcmp(argv[1], "mutate") == 0)) {
        fprintf(stderr, "usage: magik_fuzz run | mutate SEED COUNT [FIRST]\n");
        return 2;
    }
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
    while (fgets(line, LINE, stdin) != NULL && files < MOST_STEPS) {
        line[strcspn(line, "\n")] = '\0';
        char *tab = strchr(line, '\t');
        if (tab != NULL)
            *tab++ = '\0';
        if (is_run)
            failed |= tab == NULL ? 2 : run_line(line, tab);
        else
            corpus[files++] = read_file(line);
    }
    if (!is_run && files > 0)
        failed = mutate_all(corpus, files, strtoull(argv[2], NULL, 10), strtoll(argv[3], NULL, 10), argc == 5 ? strtoll(argv[4], NULL, 10) : 0);
    while (files > 0)
        free(corpus[--files].data);
    return failed;
}
