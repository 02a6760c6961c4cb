#include "mutate.h"

#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "magik/magik.h"
#include "op.h"

enum { MAX_DAMAGE = 3 };

static const uint32_t values[] = {
    0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 62, 63, 64, 65, 127, 128, 254, 255, 256, 512, 513, 1023, 1024, 1025, 65535, 65536,
    1u << 20, (1u << 20) + 1, 1u << 24, 1u << 28, (1u << 29) - 1, 1u << 29, 1u << 30, 0x7ffffffe, 0x7fffffff, 0x80000000,
    0x80000001, 0xfffffffe, 0xffffffff, 0x3f800000 /* 1.0f */, 0x7f800000 /* inf */, 0xff800000, 0x7fc00000 /* NaN */, 1u};

/* A value to put where `old` stands. */
static uint32_t value(struct random *r, uint32_t old)
{
    switch (random_below(r, 6)) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    case 2:
        return random_below(r, 12);
    case 3:
        return random_u32(r);
    default:
        return values[random_below(r, sizeof values / sizeof *values)];
    }
}

static uint32_t tensors_of(struct draft *d, struct file_tensor **first)
{
    const struct piece *p = piece_of(d, FOURCC('T', 'E', 'N', 'S'));
    *first = (void *)p->data;
    return p->bytes / (uint32_t)sizeof **first;
}

/* A random step, or NULL. */
static struct file_step *step_of(struct draft *d, struct random *r)
{
    const struct piece *p = piece_of(d, FOURCC('S', 'T', 'E', 'P'));
    const uint32_t count = p->bytes / (uint32_t)sizeof(struct file_step);
    return count == 0 ? NULL : (struct file_step *)(void *)p->data + random_below(r, count);
}

/* Make a tensor's size in bytes that of its dims and dtype. */
static void measure(struct file_tensor *t)
{
    uint32_t bytes = (uint32_t)magik_dtype_bytes((int32_t)(t->dtype & 7));
    for (uint32_t i = 0; i < t->rank && i < 8; i++)
        bytes *= (uint32_t)t->dims[i];
    t->bytes = bytes;
}

/* ---- one kind of damage each ---- */

static void set_word_of(struct draft *d, struct random *r, uint32_t kind)
{
    const struct piece *p = piece_of(d, kind);
    uint32_t *word = (uint32_t *)(void *)p->data + random_below(r, p->bytes / 4);
    if (p->bytes >= 4)
        *word = value(r, *word);
}

static void set_word(struct draft *d, struct random *r)
{
    static const uint32_t kinds[] = {
        FOURCC('T', 'E', 'N', 'S'), FOURCC('S', 'T', 'E', 'P'), FOURCC('L', 'I', 'S', 'T'), FOURCC('P', 'O', 'R', 'T')};
    set_word_of(d, r, kinds[random_below(r, 4)]);
}

/* As the loader sees it, the states' records: which tensors come back as which. */
static void set_states(struct draft *d, struct random *r)
{
    if (piece_of(d, FOURCC('S', 'T', 'A', 'T'))->kind == FOURCC('S', 'T', 'A', 'T'))
        set_word_of(d, r, FOURCC('S', 'T', 'A', 'T'));
}

static void set_params(struct draft *d, struct random *r)
{
    set_word_of(d, r, FOURCC('P', 'A', 'R', 'M'));
}

/* Tables lie in DATA beside the weights: aim at a small constant. */
static void set_data(struct draft *d, struct random *r)
{
    const struct piece *p = piece_of(d, FOURCC('D', 'A', 'T', 'A'));
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t);
    uint32_t best = random_below(r, count);
    for (int32_t tries = 0; tries < 3; tries++) {
        const uint32_t other = random_below(r, count);
        if (t[other].is_constant && (!t[best].is_constant || t[other].bytes < t[best].bytes))
            best = other;
    }
    if (count == 0 || t[best].offset > p->bytes || t[best].bytes > p->bytes - t[best].offset || t[best].bytes < 4)
        return;
    const uint32_t at = (t[best].offset + 4 * random_below(r, t[best].bytes / 4)) & ~3u;
    uint32_t word;
    memcpy(&word, p->data + at, 4);
    word = value(r, word);
    memcpy(p->data + at, &word, 4);
}

