"""Max: the larger of features."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch

from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer
from magik_trainingkit.rounding import rounded
from magik_trainingkit.shortcut import parts
from magik_trainingkit.values import same


class Max(Layer):
    """Element by element the largest of two or more features of one width and sign; codes stay what they are."""

    def __init__(self, target_device: str = "T40") -> None:
        super().__init__()
        self.target_device = target_device

    def forward(self, *inputs: Any) -> Any:
        values = parts(inputs, self.where)
        if len(values) < 2:
            found = f"{len(values)} values"
            raise TrainingError("the largest is one of several", where=self.where, found=found, need="two or more")
        same(values, self.where)
        real = reduce(torch.maximum, [v.tensor for v in values])
        return rounded(self, real, [Node("Max")], values, self.target_device)
