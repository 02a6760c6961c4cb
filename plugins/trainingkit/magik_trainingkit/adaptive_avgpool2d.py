"""AdaptiveAvgpool2D: the mean of each channel."""

from __future__ import annotations

from typing import Any

from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer, marked
from magik_trainingkit.rounding import rounded, uncoded
from magik_trainingkit.values import need_value


class AdaptiveAvgpool2D(Layer):
    """The mean over height and width, which stay as 1 and 1 with `keepdim`."""

    def __init__(
        self, in_channels: int, keepdim: bool = True, quantize: Any = False, input_bitwidth: int = 32,
        output_bitwidth: int = 32, last_layer: bool = False, target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.keepdim, self.quantize, self.last_layer = in_channels, keepdim, quantize, last_layer
        self.input_bitwidth, self.output_bitwidth, self.target_device = input_bitwidth, output_bitwidth, target_device

    def forward(self, x: Any) -> Any:
        given = need_value(x, self.where)
        real = given.tensor.mean((2, 3), keepdim=self.keepdim)
        node = Node("ReduceMean", (), {"axes": [2, 3], "keepdims": int(self.keepdim)})
        if self.last_layer:
            real = uncoded(self, real, node, given, self.target_device)
            return marked(real, "output", {"op_type": "output", "attr": self.name}, self.target_device)
        return rounded(self, real, [node], [given], self.target_device)