static void set_tensor(struct draft *d, struct random *r)
{
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t);
    if (count == 0)
        return;
    t += random_below(r, count);
    switch (random_below(r, 4)) {
    case 0:
        t->dims[random_below(r, 8)] = (int32_t)value(r, 1);
        break;
    case 1:
        t->dtype = 1 + random_below(r, 7);
        break;
    case 2:
        t->rank = random_below(r, 9);
        for (uint32_t i = 0; i < 8; i++) { /* the axes that are new have size 1 */
            t->dims[i] = t->dims[i] < 1 ? 1 : t->dims[i];
            t->axes[i] = (int32_t)i;
        }
        break;
    default:
        t->is_constant ^= 1u;
        return;
    }
    measure(t);
}

/* Put one tensor on top of another, or a little beside it. */
static void overlap(struct draft *d, struct random *r)
{
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t);
    if (count == 0)
        return;
    const struct file_tensor *other = &t[random_below(r, count)];
    t[random_below(r, count)].offset = other->offset + 4 * random_below(r, 9) - 16 * random_below(r, 2);
}

/* Give every tensor its size, and those of the arena a place of their own. */
static void lay_out(struct draft *d)
{
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t);
    d->header.arena = 0;
    for (uint32_t i = 0; i < count; i++) {
        measure(&t[i]);
        if (!t[i].is_constant) {
            t[i].offset = d->header.arena;
            d->header.arena += (t[i].bytes + 63) & ~63u;
        }
    }
}

/* Replace one size by another in every tensor of the arena, which grows: a program of another shape. */
static void resize(struct draft *d, struct random *r)
{
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t);
    if (count == 0)
        return;
    const int32_t old = t[random_below(r, count)].dims[random_below(r, 4)];
    const int32_t fresh = (int32_t)(random_below(r, 4) == 0 ? value(r, 1) : 1 + random_below(r, 40));
    const int is_everywhere = random_below(r, 4) == 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < t[i].rank && k < 8; k++)
            if (t[i].dims[k] == old && (is_everywhere || !t[i].is_constant))
                t[i].dims[k] = fresh;
    if (random_below(r, 6) != 0)
        lay_out(d);
}

/* Replace one dtype by another in every tensor of the arena. */
static void retype(struct draft *d, struct random *r)
{
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t), fresh = 1 + random_below(r, 7);
    if (count == 0)
        return;
    const uint32_t old = t[random_below(r, count)].dtype;
    for (uint32_t i = 0; i < count; i++)
        if (t[i].dtype == old && !t[i].is_constant)
            t[i].dtype = fresh;
    lay_out(d);
}

static void set_kernel(struct draft *d, struct random *r)
{
    int32_t kernels = 0;
    while (magik_kernel_name(kernels) != NULL)
        kernels++;
    const char *name = magik_kernel_name((int32_t)random_below(r, (uint32_t)kernels));
    struct piece *strings = piece_of(d, FOURCC('S', 'T', 'R', 'S'));
    struct file_step *s = step_of(d, r);
    const uint32_t size = (uint32_t)strlen(name) + 1;
    if (s == NULL || size > SLACK / (MAX_DAMAGE + 1))
        return;
    memcpy(strings->data + strings->bytes, name, size);
    s->kernel = strings->bytes;
    strings->bytes += size;
}

