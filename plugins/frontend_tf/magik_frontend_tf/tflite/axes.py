"""In which order a value of the graph has the axes of its tensor.

An order lists the tensor's axes as the value has them: (0, 3, 1, 2) is NCHW where the tensor is NHWC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
Order = tuple[int, ...]
IMAGE: Order = (0, 3, 1, 2)


def plain(rank: int) -> Order:
    """The tensor's own order."""
    return tuple(range(rank))


def permuted(items: Sequence[T], order: Order) -> list[T]:
    """What belongs to each axis of the tensor, in the order of the value."""
    return [items[axis] for axis in order]


def moves(before: Order, after: Order) -> list[int]:
    """ONNX's perm from one order to another."""
    return [before.index(axis) for axis in after]


def without(order: Order, removed: Sequence[int]) -> Order:
    """The order of a tensor that has lost axes; the others are counted anew."""
    left = sorted(set(order) - set(removed))
    return tuple(left.index(axis) for axis in order if axis not in removed)


def is_same_sequence(before: Order, after: Order, shape: Sequence[int]) -> bool:
    """Whether both orders lay out the elements of a tensor alike: only axes of one element have moved."""
    large = [[axis for axis in order if shape[axis] != 1] for order in (before, after)]
    return large[0] == large[1]
