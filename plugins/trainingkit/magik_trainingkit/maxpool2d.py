"""Maxpool2D: the largest of each window."""

from __future__ import annotations

from typing import Any

from torch.nn import functional

from magik_trainingkit import padding as pads
from magik_trainingkit.layer import Layer
from magik_trainingkit.values import Value, need_value


class Maxpool2D(Layer):
    """Any `padding` but 0 gives ceil(size / stride) windows."""

    def __init__(
        self, kernel_h: int = 2, kernel_w: int = 2, stride: int = 2, padding: int = 0, target_device: str = "Txx"
    ) -> None:
        super().__init__()
        self.kernel_h, self.kernel_w, self.stride, self.padding = kernel_h, kernel_w, stride, padding
        self.target_device = target_device

    def forward(self, x: Any) -> Any:
        given = need_value(x, self.where)
        kernel, strides = (self.kernel_h, self.kernel_w), (self.stride, self.stride)
        y = given.tensor
        if self.padding:
            around = pads.same((int(y.shape[2]), int(y.shape[3])), kernel, strides)
            y = pads.padded(y, around, pads.fill(given.clip_min, self.target_device))
        return Value(functional.max_pool2d(y, kernel, strides), given.bits, given.clip_min)
