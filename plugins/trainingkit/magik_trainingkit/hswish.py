"""Hswish: a smooth function that only needs limits."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit.functions import Function
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import marked
from magik_trainingkit.rounding import rounded
from magik_trainingkit.values import Value, need_value


class Hswish(Function):
    """x * min(max(x + 3, 0), 6) / 6; of a feature, of its reals in [-1, 1], and rounded again."""

    def __init__(self, in_channels: int, target_device: str = "Txx") -> None:
        super().__init__()
        self.in_channels, self.target_device = in_channels, target_device

    def real(self, x: Tensor) -> Tensor:
        return functional.hardswish(x)

    def forward(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.real(x)
        given, kind = need_value(x, self.where), {"op_type": "Hswish"}
        if given.bits == REAL:
            return Value(self.real(given.tensor), REAL, given.clip_min)
        real = self.real(marked(given.tensor, "hswish_start", kind, self.target_device))
        y = rounded(self, real, [Node("HardSwish")], [given], self.target_device)
        return y._replace(tensor=marked(y.tensor, "hswish_end", kind, self.target_device))
