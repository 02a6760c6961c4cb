"""Conv1D: a convolution along one axis."""

from __future__ import annotations

from typing import Any

from magik_trainingkit.conv2d import Conv2D
from magik_trainingkit.functions import RELU6
from magik_trainingkit.padding import Pads
from magik_trainingkit.values import Pixels, Value, unpack


class Conv1D(Conv2D):
    """As Conv2D over the width of images (N, C, 1, W), or of sequences (N, C, W), which stay such.

    Its weights are (O, I, 1, K).
    """

    node = "QuantizeConv1DInference"
    module = "convd"

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, padding: int = 0,
        dilation: int = 1, groups: int = 1, bias: bool = True, activation_fn: Any = RELU6,
        enable_batch_norm: bool = False, data_format: str = "NCHW", quantize: Any = False,
        quantize_last_feature: bool = False, first_layer: bool = False, last_layer: bool = False,
        weight_bitwidth: int = 32, input_bitwidth: int = 32, output_bitwidth: int = 32, clip_max_value: float = 6.0,
        weight_factor: float = 3.0, target_device: str = "Txx", auto_bitwidth: bool = True, is_focus: bool = False,
        auto_threshold: bool = False, pre_lstm_layer: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, stride, 1, kernel_size, activation_fn, enable_batch_norm, bias, padding,
            groups, dilation, data_format, quantize, quantize_last_feature, first_layer, last_layer, weight_bitwidth,
            input_bitwidth, output_bitwidth, clip_max_value, weight_factor, target_device, auto_bitwidth, is_focus,
            auto_threshold, pre_lstm_layer,
        )  # fmt: skip
        self.kernel_size, self.bias = kernel_size, bias

    @property
    def strides(self) -> tuple[int, int]:
        return 1, self.stride

    @property
    def dilations(self) -> tuple[int, int]:
        return 1, self.dilation

    @property
    def literal_pads(self) -> Pads:
        return 0, self.padding, 0, self.padding

    def forward(self, x: Any) -> Any:
        given = unpack(x, self.where)
        if given.tensor.ndim != 3:
            return super().forward(x)
        wide: Value | Pixels = given._replace(tensor=given.tensor.unsqueeze(2))
        y = super().forward(wide.tensor if not isinstance(x, tuple) else wide)
        return (y[0].squeeze(2), *y[1:]) if isinstance(y, tuple) else y.squeeze(2)
