"""Channel_Shuffle: channels of several groups, in turns."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer
from magik_trainingkit.values import moved


class Channel_Shuffle(Layer):
    """The first channel of each of `groups` groups, then the second of each, and so on; codes stay what they are."""

    def __init__(self, groups: int, target_device: str = "Txx") -> None:
        super().__init__()
        self.groups, self.target_device = groups, target_device

    def forward(self, x: Any) -> Any:
        return moved(x, self.where, self._shuffled)

    def _shuffled(self, x: Tensor) -> Tensor:
        n, c, h, w = (int(size) for size in x.shape)
        if self.groups < 1 or c % self.groups:
            found = f"{c} channels in {self.groups} groups"
            raise TrainingError("channels do not make groups", where=self.where, found=found, need="groups of one size")
        return x.reshape(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
