#include "draft.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"

struct piece *piece_of(struct draft *d, uint32_t kind)
{
    for (uint32_t i = 0; i < d->header.sections; i++)
        if (d->pieces[i].kind == kind)
            return &d->pieces[i];
    return &d->pieces[0];
}

struct draft take_apart(const uint8_t *file)
{
    struct draft d;
    memset(&d, 0, sizeof d);
    memcpy(&d.header, file, sizeof d.header);
    for (uint32_t i = 0; i < d.header.sections; i++) {
        struct file_section s;
        memcpy(&s, file + sizeof d.header + i * sizeof s, sizeof s);
        d.pieces[i] = (struct piece){s.kind, s.bytes, calloc(1, s.bytes + SLACK)};
        memcpy(d.pieces[i].data, file + s.offset, s.bytes);
    }
    return d;
}

static uint32_t body_of(const struct draft *d)
{
    return (uint32_t)(sizeof d->header + d->header.sections * sizeof(struct file_section));
}

uint8_t *put_together(struct draft *d, size_t *size)
{
    uint32_t at = body_of(d);
    for (uint32_t i = 0; i < d->header.sections; i++)
        at = ((at + 15) & ~15u) + d->pieces[i].bytes;
    d->header.bytes = at;
    uint8_t *file = calloc(1, at);
    memcpy(file, &d->header, sizeof d->header);
    at = body_of(d);
    for (uint32_t i = 0; i < d->header.sections; i++) {
        const struct piece *p = &d->pieces[i];
        at = (at + 15) & ~15u;
        const struct file_section s = {p->kind, at, p->bytes, 0};
        memcpy(file + sizeof d->header + i * sizeof s, &s, sizeof s);
        memcpy(file + at, p->data, p->bytes);
        at += p->bytes;
        free(p->data);
    }
    *size = at;
    return file;
}

void repair(uint8_t *file, size_t size)
{
    struct file_header h;
    if (size < sizeof h)
        return;
    memcpy(&h, file, sizeof h);
    const size_t head = sizeof h + (size_t)h.sections * sizeof(struct file_section);
    if (h.sections > MAX_SECTIONS || head > size)
        return;
    for (uint32_t i = 0; i < h.sections; i++) {
        uint8_t *row = file + sizeof h + i * sizeof(struct file_section);
        struct file_section s;
        memcpy(&s, row, sizeof s);
        if (s.offset <= size && s.bytes <= size - s.offset)
            s.crc = crc32_of(file + s.offset, s.bytes);
        memcpy(row, &s, sizeof s);
    }
    memset(file + offsetof(struct file_header, crc), 0, sizeof h.crc);
    h.crc = crc32_of(file, head);
    memcpy(file + offsetof(struct file_header, crc), &h.crc, sizeof h.crc);
}
