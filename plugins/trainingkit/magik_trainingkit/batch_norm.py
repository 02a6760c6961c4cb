"""BatchNorm: a normalization that no convolution stands before."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_trainingkit import activations, fake_quant, graph
from magik_trainingkit.batch_norm_2d import batchNorm2d
from magik_trainingkit.functions import LINEAR
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.layer import Layer, source
from magik_trainingkit.values import Pixels, Value, need_pixels, need_value


class BatchNorm(Layer):
    """Normalize, activate, quantize to as many bits as the input has."""

    positive = ("clip_max_value",)

    def __init__(
        self, in_channels: int, activation_fn: Any = LINEAR, quantize: Any = False, first_layer: bool = False,
        input_bitwidth: int = 32, output_bitwidth: int = 32, clip_max_value: float = 6.0, auto_threshold: bool = True,
        target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_channels, self.activation_fn, self.quantize = in_channels, activation_fn, quantize
        self.first_layer, self.input_bitwidth, self.output_bitwidth = first_layer, input_bitwidth, output_bitwidth
        self.clip_max_value, self.auto_threshold = clip_max_value, auto_threshold
        self.target_device = target_device
        self.BatchNorm2d = batchNorm2d(in_channels)

    def forward(self, x: Any) -> Any:
        is_first = bool(self.first_layer) and bool(self.quantize or isinstance(x, tuple))
        given = need_pixels(x, self.where) if is_first else need_value(x, self.where)
        how, m = activations.of(self.activation_fn), float(self.clip_max_value)
        clip_min = -m if how.is_signed else 0.0
        if not self.quantize or given.bits == REAL:
            return activations.apply(self.BatchNorm2d(given.tensor), self.activation_fn), REAL, clip_min
        flat = 4 - given.tensor.ndim
        x = given.tensor.reshape(*given.tensor.shape, *(1,) * flat)  # of an image
        if graph.is_exporting():
            y = graph.emit(self._node(given, how, clip_min), x, x.shape)
        elif self.runs(x):
            y = self.run([source(given, self.target_device)], [self._node(given, how, clip_min)], [x], x.ndim)
        else:
            y = self._trained(x, how, given.bits, clip_min)
        return y.flatten(-1 - flat) if flat > 0 else y, given.bits, clip_min

    def _trained(self, x: Tensor, how: activations.Activation, bits: int, clip_min: float) -> Tensor:
        y = self.BatchNorm2d(x) + how.offset
        y = activations.sloped(y, self.activation_fn) if how.has_slope else y
        return fake_quant.feature(y, bits, clip_min, float(self.clip_max_value), self.target_device)

    def _node(self, x: Value | Pixels, how: activations.Activation, clip_min: float) -> Node:
        gamma, beta, mean, var = self.BatchNorm2d.constants()
        alpha = activations.slope(self.activation_fn) if how.has_slope else torch.zeros(1)
        fields: dict[str, Any] = {"input_bitwidth": x.bits, "output_bitwidth": x.bits, "clip_min_value": clip_min}
        fields |= {"clip_max_value": float(self.clip_max_value), "clip_min_pre": float(x.clip_min)}
        fields |= {"img_var": float(x.var) if isinstance(x, Pixels) else 1.0, "is_fixpoint": 1}
        fields |= {"epsilon": float(self.BatchNorm2d.batch_norm.eps), "target_device": self.target_device}
        fields |= {"data_format": "NCHW", "with_negtive_alpha": int(how.has_slope), "pre_lstm_layer": 0}
        fields |= {"first_layer": int(isinstance(x, Pixels)), "version": VERSION, "tensor_name": self.name}
        constants = [gamma, beta + how.offset, mean, var, alpha.to(gamma.device)]
        return Node("QuantizeBatchNormInference", constants, fields)
