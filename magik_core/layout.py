"""All axis orders: how a source tensor's axes lie in memory.

A stored tensor has `axes`: stored axis i holds source axis axes[i]. Images are channels-last; a
Transpose of the source changes `axes` and moves nothing; a Reshape moves nothing where the axes it
joins or splits are neighbors in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from magik_core.program import Shape

Axes = tuple[int, ...]


def source_order(rank: int) -> Axes:
    return tuple(range(rank))


def channels_last(rank: int) -> Axes:
    """(N, C, …) stored as (N, …, C); ranks below 3 have nothing to move."""
    return (0, *range(2, rank), 1) if rank > 2 else source_order(rank)


def stored(shape: Sequence[int], axes: Axes) -> Shape:
    """Stored shape of a source shape."""
    return tuple(shape[a] for a in axes)


def logical(shape: Sequence[int], axes: Axes) -> Shape:
    """Source shape of a stored shape."""
    return tuple(shape[axes.index(a)] for a in range(len(axes)))


def is_nhwc(shape: Sequence[int]) -> bool:
    """Whether an input of this source shape can only be an image with its channels last."""
    return len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)


def channels(shape: Sequence[int]) -> int | None:
    """How many channels an input of this source shape has; None where it has none."""
    return None if len(shape) < 3 else shape[3] if is_nhwc(shape) else shape[1]


def permutation(old: Axes, new: Axes) -> Axes:
    """Transpose that turns storage in `old` order into `new` order."""
    return tuple(old.index(a) for a in new)


def is_same_memory(shape: Sequence[int], perm: Axes) -> bool:
    """Whether transposing a stored shape by `perm` leaves the bytes as they are: only axes of size 1 move."""
    moved = [p for p in perm if shape[p] != 1]
    return moved == sorted(moved)


def groups(a: Sequence[int], b: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Pair up the smallest runs of axes of `a` and `b` with equal products.

    Args:    a, b: positive sizes with the same product.
    Returns: for each run the axes of `a` and the axes of `b`, in order; every axis occurs once.
    """
    out: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        run_a, run_b = [], []
        pa = pb = 1
        if i < len(a):
            run_a, pa, i = [i], a[i], i + 1
        if j < len(b):
            run_b, pb, j = [j], b[j], j + 1
        while pa != pb:
            if (pa < pb and i < len(a)) or j >= len(b):
                run_a, pa, i = [*run_a, i], pa * a[i], i + 1
            else:
                run_b, pb, j = [*run_b, j], pb * b[j], j + 1
        if run_a and run_b:
            out.append((run_a, run_b))
        else:  # trailing axes of size 1 belong to the last run
            out[-1] = (out[-1][0] + run_a, out[-1][1] + run_b)
    return out


def reshape(shape: Shape, axes: Axes, new: Shape) -> Axes | None:
    """Axes of a tensor reshaped (in source terms) to `new` without moving a byte, or None.

    Args: shape: stored shape; axes: its axis order; new: source shape after the reshape.
    """
    old = logical(shape, axes)
    wide_old = [i for i, n in enumerate(old) if n != 1]
    wide_new = [i for i, n in enumerate(new) if n != 1]
    order = [a for a in axes if old[a] != 1]
    runs = groups([old[i] for i in wide_old], [new[i] for i in wide_new]) if wide_old else []
    placed: dict[int, list[int]] = {}
    for run_old, run_new in runs:
        members = [wide_old[i] for i in run_old]
        start = order.index(members[0])
        if order[start : start + len(members)] != members:
            return None
        placed[start] = [wide_new[i] for i in run_new]
    wide = [a for start in sorted(placed) for a in placed[start]]
    return _with_unit_axes(wide, new)


def _with_unit_axes(wide: list[int], shape: Shape) -> Axes:
    """Complete an order of the axes that are not 1: a familiar order where one fits."""
    for axes in (source_order(len(shape)), channels_last(len(shape))):
        if [a for a in axes if shape[a] != 1] == wide:
            return axes
    return (*(i for i, n in enumerate(shape) if n == 1), *wide)


def count(shape: Sequence[int]) -> int:
    return math.prod(shape)
