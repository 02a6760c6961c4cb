/* Resize: an image at another size, to the nearest element (x8, x16, x32) or linearly (u8, u16, f32). */
#include "fixed.h"
#include "move.h"

enum { ASYMMETRIC, HALF_PIXEL, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, HALF_PIXEL_SYMMETRIC };
enum { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, FLOOR, CEIL };
enum { LIMIT = 1 << 20 };

struct params {
    int32_t axis;        /* [0, rank): the first of the two axes, neighbors in memory */
    int32_t coordinates; /* [0, 4] */
    int32_t rounding;    /* [0, 3] */
    int32_t num[2];      /* per axis, [1, 2^20]: out = floor(in * num / den) */
    int32_t den[2];
};

/* Size of resized axis k: 1 where the first axis is the tensor's last. */
static int32_t size_of(const struct magik_step *n, const struct magik_tensor *t, int32_t k)
{
    const int32_t axis = ((const struct params *)n->params)->axis + k;
    return axis < t->rank ? t->dims[axis] : 1;
}

/* Elements after the two axes. */
static int32_t inner_of(const struct magik_step *n)
{
    return op_product(n->in[0], ((const struct params *)n->params)->axis + 2, n->in[0]->rank);
}

int32_t magik_resize_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 1, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0];
    if (!op_fits(n, x))
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->axis, 0, x->rank - 1) || !op_between(p->coordinates, ASYMMETRIC, HALF_PIXEL_SYMMETRIC) ||
        !op_between(p->rounding, ROUND_PREFER_FLOOR, CEIL))
        return MAGIK_BAD_PARAMS;
    op_like(y, x);
    for (int32_t k = 0; k < 2; k++) {
        if (!op_between(p->num[k], 1, LIMIT) || !op_between(p->den[k], 1, LIMIT))
            return MAGIK_BAD_PARAMS;
        if (p->num[k] == p->den[k])
            continue;
        const int64_t size = size_of(n, x, k), out = size * p->num[k] / p->den[k];
        if (size > LIMIT || out < 1 || out > LIMIT || p->axis + k >= x->rank)
            return MAGIK_BAD_SHAPE;
        y->dims[p->axis + k] = (int32_t)out;
    }
    return MAGIK_OK;
}

/* The positions floor((a * i + b) / d) for i = 0, 1, ...; |a * i| < 2^62, d in [1, 2^23), |b| < 2^62 */
struct line {
    int64_t a, b, d;
};

/* Where the elements of y lie in x along resized axis k. */
static struct line line_of(const struct magik_step *n, int32_t k)
{
    const struct params *p = n->params;
    const int64_t num = p->num[k], den = p->den[k], size = size_of(n, n->in[0], k), out = size_of(n, n->out[0], k);
    if (num == den)
        return (struct line){1, 0, 1};
    if (p->coordinates == ALIGN_CORNERS)
        return out > 1 ? (struct line){size - 1, 0, out - 1} : (struct line){0, 0, 1};
    if (p->coordinates == ASYMMETRIC)
        return (struct line){den, 0, num};
    if (p->coordinates == PYTORCH_HALF_PIXEL && out == 1)
        return (struct line){0, 0, 1};
    const int64_t shift = p->coordinates == HALF_PIXEL_SYMMETRIC ? size * num - out * den : 0;
    return (struct line){2 * den, den - num + shift, 2 * num};
}

static struct line nearest_of(const struct magik_step *n, int32_t k)
{
    const struct line w = line_of(n, k);
    switch (((const struct params *)n->params)->rounding) {
    case FLOOR:
        return w;
    case CEIL:
        return (struct line){w.a, w.b + w.d - 1, w.d};
    case ROUND_PREFER_CEIL:
        return (struct line){2 * w.a, 2 * w.b + w.d, 2 * w.d};
    default:
        return (struct line){2 * w.a, 2 * w.b + w.d - 1, 2 * w.d};
    }
}

/* Fraction bits of a weight: four products with a code then sum to 30 bits for u8, 54 for u16. */
static inline int32_t bits_of(int is_wide)
{
    return is_wide ? 19 : 11;
}

