"""DepthwiseConv2D: a convolution of each channel by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magik_core.errors import Problem
from magik_trainingkit import auto_bits, rules
from magik_trainingkit.conv2d import Conv2D
from magik_trainingkit.functions import RELU6


class DepthwiseConv2D(Conv2D):
    """As Conv2D, with as many groups as channels; its weights are two's complement on every chip."""

    is_depthwise = True
    devices = rules.D8
    most = rules.MOST_OF_PRODUCT

    def __init__(
        self, in_channels: int, stride: int = 1, kernel_h: int = 3, kernel_w: int = 3, activation_fn: Any = RELU6,
        enable_batch_norm: bool = False, enable_bias: bool = True, padding: int = 0, dilation: int = 1,
        data_format: str = "NCHW", quantize: Any = False, quantize_last_feature: bool = False,
        last_layer: bool = False, weight_bitwidth: int = 32, input_bitwidth: int = 32, output_bitwidth: int = 32,
        clip_max_value: float = 6.0, weight_factor: float = 3.0, target_device: str = "Txx",
        auto_bitwidth: bool = True, auto_threshold: bool = False, pre_lstm_layer: bool = False,
    ) -> None:  # fmt: skip
        widths = weight_bitwidth, input_bitwidth, output_bitwidth
        if auto_bitwidth:
            widths = auto_bits.of_depth(target_device, in_channels, widths, last=last_layer)
        super().__init__(
            in_channels, in_channels, stride, kernel_h, kernel_w, activation_fn, enable_batch_norm, enable_bias,
            padding, in_channels, dilation, data_format, quantize, quantize_last_feature, False, last_layer, *widths,
            clip_max_value, weight_factor, target_device, False, False, auto_threshold, pre_lstm_layer,
        )  # fmt: skip
        self.auto_bitwidth = auto_bitwidth

    def channel_rules(self) -> Sequence[Problem]:
        return [*rules.channels(self.in_channels, self.target_device)]

    def window_rules(self) -> Sequence[Problem]:
        return [*rules.dilation(self.dilation, self.target_device)]
