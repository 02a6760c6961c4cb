"""Max: the larger of features."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import graph
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer, source
from magik_trainingkit.shortcut import parts
from magik_trainingkit.values import Value, same


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
        return reduce(self._larger, values)

    def _larger(self, a: Value, b: Value) -> Value:
        y = torch.maximum(a.tensor, b.tensor)
        if graph.is_exporting() and a.bits != REAL:
            y = graph.emit(source(a, self.target_device), y, y.shape)
        return Value(y, a.bits, a.clip_min)
