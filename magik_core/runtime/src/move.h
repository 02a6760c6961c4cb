/* What the kernels that only move elements share. `bytes` is the size of an element; kernels pass a
 * literal, so that the copy of one element is a load and a store. */
#ifndef MAGIK_MOVE_H
#define MAGIK_MOVE_H

#include "op.h"

/* Element `at` of a tensor. */
static inline uint8_t *move_at(const struct magik_tensor *t, int32_t at, size_t bytes)
{
    return (uint8_t *)t->data + (size_t)at * bytes;
}

/* memmove by itself: for few bytes quicker than a call. */
static inline void move_few(uint8_t *to, const uint8_t *from, size_t size)
{
    struct {
        uint8_t byte[16];
    } some;
    for (size_t i = 0; i < size; i += 16) {
        const size_t at = i + 16 <= size ? i : size - 16;
        memcpy(&some, from + at, 16);
        memcpy(to + at, &some, 16);
    }
}

/* Copy `count` pieces of `size` bytes, so far apart. Where `to` lies on `from` as a view of it, nothing moves; memmove,
 * since a hostile file may let the two overlap otherwise. */
static inline void move_rows(uint8_t *to, ptrdiff_t to_stride, const uint8_t *from, ptrdiff_t from_stride, int32_t count, size_t size)
{
    const int is_even = from_stride == 2 && to_stride == 1 && size == 1;
    if (to == from && (to_stride == from_stride || count == 1))
        return;
    if (is_even && (to >= from + 2 * (ptrdiff_t)count || to + count <= from)) {
        const uint8_t *restrict x = from;
        uint8_t *restrict y = to;
        for (int32_t i = 0; i < count; i++)
            y[i] = x[2 * i];
        return;
    }
    for (int32_t i = 0; i < count; i++, to += to_stride, from += from_stride)
        if (size == 1)
            *to = *from;
        else if (size == 2)
            memmove(to, from, 2);
        else if (size == 4)
            memmove(to, from, 4);
        else if (size == 8)
            memmove(to, from, 8);
        else if (size == 16)
            move_few(to, from, 16);
        else if (size == 32)
            move_few(to, from, 32);
        else if (size > 16 && size <= 256)
            move_few(to, from, size);
        else
            memmove(to, from, size);
}

/* Copy `count` pieces of `piece` elements, which begin `step` elements apart in x, one after the other into y. */
static inline void move_pieces(uint8_t *y, const uint8_t *x, int32_t count, int32_t piece, int32_t step, size_t bytes)
{
    const size_t size = (size_t)piece * bytes;
    move_rows(y, (ptrdiff_t)size, x, (ptrdiff_t)step * (ptrdiff_t)bytes, count, size);
}

#endif
