"""Preprocess: what the pixels of an input mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from magik_core.errors import Problem
from magik_trainingkit import graph, rules
from magik_trainingkit.layer import Layer, marked, preprocess
from magik_trainingkit.values import Pixels


class Preprocess(Layer):
    """Hand an input to the first layer. It is normalized already: (pixel - mean) / var, of whole pixels in [0, 255]."""

    devices = rules.D8

    def __init__(self, mean: float = 0.0, var: float = 255.0, target_device: str = "Txx") -> None:
        super().__init__()
        self.mean, self.var, self.target_device = mean, var, target_device

    def rules(self) -> Sequence[Problem]:
        found = [*rules.above_zero("var", self.var)]
        if self.mean * 2 % 1 or not 0 <= self.mean <= 255:
            near = min(max(round(self.mean * 2) / 2, 0), 255)
            hint = f"take {near:g}, also where images are normalized"
            found.append(Problem("a mean is no code", found=f"mean {self.mean:g}",
                                 need="a whole number or a half in [0, 255]", hint=hint))  # fmt: skip
        return found

    def forward(self, x: Tensor) -> Any:
        clip_min = -1.0 if self.mean else 0.0
        x = marked(x, "input", {"op_type": "input", "attr": "input_index_1"}, self.target_device)
        if graph.is_exporting():
            x = graph.emit(preprocess(self.mean, self.var, clip_min, self.target_device), x, x.shape)
        return Pixels(x, 8, float(self.mean), float(self.var), clip_min)
