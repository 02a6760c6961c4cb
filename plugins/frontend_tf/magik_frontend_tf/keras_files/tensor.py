"""A tensor of Keras and its values in the graph, by the order of their axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Order = tuple[int, ...]  # axis i of the value is axis order[i] of the tensor


@dataclass
class Tensor:
    """`forms`: the values that hold the tensor, the one that its layer made first."""

    forms: dict[Order, str] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return len(next(iter(self.forms)))

    @property
    def order(self) -> Order:
        """The order of the axes of the first value."""
        return next(iter(self.forms))

    def permuted(self, axes: Sequence[int]) -> Tensor:
        """The same values as the tensor whose axis i is axis axes[i] of this one."""
        return Tensor({tuple(list(axes).index(axis) for axis in order): name for order, name in self.forms.items()})


def plain(rank: int) -> Order:
    return tuple(range(rank))


def channels_first(rank: int) -> Order:
    return (0, rank - 1, *range(1, rank - 1))
