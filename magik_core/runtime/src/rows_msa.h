/* Rows of an image copied with their padding, as many as a window meets: then no pixel lies at a border. */
#ifndef MAGIK_ROWS_MSA_H
#define MAGIK_ROWS_MSA_H

#include "window.h"

struct rows_msa {
    const struct window *window;
    struct image s;        /* of x */
    int32_t channels;      /* that are copied: a group's, or all */
    int32_t zero;          /* code of padding */
    int32_t width, bytes;  /* of a copied row: pixels, and bytes with what may be read past them */
    int32_t slots;         /* rows in memory; one more holds padding */
    uint8_t *memory;
    const uint8_t *x;      /* image and first channel that are copied */
    int32_t next;          /* first row not copied */
};

enum { ROWS_SLACK = 16 };

/* For outputs ow wide, computed in steps of `tile` pixels, of a kh x kw window. */
static inline struct rows_msa rows_msa(const struct window *p, struct image s, struct image k, int32_t ow, int32_t tile, int32_t channels, int32_t zero)
{
    const int64_t tall = (int64_t)(k.h - 1) * p->dilation_h + 1;
    const int64_t width = ((int64_t)(ow + tile - 1) / tile * tile - 1) * p->stride_w + (int64_t)(k.w - 1) * p->dilation_w + 1;
    struct rows_msa r = {.window = p, .s = s, .channels = channels, .zero = zero};
    r.slots = (int32_t)(tall < s.h ? tall : s.h);
    const int64_t bytes = (width * channels + ROWS_SLACK + 15) & ~(int64_t)15;
    if (width < 1 << 24 && bytes * (r.slots + 1) < 1 << 30) {
        r.width = (int32_t)width;
        r.bytes = (int32_t)bytes;
    }
    return r;
}

/* Bytes of memory, a multiple of 16; 0: too many. */
static inline size_t rows_bytes_msa(const struct rows_msa *r)
{
    return (size_t)r->bytes * ((size_t)r->slots + 1);
}

static inline void rows_open_msa(struct rows_msa *r, uint8_t *memory)
{
    r->memory = memory;
    memset(memory + r->slots * r->bytes, r->zero, (size_t)r->bytes);
}

/* Turn to another image or group of channels. */
static inline void rows_turn_msa(struct rows_msa *r, const uint8_t *x)
{
    r->x = x;
    r->next = 0;
}

static inline void rows_copy_msa(const struct rows_msa *r, int32_t ih)
{
    const int32_t c = r->channels, left = r->window->left < r->width ? r->window->left : r->width;
    const int32_t inside = r->s.w < r->width - left ? r->s.w : r->width - left;
    uint8_t *to = r->memory + ih % r->slots * r->bytes;
    const uint8_t *x = r->x + ih * r->s.w * r->s.c;
    memset(to, r->zero, (size_t)(left * c));
    to += left * c;
    if (c == r->s.c)
        memcpy(to, x, (size_t)(inside * c));
    else
        for (int32_t i = 0; i < inside; i++)
            memcpy(to + i * c, x + i * r->s.c, (size_t)c);
    memset(to + inside * c, r->zero, (size_t)(r->bytes - (left + inside) * c));
}

/* Copy the rows of the window at output row oh of k.h taps that are not there yet. */
static inline void rows_reach_msa(struct rows_msa *r, int32_t oh, int32_t kh)
{
    const int32_t first = oh * r->window->stride_h - r->window->top, last = first + (kh - 1) * r->window->dilation_h;
    if (r->next < first)
        r->next = first;
    for (; r->next <= last && r->next < r->s.h; r->next++)
        rows_copy_msa(r, r->next);
}

/* First byte of the copied row ih; padding outside the image. */
static inline const uint8_t *row_msa(const struct rows_msa *r, int32_t ih)
{
    return r->memory + (ih < 0 || ih >= r->s.h ? r->slots : ih % r->slots) * r->bytes;
}

#endif
