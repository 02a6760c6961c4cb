"""FullConnected: a product with a matrix of weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from magik_trainingkit.batch_norm_2d import batchNorm2d
from magik_trainingkit.functions import RELU6
from magik_trainingkit.graph import Node
from magik_trainingkit.values import need_value
from magik_trainingkit.weighted import Weighted


class FullConnected(Weighted):
    """Multiply the last axis, normalize, activate, quantize."""

    node = "QuantizeFullconnectedInference"
    module, norm_module = "Linear", "BatchNorm1d"

    def __init__(
        self, in_channels: int, out_channels: int, activation_fn: Any = RELU6, enable_batch_norm: bool = False,
        enable_bias: bool = True, data_format: str = "NCHW", quantize: Any = False,
        quantize_last_feature: bool = False, last_layer: bool = False, weight_bitwidth: int = 32,
        input_bitwidth: int = 32, output_bitwidth: int = 32, clip_max_value: float = 6.0, weight_factor: float = 3.0,
        target_device: str = "Txx", auto_bitwidth: bool = True, auto_threshold: bool = False,
        pre_lstm_layer: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.out_channels, self.activation_fn = in_channels, out_channels, activation_fn
        self.enable_batch_norm, self.enable_bias, self.data_format = enable_batch_norm, enable_bias, data_format
        self.quantize, self.quantize_last_feature, self.last_layer = quantize, quantize_last_feature, last_layer
        self.clip_max_value, self.weight_factor, self.target_device = clip_max_value, weight_factor, target_device
        self.auto_bitwidth, self.auto_threshold, self.pre_lstm_layer = auto_bitwidth, auto_threshold, pre_lstm_layer
        self.set_widths(weight_bitwidth, input_bitwidth, output_bitwidth, kernel=1)
        self.Linear = nn.Linear(in_channels, out_channels, bias=enable_bias)
        if enable_batch_norm:
            self.BatchNorm1d = batchNorm2d(out_channels)

    @property
    def taps(self) -> int:
        return self.in_channels

    def forward(self, x: Any) -> Any:
        given = need_value(x, self.where)
        if given.tensor.ndim == 2:
            return super().forward(x)
        lead = given.tensor.shape[:-1]
        y = super().forward((given.tensor.flatten(0, -2), given.bits, given.clip_min))
        shape = (*lead, self.out_channels)
        return y.reshape(shape) if self.last_layer else (y[0].reshape(shape), *y[1:])

    def sum(self, x: Tensor, w: Tensor, bias: Tensor | None, value: float) -> Tensor:
        return functional.linear(x, w, bias)

    def real_nodes(self, x: Tensor, w: Tensor, bias: Tensor | None, value: float, quantizer: Node | None) -> list[Node]:
        return [Node("Gemm", [w] if bias is None else [w, bias], {"transB": 1}, quantizer)]

    def fields(self) -> dict[str, Any]:
        return {"input_channels": self.in_channels}


class FullyConnected(FullConnected):
    """FullConnected, under the name of the manual."""
