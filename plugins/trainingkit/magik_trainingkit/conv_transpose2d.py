"""ConvTranspose2D: a convolution of an image twice as large."""

from __future__ import annotations

from typing import Any

from torch import nn

from magik_core.builtin.trainingkit.arithmetic import EVEN
from magik_trainingkit import rules
from magik_trainingkit.conv2d import Conv2D
from magik_trainingkit.depthwise_conv2d import DepthwiseConv2D
from magik_trainingkit.functions import LINEAR, RELU6
from magik_trainingkit.layer import Layer
from magik_trainingkit.unpool2d import Unpool2D


class ConvTranspose2D(Layer):
    """Every pixel four times, and a 3x3 Conv2D; on Txx and Xs a DepthwiseConv2D of 3x3 and a Conv2D of 1x1.

    It is no transposed convolution. The depthwise layer has the settings of the other, but for an activation function
    that is trained: in its place it has Linear.
    """

    devices = rules.D8

    def __init__(
        self, in_channels: int, out_channels: int, activation_fn: Any = RELU6, enable_batch_norm: bool = False,
        enable_bias: bool = True, data_format: str = "NCHW", quantize: Any = False,
        quantize_last_feature: bool = False, last_layer: bool = False, weight_bitwidth: int = 32,
        input_bitwidth: int = 32, output_bitwidth: int = 32, clip_max_value: float = 6.0, weight_factor: float = 3.0,
        target_device: str = "Txx", auto_bitwidth: bool = True, auto_threshold: bool = False,
        pre_lstm_layer: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.out_channels, self.target_device = in_channels, out_channels, target_device
        given: dict[str, Any] = {
            "enable_batch_norm": enable_batch_norm,
            "enable_bias": enable_bias,
            "data_format": data_format,
        }
        given |= {"data_format": data_format, "quantize": quantize}
        given |= {"weight_bitwidth": weight_bitwidth, "input_bitwidth": input_bitwidth}
        given |= {"output_bitwidth": output_bitwidth, "clip_max_value": clip_max_value, "weight_factor": weight_factor}
        given |= {"target_device": target_device, "auto_bitwidth": auto_bitwidth, "auto_threshold": auto_threshold}
        self.unpool = Unpool2D(2, 2, "nearest", quantize=quantize, target_device=target_device)
        size, around = 3, 1
        if target_device in EVEN:
            size, around = 1, 0
            is_trained = isinstance(activation_fn, nn.Module) and any(True for _ in activation_fn.parameters())
            inner = LINEAR if is_trained else activation_fn
            self.DepthwiseConv2D = DepthwiseConv2D(in_channels, padding=1, activation_fn=inner, **given)
        self.Conv2D = Conv2D(
            in_channels, out_channels, 1, size, size, activation_fn, padding=around, last_layer=last_layer,
            quantize_last_feature=quantize_last_feature, pre_lstm_layer=pre_lstm_layer, **given,
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        large = self.unpool(x)
        return self.Conv2D(self.DepthwiseConv2D(large) if "DepthwiseConv2D" in self._modules else large)
