"""Unpool2D: a larger image, by repeated or by empty pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from magik_core.errors import Problem
from magik_trainingkit import padding as pads
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer
from magik_trainingkit.rounding import uncoded
from magik_trainingkit.values import Value, need_value

MODES = ("zero", "nearest", "bilinear")


class Unpool2D(Layer):
    """kernel_h times as high and kernel_w times as wide: "zero" leaves the new pixels empty, "nearest" repeats.

    Empty is what padding reads. "bilinear" is for a last layer, whose result has no codes.
    """

    def __init__(
        self, kernel_h: int = 2, kernel_w: int = 2, mode: str = "zero", quantize: Any = False,
        last_layer: bool = False, target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_h, self.kernel_w, self.mode = kernel_h, kernel_w, mode
        self.quantize, self.last_layer, self.target_device = quantize, last_layer, target_device

    def rules(self) -> Sequence[Problem]:
        if self.mode in MODES and (self.mode != "bilinear" or self.last_layer):
            return []
        need = "zero, nearest, or bilinear with last_layer=True"
        return [Problem("a layer grows its input in a way that no kernel has", found=f"mode {self.mode!r}", need=need)]

    def forward(self, x: Any) -> Any:
        given = need_value(x, self.where)
        if self.mode == "zero":
            y = self._apart(given.tensor, pads.fill(given.clip_min, self.target_device) if self.quantize else 0.0)
        else:
            factors = float(self.kernel_h), float(self.kernel_w)
            y = functional.interpolate(given.tensor, scale_factor=factors, mode=self.mode)
        if self.mode == "bilinear":
            y = uncoded(self, y, self._resize(), given, self.target_device)
        return y if self.last_layer else Value(y, given.bits, given.clip_min)

    def _resize(self) -> Node:
        scales = torch.tensor([1.0, 1.0, self.kernel_h, self.kernel_w])
        given = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return Node("Resize", [torch.empty(0), scales], given)

    def _apart(self, x: Tensor, value: float) -> Tensor:
        """Pixels kernel_h and kernel_w apart."""
        n, c, h, w = x.shape
        wide = functional.pad(x.reshape(n, c, h * w, 1), (0, self.kernel_w - 1), value=value)
        rows = wide.reshape(n, c, h, w * self.kernel_w)
        tall = functional.pad(rows, (0, (self.kernel_h - 1) * w * self.kernel_w), value=value)
        return tall.reshape(n, c, h * self.kernel_h, w * self.kernel_w)
