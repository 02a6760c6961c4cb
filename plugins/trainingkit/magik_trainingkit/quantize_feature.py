"""QuantizeFeature: reals that get codes, outside of a layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import fake_quant, graph, integer
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.older import Quantizer


class QuantizeFeature(Quantizer):
    """Divide by the clip value and round to codes; of several tensors, as older kits hand them over, the first."""

    settings = ("output_bitwidth", "clip_max_value", "target_device")
    output_bitwidth, clip_min_value, clip_max_value, target_device = REAL, 0.0, 6.0, "Txx"

    def __init__(
        self, output_bitwidth: int = REAL, clip_min_value: float = 0.0, clip_max_value: float = 6.0,
        target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.output_bitwidth, self.target_device = output_bitwidth, target_device
        self.clip_min_value, self.clip_max_value = clip_min_value, clip_max_value

    def forward(self, x: Any, *_: Any) -> Tensor:
        real: Tensor = x[0] if isinstance(x, (list, tuple)) else x
        if self.output_bitwidth == REAL:
            return real
        low, high = float(self.clip_min_value), float(self.clip_max_value)
        bits, device = self.output_bitwidth, self.target_device
        given = {"output_bitwidth": bits, "clip_min_value": low, "clip_max_value": high}
        node = Node("QuantizeFeature", (), {**given, "target_device": device, "version": VERSION})
        if graph.is_exporting():
            return graph.emit(node, real, real.shape)
        if self.training:
            return fake_quant.feature(real, bits, low, high, device)
        return integer.evaluate(self, [Node("Identity")], [node], [real], real.ndim)
