"""Conv2D: a convolution whose weights and features have codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import is_odd
from magik_core.errors import Problem
from magik_trainingkit import padding, rules
from magik_trainingkit.activations import Activation
from magik_trainingkit.batch_norm_2d import batchNorm2d
from magik_trainingkit.functions import RELU6
from magik_trainingkit.graph import Node
from magik_trainingkit.values import Pixels, Value
from magik_trainingkit.weighted import Weighted


class Conv2d_Q(nn.Conv2d):
    """The weights of a convolution; the layer around them decides what codes they get."""


class Conv2D(Weighted):
    """Pad, convolve, normalize, activate, quantize.

    Any `padding` but 0 gives ceil(size / stride) windows; with a dilation it is the number of pixels on each side.
    """

    node = "QuantizeConv2DInference"
    most = rules.MOST_OF_CONV

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, kernel_h: int = 3, kernel_w: int = 3,
        activation_fn: Any = RELU6, enable_batch_norm: bool = False, enable_bias: bool = True, padding: int = 0,
        groups: int = 1, dilation: int = 1, data_format: str = "NCHW", quantize: Any = False,
        quantize_last_feature: bool = False, first_layer: bool = False, last_layer: bool = False,
        weight_bitwidth: int = 32, input_bitwidth: int = 32, output_bitwidth: int = 32, clip_max_value: float = 6.0,
        weight_factor: float = 3.0, target_device: str = "Txx", auto_bitwidth: bool = True, is_focus: bool = False,
        auto_threshold: bool = False, pre_lstm_layer: bool = False, conv1d: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.kernel_h, self.kernel_w, self.padding = kernel_h, kernel_w, padding
        self.groups, self.dilation, self.data_format = groups, dilation, data_format
        self.activation_fn, self.quantize, self.quantize_last_feature = activation_fn, quantize, quantize_last_feature
        self.enable_batch_norm, self.enable_bias = enable_batch_norm, enable_bias
        self.first_layer, self.last_layer = first_layer, last_layer
        self.clip_max_value, self.weight_factor, self.target_device = clip_max_value, weight_factor, target_device
        self.auto_bitwidth, self.is_focus, self.auto_threshold = auto_bitwidth, is_focus, auto_threshold
        self.pre_lstm_layer, self.conv1d = pre_lstm_layer, conv1d
        self.set_widths(weight_bitwidth, input_bitwidth, output_bitwidth, kernel=max(kernel_h, kernel_w))
        window = Conv2d_Q(in_channels, out_channels, (kernel_h, kernel_w), self.strides, dilation=self.dilations,
                          groups=groups, bias=enable_bias)  # fmt: skip
        self.add_module(self.module, window)
        if enable_batch_norm:
            self.BatchNorm2d = batchNorm2d(out_channels)

    @property
    def strides(self) -> tuple[int, int]:
        return self.stride, self.stride

    @property
    def dilations(self) -> tuple[int, int]:
        return self.dilation, self.dilation

    def size_rules(self) -> Sequence[Problem]:
        return [*self.channel_rules(), *self.window_rules()]

    def channel_rules(self) -> Sequence[Problem]:
        is_free = self.in_channels in rules.FREE
        return () if is_free else [*rules.channels(self.in_channels, self.target_device)]

    def window_rules(self) -> Sequence[Problem]:
        """What of the window its chip cannot compute."""
        device = self.target_device
        found = [*rules.dilation(self.dilation, device)]
        per_group = self.in_channels // self.groups, self.out_channels // self.groups
        if self.groups > 1 and is_odd(device) and any(n % 32 for n in per_group):
            need = f"multiples of 32 on {device}"
            found.append(Problem("a group has a number of channels that its chip does not take",
                                 found=f"{per_group[0]} to {per_group[1]} channels", need=need))  # fmt: skip
        if device == "T02" and ((self.kernel_h, self.kernel_w) != (3, 3) or not self.padding):
            window = f"{self.kernel_h}x{self.kernel_w}, padding {self.padding}"
            found.append(Problem("a window has no kernel on this chip", found=window, need="3x3 with padding on T02"))
        return found

    @property
    def taps(self) -> int:
        return self.kernel_h * self.kernel_w * self.in_channels // self.groups

    def sum(self, x: Tensor, w: Tensor, bias: Tensor | None, value: float) -> Tensor:
        top, left, bottom, right = pads = self._pads(x)
        if value == 0 and (top, left) == (bottom, right):  # the convolution pads by itself
            return functional.conv2d(x, w, bias, self.strides, (top, left), self.dilations, self.groups)
        x = padding.padded(x, pads, value)
        return functional.conv2d(x, w, bias, self.strides, 0, self.dilations, self.groups)

    def _pads(self, x: Tensor) -> padding.Pads:
        if not self.padding:
            return 0, 0, 0, 0
        if self.dilation > 1:
            return self.literal_pads
        size = int(x.shape[2]), int(x.shape[3])
        return padding.same(size, (self.kernel_h, self.kernel_w), self.strides)

    @property
    def literal_pads(self) -> padding.Pads:
        """Pads where `padding` is a number of pixels."""
        return (self.padding,) * 4

    def real_nodes(self, x: Tensor, w: Tensor, bias: Tensor | None, value: float, quantizer: Node | None) -> list[Node]:
        top, left, bottom, right = self._pads(x)
        given = {"strides": [*self.strides], "dilations": [*self.dilations], "group": self.groups}
        constants = [w] if bias is None else [w, bias]
        conv = Node("Conv", constants, given, quantizer)
        if not any((top, left, bottom, right)):
            return [conv]
        pads = [0, 0, top, left, 0, 0, bottom, right]
        return [Node("Pad", [x.new_tensor(pads).long(), x.new_tensor(value)]), conv]

    def _params(self, x: Value | Pixels, how: Activation) -> dict[str, Any]:
        return {**super()._params(x, how), "is_input": isinstance(x, Pixels)}

    def fields(self) -> dict[str, Any]:
        is_same = bool(self.padding) and self.dilation == 1
        pads = {} if is_same or not self.padding else {"pads": [*self.literal_pads]}
        window = {
            "input_channels": self.in_channels,
            "output_channels": self.out_channels,
            "kernel_size": [self.kernel_h, self.kernel_w],
            "strides": [*self.strides],
            "dilations": [*self.dilations],
            "groups": self.groups,
            "padding_mode": "zeros",
            "padding": "SAME" if is_same else "VALID",
            **pads,
        }
        return {"conv_param": window, "op_in_channels": self.in_channels}