/* Positions in units of 2^-bits, rounded half up. */
static struct line fine_of(const struct magik_step *n, int32_t k, int32_t bits)
{
    const struct line w = line_of(n, k);
    const int64_t unit = (int64_t)2 << bits;
    return (struct line){w.a * unit, w.b * unit + w.d, 2 * w.d};
}

/* Walks along a line without dividing: the position is at + left / d. */
struct walk {
    int64_t at, left, step, rest, d;
};

static struct walk walk_from(struct line w, int32_t i)
{
    const int64_t at = fx_floor_div(w.a * i + w.b, w.d);
    return (struct walk){at, w.a * i + w.b - at * w.d, w.a / w.d, w.a % w.d, w.d};
}

static inline void walk_on(struct walk *w)
{
    w->at += w->step;
    w->left += w->rest;
    if (w->left >= w->d) {
        w->left -= w->d;
        w->at++;
    }
}

static inline void resize_nearest(const struct magik_step *n, size_t bytes)
{
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    const int32_t inner = inner_of(n);
    const int32_t ah = size_of(n, x, 0), aw = size_of(n, x, 1), bh = size_of(n, y, 0), bw = size_of(n, y, 1);
    const struct line down = nearest_of(n, 0), along = nearest_of(n, 1);
    int32_t r, end, before = -1;
    op_span(n, y->count / (bw * inner), &r, &end);
    for (; r < end; r++) {
        const int32_t i = (int32_t)fx_clamp(walk_from(down, r % bh).at, 0, ah - 1), from = r / bh * ah + i;
        uint8_t *to = move_at(y, r * bw * inner, bytes);
        if (from == before) { /* the same row again */
            memcpy(to, to - (size_t)(bw * inner) * bytes, (size_t)(bw * inner) * bytes);
            continue;
        }
        before = from;
        struct walk w = walk_from(along, 0);
        for (int32_t j = 0; j < bw; j++, walk_on(&w), to += (size_t)inner * bytes) {
            const int32_t at = (int32_t)fx_clamp(w.at, 0, aw - 1);
            move_pieces(to, move_at(x, (from * aw + at) * inner, bytes), 1, inner, 0, bytes);
        }
    }
}

void magik_resize_x8(const struct magik_step *n)
{
    resize_nearest(n, 1);
}

void magik_resize_x16(const struct magik_step *n)
{
    resize_nearest(n, 2);
}

void magik_resize_x32(const struct magik_step *n)
{
    resize_nearest(n, 4);
}

/* The two elements between which a position lies; y = low * (1 - f) + high * f. */
struct between {
    int32_t low, high;
    int32_t f; /* units of 2^-bits, [0, 2^bits) */
    float real;
};

static inline struct between fine_between(const struct walk *w, int32_t size, int32_t bits)
{
    const int64_t low = w->at >> bits;
    if (w->at < 0 || low >= size - 1)
        return (struct between){w->at < 0 ? 0 : size - 1, w->at < 0 ? 0 : size - 1, 0, 0.0f};
    return (struct between){(int32_t)low, (int32_t)low + 1, (int32_t)(w->at & (((int64_t)1 << bits) - 1)), 0.0f};
}

static inline struct between real_between(const struct walk *w, int32_t size)
{
    if (w->at < 0 || w->at >= size - 1)
        return (struct between){w->at < 0 ? 0 : size - 1, w->at < 0 ? 0 : size - 1, 0, 0.0f};
    return (struct between){(int32_t)w->at, (int32_t)w->at + 1, 0, (float)w->left / (float)w->d};
}

/* The `inner` elements of y between those of x in two rows, `low` and `high` further on. */
static inline void blend_u8(uint8_t *y, const uint8_t *top, const uint8_t *bottom, int32_t inner, const struct between *i, const struct between *j)
{
    const int32_t bits = bits_of(0), one = 1 << bits;
    const uint8_t *a = top + j->low * inner, *b = top + j->high * inner, *c = bottom + j->low * inner, *d = bottom + j->high * inner;
    const int32_t wa = (one - i->f) * (one - j->f), wb = (one - i->f) * j->f, wc = i->f * (one - j->f), wd = i->f * j->f;
    for (int32_t l = 0; l < inner; l++)
        y[l] = (uint8_t)fx_shift(a[l] * wa + b[l] * wb + c[l] * wc + d[l] * wd, 2 * bits);
}

