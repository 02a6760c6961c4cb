"""Layers with weights: sums, a normalization, an activation function, codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from magik_core.builtin.trainingkit.arithmetic import REAL, is_odd
from magik_core.errors import Problem
from magik_trainingkit import activations, auto_bits, fake_quant, graph, rules
from magik_trainingkit.batch_norm_2d import batchNorm2d, no_norm
from magik_trainingkit.errors import AttributeMissing, TrainingError
from magik_trainingkit.functions import nodes_of, sloped_node
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.layer import Layer, marked, source
from magik_trainingkit.padding import fill
from magik_trainingkit.values import Pixels, Value, need_pixels, need_value, same_device

OWN = ("weight", "bias")  # what a layer of PyTorch has itself


class Weighted(Layer):
    """Base of convolutions and matrix products: `sum` computes one from a tensor and weights.

    A subclass says which node it is, what the node's own fields are, and the names of its modules of weights and of
    normalization.
    """

    node: str
    module, norm_module = "Conv2d", "BatchNorm2d"
    is_depthwise = False
    most = rules.MOST_OF_PRODUCT  # of a sum
    in_channels: int
    out_channels: int
    activation_fn: Any
    quantize: Any
    first_layer = False
    last_layer: bool
    enable_batch_norm: bool
    weight_bitwidth: int
    input_bitwidth: int
    output_bitwidth: int
    clip_max_value: float
    weight_factor: float
    target_device: str
    auto_bitwidth: bool
    pre_lstm_layer: bool
    positive = ("clip_max_value", "weight_factor")

    @property
    def weights(self) -> nn.Conv2d | nn.Linear:
        found = self._modules[self.module]
        assert isinstance(found, (nn.Conv2d, nn.Linear))
        return found

    @property
    def norm(self) -> batchNorm2d | None:
        found = self._modules.get(self.norm_module)
        assert found is None or isinstance(found, batchNorm2d)
        return found

    def set_widths(self, weight: int, before: int, after: int, *, kernel: int) -> None:
        """Set the bits of weights, input and output: those asked for, or with `auto_bitwidth` what the chip wants."""
        widths = weight, before, after
        if self.auto_bitwidth:
            counts, place = (self.in_channels, self.out_channels), {"first": self.first_layer, "last": self.last_layer}
            widths = auto_bits.of_conv(self.target_device, kernel, *counts, widths, **place)
        self.weight_bitwidth, self.input_bitwidth, self.output_bitwidth = widths

    def rules(self) -> Sequence[Problem]:
        if not self.quantize:
            return []
        widths, least = (self.input_bitwidth, self._output_bits()), rules.LEAST_BITS[self.target_device]
        found = rules.bits(self.weight_bitwidth, *widths, least=least)
        return [*found, *self.size_rules(), *self.sum_rules(self.input_bitwidth)]

    def size_rules(self) -> Sequence[Problem]:
        """What of the layer's sizes its chip cannot compute."""
        return ()

    def sum_rules(self, bits: int) -> Sequence[Problem]:
        """Whether its sums overflow with features of some bits."""
        return [*rules.sums(self.taps, self.weight_bitwidth, bits, self.target_device, self.most)]

    @property
    def taps(self) -> int:
        """Products of a sum."""
        raise NotImplementedError

    def sum(self, x: Tensor, w: Tensor, bias: Tensor | None, value: float) -> Tensor:
        """Sums of products; value: what padding reads."""
        raise NotImplementedError

    def real_nodes(self, x: Tensor, w: Tensor, bias: Tensor | None, value: float, quantizer: Node | None) -> list[Node]:
        """`sum` as standard nodes."""
        raise NotImplementedError

    def fields(self) -> dict[str, Any]:
        """Fields of the node that a subclass adds."""
        return {}

    # ---- what users reach for

    def __getattr__(self, name: str) -> Any:
        if name in OWN:
            hint = f"read {self.module}.{name}; for sums of its codes, call the layer"
            raise AttributeMissing("a layer does not have its weights itself", where=self.where,
                                   found=f".{name}", need=f".{self.module}.{name}", hint=hint)  # fmt: skip
        return super().__getattr__(name)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load as every module; and say so where the state is that of a layer of PyTorch."""
        *_, errors = rest
        for name in OWN:
            if prefix + name in state:
                need = f"{prefix}{self.module}.{name}"
                hint = "rename the keys, or train the network of the kit in float (quantize=False) first"
                errors.append(str(Problem("a state is that of a layer of PyTorch, not of the kit", where=self.where,
                                          found=prefix + name, need=need, hint=hint)))  # fmt: skip
        super()._load_from_state_dict(state, prefix, *rest)

    # ---- forward

    def forward(self, x: Any) -> Any:
        given = need_pixels(x, self.where) if self._reads_pixels(x) else need_value(x, self.where)
        self._check(given.tensor)
        how = activations.of(self.activation_fn)
        clip_min = -float(self.clip_max_value) if how.is_signed else 0.0
        if not self.quantize:
            y = activations.apply(self._normalized(self.sum(given.tensor, *self._weight(), 0.0)), self.activation_fn)
            return y if self.last_layer else (y, REAL, clip_min)
        self.hold(*self.sum_rules(given.bits))
        value = fill(given.clip_min, self.target_device) if isinstance(given, Value) else 0.0
        widths = {self.weight_bitwidth, self._output_bits(), given.bits}
        if graph.is_exporting() and REAL not in widths:
            shape = self.sum(given.tensor, *self._weight(), value).shape
            y = graph.emit(self._node(given, how), given.tensor, shape)
        elif not graph.is_exporting() and self.runs(given.tensor) and widths != {REAL}:
            y = self._evaluated(given, how, value, clip_min)
        else:
            y = self._trained(given, how, value, clip_min)
        return self._leave(y, clip_min)

    def _check(self, x: Tensor) -> None:
        """Refuse what is not on the weights' device, or has not as many channels as they read."""
        same_device(x, self.weights.weight, self.where)
        is_conv = isinstance(self.weights, nn.Conv2d)
        count = int(x.shape[1 if is_conv else -1])
        if count != self.in_channels:
            found, need = f"{count} channels", f"in_channels {self.in_channels}"
            raise TrainingError("a layer is given another number of channels", where=self.where, found=found, need=need)

    def _reads_pixels(self, x: Any) -> bool:
        return bool(self.first_layer) and bool(self.quantize or isinstance(x, tuple))

    def _output_bits(self) -> int:
        return REAL if self.last_layer else self.output_bitwidth

    def _weight(self) -> tuple[Tensor, Tensor | None]:
        return self.weights.weight, self.weights.bias

    def _normalized(self, y: Tensor) -> Tensor:
        return y if self.norm is None else self.norm(y)

    def _leave(self, y: Tensor, clip_min: float) -> Any:
        if not self.last_layer:
            return y, self.output_bitwidth, clip_min
        return marked(y, "output", {"op_type": "output", "attr": self.name}, self.target_device)

    def _evaluated(self, x: Value | Pixels, how: activations.Activation, value: float, clip_min: float) -> Tensor:
        """What the layer's program computes; an activation function that has no nodes is torch's."""
        function = self.activation_fn if self._output_bits() == REAL else None
        ends = nodes_of(function, x.tensor.ndim)
        is_coded = REAL not in (self.weight_bitwidth, self._output_bits(), x.bits)
        nodes = [self._node(x, how)] if is_coded else self._real_nodes(x.tensor, how, value, clip_min)
        given = x.tensor
        y = self.run([source(x, self.target_device)], [*nodes, *(ends or ())], [given], given.ndim)
        return y if ends is not None else activations.apply(y, function)

    def _real_nodes(self, x: Tensor, how: activations.Activation, value: float, clip_min: float) -> list[Node]:
        """The nodes of a layer of which not all has codes, but for the activation function of a real result."""
        w, bias = self._weight()
        quantizer = None if self.weight_bitwidth == REAL else self._quantizer()
        nodes = self.real_nodes(x, w, bias, value, quantizer)
        if self.norm is not None:
            nodes.append(self.norm.node())
        if self._output_bits() == REAL:
            return nodes
        if how.offset:
            nodes.append(Node("Add", [torch.tensor(how.offset)]))
        if how.has_slope:
            nodes.append(sloped_node(self.activation_fn, x.ndim))
        return [*nodes, self._feature(clip_min)]

    def _feature(self, clip_min: float) -> Node:
        limits = clip_min, float(self.clip_max_value)
        return graph.feature(self._output_bits(), *limits, self.target_device, self.name)

    def _trained(self, x: Value | Pixels, how: activations.Activation, value: float, clip_min: float) -> Tensor:
        """What training computes, and what is exported of a layer of which not all has codes."""
        w, bias = self._weight()
        y = self._normalized(self.sum(x.tensor, self._quantized(w), bias, value))
        if self._output_bits() == REAL:
            return activations.apply(y, self.activation_fn)
        y = y + how.offset if how.offset else y
        y = activations.sloped(y, self.activation_fn) if how.has_slope else y
        if graph.is_exporting():
            return graph.emit(self._feature(clip_min), y, y.shape)
        return fake_quant.feature(y, self._output_bits(), clip_min, float(self.clip_max_value), self.target_device)

    def _quantized(self, w: Tensor) -> Tensor:
        if graph.is_exporting() and self.weight_bitwidth != REAL:
            return graph.emit(self._quantizer(), w, w.shape)
        bits, factor = self.weight_bitwidth, self.weight_factor
        return fake_quant.weight(w, bits, factor, self.target_device, is_depthwise=self.is_depthwise)

    # ---- nodes

    def _quantizer(self) -> Node:
        device = "Txx" if self.is_depthwise and is_odd(self.target_device) else self.target_device
        given = {"weight_bitwidth": self.weight_bitwidth, "input_bitwidth": self.input_bitwidth}
        given |= {"output_bitwidth": self._output_bits(), "is_quantize_per_channel": 1, "need_scale_weight": 0}
        texts = {"data_format": "NCHW", "target_device": device, "tensor_name": self.name}
        return Node("QuantizeWeight", (), {**given, **texts, "factor": float(self.weight_factor)})

    def _node(self, x: Value | Pixels, how: activations.Activation) -> Node:
        w, bias = self._weight()
        zeros = torch.zeros(len(w), device=w.device)
        bias = zeros if bias is None else bias
        norm = no_norm(len(w), w) if self.norm is None else self.norm.constants()
        if how.offset and self.norm is None:
            bias = bias + how.offset
        elif how.offset:
            norm = (norm[0], norm[1] + how.offset, *norm[2:])
        alpha = activations.slope(self.activation_fn).to(w.device) if how.has_slope else torch.zeros(1, device=w.device)
        text = json.dumps(self._params(x, how), sort_keys=True)
        return Node(self.node, [w, bias, *norm, alpha], {"param_str": text})

    def _params(self, x: Value | Pixels, how: activations.Activation) -> dict[str, Any]:
        m = float(self.clip_max_value)
        return {
            "input_bitwidth": x.bits,
            "output_bitwidth": self._output_bits(),
            "weight_bitwidth": self.weight_bitwidth,
            "clip_min_value": -m if how.is_signed else 0.0,
            "clip_max_value": m,
            "weight_factor": float(self.weight_factor),
            "epsilon": 0.0 if self.norm is None else float(self.norm.batch_norm.eps),
            "target_device": self.target_device,
            "weight_target_device": "Txx" if self.is_depthwise else self.target_device,
            "input_min_value": float(x.clip_min),
            "with_negtive_alpha": how.has_slope,
            "pre_lstm_layer": bool(self.pre_lstm_layer),
            "is_output": False,
            "activate_name": how.name,
            "is_dwconv": self.is_depthwise,
            "data_format": "NCHW",
            "quantize_feature_version": VERSION,
            "quantize_feature_tensor_name": f"{self.name}/QuantizeFeature",
            "quantize_weight_tensor_name": f"{self.name}/QuantizeWeight",
            "feature_var": float(x.var) if isinstance(x, Pixels) else 1.0,
            **self.fields(),
        }
