"""Channel_Split: the channels of a feature, in several features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer
from magik_trainingkit.values import Value, unpack


class Channel_Split(Layer):
    """A list of features with as many channels each as `split` lists, or with `split` channels each.

    Each has the width and the sign of the input; of a bare tensor they are bare tensors.
    """

    def __init__(self, split: int | Sequence[int], target_device: str = "Txx") -> None:
        super().__init__()
        self.split, self.target_device = split, target_device

    def forward(self, x: Any) -> list[Any]:
        tensor = unpack(x, self.where).tensor
        parts = tensor.split(self._sizes(int(tensor.shape[1])), dim=1)
        return list(parts) if isinstance(x, Tensor) else [Value(part, *x[1:]) for part in parts]

    def _sizes(self, channels: int) -> list[int]:
        sizes = [self.split] * (channels // max(self.split, 1)) if isinstance(self.split, int) else [*self.split]
        if sum(sizes) == channels and min(sizes, default=0) > 0:
            return sizes
        what, need = "channels cannot be split", "sizes above 0 whose sum is the number of channels"
        raise TrainingError(what, where=self.where, found=f"split {self.split} of {channels} channels", need=need)
