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

/* Copy `count` pieces of `piece` elements, which begin `step` elements apart in x, one after the other
 * into y. Where y lies on x as a view of it, nothing moves; memmove, since a hostile file may let the two
 * overlap otherwise. */
static inline void move_pieces(uint8_t *y, const uint8_t *x, int32_t count, int32_t piece, int32_t step, size_t bytes)
{
    const ptrdiff_t stride = (ptrdiff_t)step * (ptrdiff_t)bytes;
    const size_t size = (size_t)piece * bytes;
    if (x == y)
        return;
    if (piece == 1)
        for (int32_t i = 0; i < count; i++, y += bytes, x += stride)
            memmove(y, x, bytes);
    else
        for (int32_t i = 0; i < count; i++, y += size, x += stride)
            memmove(y, x, size);
}

#endif
