"""Mul: the product of two features."""

from __future__ import annotations

from typing import Any

from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer, marked
from magik_trainingkit.rounding import rounded
from magik_trainingkit.shortcut import parts


class Mul(Layer):
    """Multiply two features, one of which may have one number for each channel; as wide as the wider."""

    def __init__(
        self, out_channels: int, quantize: Any = False, quantize_last_feature: bool = False, last_layer: bool = False,
        input_bitwidth: int = 32, output_bitwidth: int = 32, target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.out_channels, self.quantize, self.quantize_last_feature = out_channels, quantize, quantize_last_feature
        self.last_layer, self.input_bitwidth, self.output_bitwidth = last_layer, input_bitwidth, output_bitwidth
        self.target_device = target_device

    def forward(self, *inputs: Any) -> Any:
        values = parts(inputs, self.where)
        if len(values) != 2:
            found = f"{len(values)} values"
            raise TrainingError("a product is of two features", where=self.where, found=found, need="two")
        real = values[0].tensor * values[1].tensor
        if self.last_layer:
            return marked(real, "output", {"op_type": "output", "attr": self.name}, self.target_device)
        return rounded(self, real, [Node("Mul")], values, self.target_device)
