"""Avgpool2D: the mean of each window."""

from __future__ import annotations

from typing import Any

from torch.nn import functional

from magik_trainingkit import padding as pads
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer
from magik_trainingkit.rounding import rounded
from magik_trainingkit.values import Value, need_value


class Avgpool2D(Layer):
    """Any `padding` but 0 gives ceil(size / stride) windows, in whose means padding counts."""

    def __init__(
        self, in_channels: int, kernel_h: int = 2, kernel_w: int = 2, stride: int = 2, padding: int = 0,
        quantize: Any = False, input_bitwidth: int = 32, output_bitwidth: int = 32, target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.kernel_h, self.kernel_w, self.stride = in_channels, kernel_h, kernel_w, stride
        self.padding, self.quantize, self.target_device = padding, quantize, target_device
        self.input_bitwidth, self.output_bitwidth = input_bitwidth, output_bitwidth

    def forward(self, x: Any) -> Any:
        given = need_value(x, self.where)
        kernel, strides = (self.kernel_h, self.kernel_w), (self.stride, self.stride)
        wide = given.tensor
        if self.padding:
            around = pads.same((int(wide.shape[2]), int(wide.shape[3])), kernel, strides)
            wide = pads.padded(wide, around, pads.fill(given.clip_min, self.target_device))
        node = Node("AveragePool", (), {"kernel_shape": [*kernel], "strides": [*strides]})
        real = functional.avg_pool2d(wide, kernel, strides)
        return rounded(self, real, [node], [Value(wide, given.bits, given.clip_min)], self.target_device)