static void set_list(struct draft *d, struct random *r)
{
    const struct piece *p = piece_of(d, FOURCC('L', 'I', 'S', 'T'));
    struct file_tensor *t;
    const uint32_t count = tensors_of(d, &t);
    if (p->bytes >= 4)
        ((uint32_t *)(void *)p->data)[random_below(r, p->bytes / 4)] = random_below(r, count + 1);
}

static void set_step(struct draft *d, struct random *r)
{
    struct file_step *s = step_of(d, r), *other = step_of(d, r);
    if (s == NULL)
        return;
    const struct file_step old = *s;
    switch (random_below(r, 6)) {
    case 0:
        s->n_in += random_below(r, 3) - 1;
        break;
    case 1:
        s->n_out += random_below(r, 3) - 1;
        break;
    case 2:
        s->in += random_below(r, 3) - 1;
        break;
    case 3:
        *s = *other;
        *other = old;
        break;
    case 4:
        s->n_params = value(r, s->n_params);
        break;
    default:
        s->params = value(r, s->params);
        break;
    }
}

static void set_section(struct draft *d, struct random *r)
{
    struct piece *p = &d->pieces[random_below(r, d->header.sections)], *other = &d->pieces[random_below(r, d->header.sections)];
    const struct piece old = *p;
    switch (random_below(r, 4)) {
    case 0:
        p->kind = other->kind;
        other->kind = old.kind;
        break;
    case 1:
        p->bytes -= random_below(r, p->bytes + 1);
        break;
    case 2:
        p->kind = random_u32(r);
        break;
    default:
        d->header.arena = value(r, d->header.arena);
        break;
    }
}

static void (*const damages[])(struct draft *d, struct random *r) = {
    set_word, set_word, set_params, set_params, set_params, set_data, set_data, set_tensor, set_tensor,
    overlap, overlap, resize, resize, resize, retype, set_states, set_states, set_kernel, set_list, set_step, set_section};

/* Put another section last: what reads past it leaves the file. */
static void shuffle(struct draft *d, struct random *r)
{
    struct piece *p = &d->pieces[random_below(r, d->header.sections)], *last = &d->pieces[d->header.sections - 1];
    const struct piece old = *p;
    *p = *last;
    *last = old;
}

/* Flip, overwrite or cut without regard to what the bytes mean. */
static void damage_bytes(uint8_t *file, size_t *size, struct random *r)
{
    const uint32_t reach = random_below(r, 3) == 0 && *size > 160 ? 160 : (uint32_t)*size;
    uint32_t at = random_below(r, reach), word;
    switch (random_below(r, 4)) {
    case 0:
        file[at] ^= (uint8_t)(1u << random_below(r, 8));
        break;
    case 1:
        file[at] = (uint8_t)random_u32(r);
        break;
    case 2:
        at &= ~3u;
        if (at + 4 > *size)
            return;
        memcpy(&word, file + at, 4);
        word = value(r, word);
        memcpy(file + at, &word, 4);
        break;
    default:
        *size = at;
        break;
    }
}

uint8_t *mutate(const uint8_t *file, size_t size, struct random *r, size_t *mutant_size)
{
    const uint32_t way = random_below(r, 8), times = 1 + random_below(r, MAX_DAMAGE);
    if (way < 3) { /* bytes: two of three with the old checksums */
        uint8_t *mutant = malloc(size);
        memcpy(mutant, file, size);
        *mutant_size = size;
        for (uint32_t i = 0; i < times && *mutant_size > 0; i++)
            damage_bytes(mutant, mutant_size, r);
        if (way == 2)
            repair(mutant, *mutant_size);
        return mutant;
    }
    struct draft d = take_apart(file);
    for (uint32_t i = 0; i < times; i++)
        damages[random_below(r, sizeof damages / sizeof *damages)](&d, r);
    if (random_below(r, 2) == 0) {
        infer(&d);
        lay_out(&d);
    }
    shuffle(&d, r);
    uint8_t *mutant = put_together(&d, mutant_size);
    repair(mutant, *mutant_size);
    return mutant;
}
