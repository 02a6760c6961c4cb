"""QuantizeWeight: weights that get codes, outside of a layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import fake_quant, graph
from magik_trainingkit.graph import Node
from magik_trainingkit.older import Quantizer


class QuantizeWeight(Quantizer):
    """The reals of a weight's codes, by output channel; what older kits hand over beside it changes nothing."""

    settings = ("weight_bitwidth", "input_bitwidth", "output_bitwidth", "factor", "target_device")
    weight_bitwidth, factor, target_device = REAL, 3.0, "Txx"

    def __init__(self, weight_bitwidth: int = REAL, factor: float = 3.0, target_device: str = "Txx") -> None:
        super().__init__()
        self.weight_bitwidth, self.factor, self.target_device = weight_bitwidth, factor, target_device

    def forward(self, weight: Tensor, *_: Any) -> Tensor:
        bits, factor, device = self.weight_bitwidth, float(self.factor), self.target_device
        if graph.is_exporting() and bits != REAL:
            given = {"weight_bitwidth": bits, "factor": factor, "target_device": device, "tensor_name": ""}
            return graph.emit(Node("QuantizeWeight", (), given), weight, weight.shape)
        return fake_quant.weight(weight, bits, factor, device)
