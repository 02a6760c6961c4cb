"""Se_Block: channels times gates that their own means make."""

from __future__ import annotations

from typing import Any

from magik_trainingkit.adaptive_avgpool2d import AdaptiveAvgpool2D
from magik_trainingkit.conv2d import Conv2D
from magik_trainingkit.functions import Hsigmoid, ReLU6
from magik_trainingkit.layer import Layer
from magik_trainingkit.mul import Mul


class Se_Block(Layer):
    """x times Hsigmoid of conv2 of conv1 of x's means; the convolutions are 1x1, over in_channels / rate channels.

    `clip_max_value` is that of conv1; the gate's is 6, which makes it a number in [0, 1].
    """

    def __init__(
        self, in_channels: int, rate: int, quantize: Any = False, quantize_last_feature: bool = False,
        last_layer: bool = False, enable_bias: bool = True, enable_batch_norm: bool = False,
        weight_bitwidth: int = 32, input_bitwidth: int = 32, output_bitwidth: int = 32, weight_factor: float = 3.0,
        clip_max_value: float = 6.0, data_format: str = "NCHW", target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.rate, self.quantize, self.last_layer = in_channels, rate, quantize, last_layer
        widths = {"input_bitwidth": input_bitwidth, "output_bitwidth": output_bitwidth}
        common: dict[str, Any] = {"quantize": quantize, "target_device": target_device, **widths}
        own: dict[str, Any] = {"kernel_h": 1, "kernel_w": 1}
        own |= {"weight_bitwidth": weight_bitwidth, "weight_factor": weight_factor}
        own |= {"enable_batch_norm": enable_batch_norm, "enable_bias": enable_bias}
        few, gate = in_channels // rate, Hsigmoid(in_channels, target_device=target_device)
        self.pool = AdaptiveAvgpool2D(in_channels, **common)
        self.conv1 = Conv2D(in_channels, few, activation_fn=ReLU6(), clip_max_value=clip_max_value, **common, **own)
        self.conv2 = Conv2D(few, in_channels, activation_fn=gate, clip_max_value=gate.clip_max_value, **common, **own)
        self.mul = Mul(in_channels, last_layer=last_layer, **common)

    def forward(self, x: Any) -> Any:
        return self.mul(x, self.conv2(self.conv1(self.pool(x))))
