/* A model file taken apart and put together again. */
#ifndef MAGIK_DRAFT_H
#define MAGIK_DRAFT_H

#include <stddef.h>
#include <stdint.h>

#include "file.h"

enum { SLACK = 256 }; /* bytes that a section may grow by */

/* A section in a buffer with room to grow. */
struct piece {
    uint32_t kind, bytes;
    uint8_t *data;
};

struct draft {
    struct file_header header;
    struct piece pieces[MAX_SECTIONS];
};

/* Of a valid file. */
struct draft take_apart(const uint8_t *file);
/* A file with the draft's sections and no checksums; frees the draft's, the caller frees the file. */
uint8_t *put_together(struct draft *d, size_t *size);
/* Give a damaged file right checksums, as far as its header and table can be followed. */
void repair(uint8_t *file, size_t size);
/* The section of a kind, or the first one. */
struct piece *piece_of(struct draft *d, uint32_t kind);
/* Give every step's outputs the shapes and dtypes that its operator says. */
void infer(struct draft *d);

#endif
