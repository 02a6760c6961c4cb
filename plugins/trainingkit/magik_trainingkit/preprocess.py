"""Preprocess: what the pixels of an input mean."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from magik_trainingkit import graph
from magik_trainingkit.layer import Layer, marked, preprocess
from magik_trainingkit.values import Pixels


class Preprocess(Layer):
    """Hand an input to the first layer. It is normalized already: (pixel - mean) / var, of whole pixels in [0, 255]."""

    def __init__(self, mean: float = 0.0, var: float = 255.0, target_device: str = "Txx") -> None:
        super().__init__()
        self.mean, self.var, self.target_device = mean, var, target_device

    def forward(self, x: Tensor) -> Any:
        clip_min = -1.0 if self.mean else 0.0
        x = marked(x, "input", {"op_type": "input", "attr": "input_index_1"}, self.target_device)
        if graph.is_exporting():
            x = graph.emit(preprocess(self.mean, self.var, clip_min, self.target_device), x, x.shape)
        return Pixels(x, 8, float(self.mean), float(self.var), clip_min)
