"""Shortcut: the sum of two features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from magik_core.builtin.trainingkit.arithmetic import REAL, shortcut_clip
from magik_trainingkit import activations, fake_quant, graph
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.functions import LINEAR, kept
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.layer import Layer, marked, source
from magik_trainingkit.values import Value, is_one, need_value


def parts(inputs: Sequence[Any], where: str) -> list[Value]:
    """The values that a layer puts together, given one by one, as a list or as a tuple."""
    is_several = len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and not is_one(inputs[0])
    given = inputs[0] if is_several else inputs
    return [need_value(x, where) for x in given]


class Shortcut(Layer):
    """Add two features of one width and quantize: over 2 on Txx and Xs, elsewhere over the clip value, at most 2."""

    positive = ("clip_max_value",)

    def __init__(
        self, out_channels: int, activation_fn: Any = LINEAR, quantize: Any = False,
        quantize_last_feature: bool = False, last_layer: bool = False, input_bitwidth: int = 32,
        output_bitwidth: int = 32, clip_max_value: float = 2.0, target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.out_channels, self.activation_fn, self.quantize = out_channels, activation_fn, quantize
        self.quantize_last_feature, self.last_layer = quantize_last_feature, last_layer
        self.input_bitwidth, self.output_bitwidth = input_bitwidth, output_bitwidth
        self.clip_max_value, self.target_device = clip_max_value, target_device

    def forward(self, *inputs: Any) -> Any:
        values = parts(inputs, self.where)
        if len(values) != 2 or len({v.bits for v in values}) > 1:
            found = ", ".join(f"{v.bits} bits" for v in values) or "no values"
            raise TrainingError("a shortcut adds two features", where=self.where, found=found, need="two of one width")
        a, b = values
        device = self.target_device
        clip = shortcut_clip(float(self.clip_max_value), device)
        clip_min = -clip if min(a.clip_min, b.clip_min) < 0 else 0.0
        if not self.quantize or a.bits == REAL or self.last_layer:
            y = activations.apply(a.tensor + b.tensor, self.activation_fn)
            out = {"op_type": "output", "attr": self.name}
            return marked(y, "output", out, device) if self.last_layer else (y, REAL, clip_min)
        node = self._node(a, b, clip, clip_min)
        if graph.is_exporting():
            y = graph.emit(node, a.tensor, a.tensor.shape, [b.tensor])
        elif self.runs(a.tensor):
            y = self.run([source(v, device) for v in values], [node], [a.tensor, b.tensor], a.tensor.ndim)
        else:
            y = kept(fake_quant.feature(a.tensor + b.tensor, a.bits, clip_min, clip, device), self.activation_fn)
        return y, a.bits, clip_min

    def _node(self, a: Value, b: Value, clip: float, clip_min: float) -> Node:
        fields: dict[str, Any] = {"input_bitwidth": a.bits, "output_bitwidth": a.bits, "clip_min_value": clip_min}
        fields |= {"clip_max_value": clip, "clip_min_pre": min(a.clip_min, b.clip_min), "img_var": 1.0}
        fields |= {"sc_input_same_clip": int((a.clip_min < 0) == (b.clip_min < 0)), "is_fixpoint": 1}
        fields |= {"target_device": self.target_device, "data_format": "NCHW", "with_negtive_alpha": 0}
        fields |= {"pre_lstm_layer": 0, "version": VERSION, "tensor_name": self.name}
        return Node("QuantizeShortcutInference", [torch.zeros(1, device=a.tensor.device)], fields)
