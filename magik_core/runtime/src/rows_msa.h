/* Rows of an image copied with their padding, as many as a window meets: then no pixel lies at a border. */
#ifndef MAGIK_ROWS_MSA_H
#define MAGIK_ROWS_MSA_H

#include "requant_msa.h"
#include "window.h"

struct rows_msa {
    const struct window *window;
    struct image s;        /* of x */
    int32_t channels;      /* that are copied: some, or all */
    int32_t pixel;         /* bytes of a copied pixel: channels, or 16 */
    int32_t is_spread;     /* 1: a pixel takes 16 bytes, x - 128, zero too */
    int32_t zero;          /* byte of padding */
    int32_t width, bytes;  /* of a copied row: pixels, and bytes with what may be read past them */
    int32_t slots;         /* rows in memory; one more holds padding */
    uint8_t *memory;
    const uint8_t *x;      /* image and first channel that are copied */
    const uint8_t *x_begin; /* of the tensor */
    int32_t next;          /* first row not copied */
};

enum { ROWS_SLACK = 16 };

/* For outputs ow wide, computed in steps of `tile` pixels, of a kh x kw window. */
static inline struct rows_msa rows_msa(const struct window *p, struct image s, struct image k, int32_t ow, int32_t tile, int32_t pixel, int32_t zero)
{
    const int64_t tall = (int64_t)(k.h - 1) * p->dilation_h + 1;
    const int64_t width = ((int64_t)(ow + tile - 1) / tile * tile - 1) * p->stride_w + (int64_t)(k.w - 1) * p->dilation_w + 1;
    struct rows_msa r = {.window = p, .s = s, .channels = pixel, .pixel = pixel, .zero = zero};
    r.slots = (int32_t)(tall < s.h ? tall : s.h);
    const int64_t bytes = (width * pixel + ROWS_SLACK + 15) & ~(int64_t)15;
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

static inline void copy_msa(uint8_t *to, const uint8_t *x, int32_t bytes)
{
    for (; bytes >= 64; bytes -= 64, to += 64, x += 64) {
        const v16i8 a = load_msa(x, 16), b = load_msa(x + 16, 16), c = load_msa(x + 32, 16), d = load_msa(x + 48, 16);
        __msa_st_b(a, to, 0);
        __msa_st_b(b, to, 16);
        __msa_st_b(c, to, 32);
        __msa_st_b(d, to, 48);
    }
    for (; bytes >= 16; bytes -= 16, to += 16, x += 16)
        __msa_st_b(load_msa(x, 16), to, 0);
    memcpy(to, x, (size_t)bytes);
}

/* `bytes`, a multiple of 16, of one value. */
static inline uint8_t *fill_msa(uint8_t *to, int32_t value, int32_t bytes)
{
    for (; bytes > 0; bytes -= 16, to += 16)
        __msa_st_b(__msa_fill_b(value), to, 0);
    return to;
}

static inline v16i8 flip_msa(v16i8 v)
{
    return (v16i8)__msa_xori_b((v16u8)v, 128);
}

/* Pixels of up to 16 channels, less 128; nothing before x_begin is read. */
static inline void spread_msa(const struct rows_msa *r, uint8_t *to, const uint8_t *x, int32_t count, const uint8_t *x_begin)
{
    const int32_t before = 16 - r->channels, step = r->s.c;
    for (; count > 0 && x - x_begin < before; count--, x += step, to += 16)
        __msa_st_b(flip_msa(load_msa(x, r->channels)), to, 0);
    if (before == 0) {
        for (; count >= 4; count -= 4, x += 4 * step, to += 64) {
            const v16i8 a = flip_msa(load_msa(x, 16)), b = flip_msa(load_msa(x + step, 16));
            const v16i8 c = flip_msa(load_msa(x + 2 * step, 16)), d = flip_msa(load_msa(x + 3 * step, 16));
            __msa_st_b(a, to, 0);
            __msa_st_b(b, to, 16);
            __msa_st_b(c, to, 32);
            __msa_st_b(d, to, 48);
        }
        for (; count > 0; count--, x += step, to += 16)
            __msa_st_b(flip_msa(load_msa(x, 16)), to, 0);
    } else {
        for (; count > 0; count--, x += step, to += 16) {
            const v16i8 v = load_msa(x - before, 16);
            __msa_st_b(flip_msa(__msa_sld_b(v, v, before)), to, 0);
        }
    }
}

static inline void rows_copy_msa(const struct rows_msa *r, int32_t ih)
{
    const int32_t c = r->pixel, left = r->window->left < r->width ? r->window->left : r->width;
    const int32_t inside = r->s.w < r->width - left ? r->s.w : r->width - left;
    uint8_t *to = r->memory + ih % r->slots * r->bytes;
    const uint8_t *x = r->x + ih * r->s.w * r->s.c;
    if (r->is_spread) {
        to = fill_msa(to, r->zero, left * c);
        spread_msa(r, to, x, inside, r->x_begin);
        fill_msa(to + inside * c, r->zero, r->bytes - (left + inside) * c);
        return;
    }
    memset(to, r->zero, (size_t)(left * c));
    to += left * c;
    if (c == r->s.c)
        copy_msa(to, x, inside * c);
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
