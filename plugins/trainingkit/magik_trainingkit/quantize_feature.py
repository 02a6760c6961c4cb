"""QuantizeFeature: reals that get codes, outside of a layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit.older import Quantizer
from magik_trainingkit.rounding import coded


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
        codes = self.output_bitwidth, float(self.clip_min_value), float(self.clip_max_value), self.target_device
        return coded(self, real, codes)