static inline void blend_u16(uint16_t *y, const uint16_t *top, const uint16_t *bottom, int32_t inner, const struct between *i, const struct between *j)
{
    const int32_t bits = bits_of(1);
    const int64_t one = 1 << bits, right = j->f, down = i->f;
    const uint16_t *a = top + j->low * inner, *b = top + j->high * inner, *c = bottom + j->low * inner, *d = bottom + j->high * inner;
    const int64_t wa = (one - down) * (one - right), wb = (one - down) * right, wc = down * (one - right), wd = down * right;
    for (int32_t l = 0; l < inner; l++)
        y[l] = (uint16_t)fx_shift(a[l] * wa + b[l] * wb + c[l] * wc + d[l] * wd, 2 * bits);
}

static inline void resize_codes(const struct magik_step *n, int is_wide)
{
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    const int32_t inner = inner_of(n), ah = size_of(n, x, 0), aw = size_of(n, x, 1), bh = size_of(n, y, 0), bw = size_of(n, y, 1);
    const int32_t bits = bits_of(is_wide);
    const size_t bytes = is_wide ? 2 : 1;
    const struct line down = fine_of(n, 0, bits), along = fine_of(n, 1, bits);
    int32_t r, end;
    op_span(n, y->count / (bw * inner), &r, &end);
    for (; r < end; r++) {
        const struct walk v = walk_from(down, r % bh);
        const struct between i = fine_between(&v, ah, bits);
        const void *top = move_at(x, (r / bh * ah + i.low) * aw * inner, bytes);
        const void *bottom = move_at(x, (r / bh * ah + i.high) * aw * inner, bytes);
        struct walk w = walk_from(along, 0);
        for (int32_t k = 0; k < bw; k++, walk_on(&w)) {
            const struct between j = fine_between(&w, aw, bits);
            void *to = move_at(y, (r * bw + k) * inner, bytes);
            if (is_wide)
                blend_u16(to, top, bottom, inner, &i, &j);
            else
                blend_u8(to, top, bottom, inner, &i, &j);
        }
    }
}

void magik_resize_u8(const struct magik_step *n)
{
    resize_codes(n, 0);
}

void magik_resize_u16(const struct magik_step *n)
{
    resize_codes(n, 1);
}

void magik_resize_f32(const struct magik_step *n)
{
    const struct magik_tensor *x = n->in[0], *y = n->out[0];
    const int32_t inner = inner_of(n), ah = size_of(n, x, 0), aw = size_of(n, x, 1), bh = size_of(n, y, 0), bw = size_of(n, y, 1);
    const struct line down = line_of(n, 0), along = line_of(n, 1);
    int32_t r, end;
    op_span(n, y->count / (bw * inner), &r, &end);
    for (; r < end; r++) {
        const struct walk v = walk_from(down, r % bh);
        const struct between i = real_between(&v, ah);
        const float *top = (const float *)x->data + (r / bh * ah + i.low) * aw * inner;
        const float *bottom = (const float *)x->data + (r / bh * ah + i.high) * aw * inner;
        float *to = (float *)y->data + r * bw * inner;
        struct walk w = walk_from(along, 0);
        for (int32_t k = 0; k < bw; k++, walk_on(&w), to += inner) {
            const struct between j = real_between(&w, aw);
            const float *a = top + j.low * inner, *b = top + j.high * inner;
            const float *c = bottom + j.low * inner, *d = bottom + j.high * inner;
            for (int32_t l = 0; l < inner; l++) {
                const float one = a[l] * (1.0f - j.real) + b[l] * j.real, two = c[l] * (1.0f - j.real) + d[l] * j.real;
                to[l] = one * (1.0f - i.real) + two * i.real;
            }
        }
    }
}
