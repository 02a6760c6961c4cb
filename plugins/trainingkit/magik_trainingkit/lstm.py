"""LSTM: a layer with memory, whose weights, inputs and outputs have codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import CELL, REAL, is_odd
from magik_core.errors import Problem
from magik_trainingkit import fake_quant, graph, rules
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.layer import Layer, source
from magik_trainingkit.values import Value, need_value, same_device

CLIP = 6.0  # limit of what enters a gate
State = tuple[Tensor, Tensor]  # h and c, (D, N, H)


class LSTM(Layer):
    """Run an LSTM over sequences (N, T, I), in one or two directions; h is rounded at every time.

    With `use_squeeze` it takes images (N, I, 1, T). The result is ((tensor, bits, -1), h), with
    `return_output_states` ((tensor, bits, -1), (h, c)); states are (D, N, H), as `hx` is.
    """

    weight_l0: Tensor  # (4H, I + H)
    positive = ("weight_factor",)

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, bidirectional: bool = False,
        return_output_states: bool = False, batch_first: bool = True, use_squeeze: bool = False, quantize: Any = False,
        input_bitwidth: int = 32, weight_bitwidth: int = 32, output_bitwidth: int = 32, weight_factor: float = 3.0,
        target_device: str = "Txx",
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.bidirectional, self.return_output_states = bias, bidirectional, return_output_states
        self.batch_first, self.use_squeeze, self.quantize = batch_first, use_squeeze, quantize
        self.input_bitwidth, self.weight_bitwidth = input_bitwidth, weight_bitwidth
        self.output_bitwidth = output_bitwidth
        self.weight_factor, self.target_device = weight_factor, target_device
        reach, rows = 1 / math.sqrt(hidden_size), 4 * hidden_size
        for suffix in self._suffixes:
            weight = torch.empty(rows, input_size + hidden_size).uniform_(-reach, reach)
            self.register_parameter(f"weight_l0{suffix}", nn.Parameter(weight))
            if bias:
                self.register_parameter(f"bias_l0{suffix}", nn.Parameter(torch.empty(rows).uniform_(-reach, reach)))

    @property
    def _suffixes(self) -> Sequence[str]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def rules(self) -> Sequence[Problem]:
        found: list[Problem] = []
        if self.num_layers != 1:
            hint = "put several layers behind one another"
            found.append(Problem("an LSTM has several layers", found=f"num_layers {self.num_layers}", need="1",
                                 hint=hint))  # fmt: skip
        if self.quantize:
            found += rules.bits(self.weight_bitwidth, self.input_bitwidth, self.output_bitwidth)
        return found

    # ---- forward

    def forward(self, x: Any, hx: State | None = None) -> Any:
        value = need_value(x, self.where)
        same_device(value.tensor, self.weight_l0, self.where)
        given = self._arranged(value)
        start = self._start(given.tensor, hx)
        if graph.is_exporting() or (self.quantize and self.runs(given.tensor)):
            y, h, c = self._by_node(given, start, is_constant=hx is None)
        else:
            y, h, c = self._trained(given, start)
        bits = self.output_bitwidth if self.quantize else REAL
        return (y, bits, -1.0), (h, c) if self.return_output_states else h

    def _arranged(self, x: Value) -> Value:
        """The sequences; where nothing says what their codes are, those of `input_bitwidth` with a sign."""
        v = x.tensor
        if self.use_squeeze and v.ndim == 4 and v.shape[2] == 1:
            v = v.squeeze(2).transpose(1, 2)
        if v.ndim != 3 or v.shape[2] != self.input_size:
            need = f"N, T and {self.input_size}" if self.batch_first else f"T, N and {self.input_size}"
            found, hint = "x".join(map(str, x.tensor.shape)), "use_squeeze=True takes images of one row"
            raise TrainingError("an LSTM is given no sequences", where=self.where, found=found, need=need, hint=hint)
        if x.bits != REAL or not self.quantize:
            return x._replace(tensor=v)
        x = Value(v, self.input_bitwidth, -1.0)
        if graph.is_exporting() and x.bits != REAL:
            return x._replace(tensor=graph.emit(source(x, self.target_device), v, v.shape))
        return x._replace(tensor=fake_quant.feature(v, x.bits, -1.0, 1.0, self.target_device)) if self.training else x

    def _start(self, x: Tensor, hx: State | None) -> State:
        """The states at the start: -1, which is code 0, on the T40 family, else 0."""
        shape = (len(self._suffixes), int(x.shape[0 if self.batch_first else 1]), self.hidden_size)
        if hx is None:
            first = torch.full(shape, -1.0 if is_odd(self.target_device) else 0.0, device=x.device,
                               dtype=self.weight_l0.dtype)  # fmt: skip
            return first, first
        if [tuple(s.shape) for s in hx] != [shape] * 2:
            found = ", ".join("x".join(map(str, s.shape)) for s in hx)
            raise TrainingError("states do not fit an LSTM", where=self.where, found=found,
                                need=f"h and c of {'x'.join(map(str, shape))}")  # fmt: skip
        return hx[0], hx[1]

    def _bias(self, suffix: str) -> Tensor | None:
        return getattr(self, f"bias_l0{suffix}") if self.bias else None

    def _trained(self, given: Value, start: State) -> tuple[Tensor, Tensor, Tensor]:
        """What training computes: y of all directions, h and c."""
        x = given.tensor.transpose(0, 1) if self.batch_first else given.tensor
        is_coded = bool(self.quantize) and REAL not in (given.bits, self.weight_bitwidth, self.output_bitwidth)
        bits = self.output_bitwidth if is_coded else REAL
        parts = [self._over_time(x, s, start[0][i], start[1][i], bits) for i, s in enumerate(self._suffixes)]
        y, h, c = (list(p) for p in zip(*parts, strict=True))
        out = torch.cat(y, dim=2)
        if self.quantize and not is_coded:
            out = fake_quant.feature(out, self.output_bitwidth, -1.0, 1.0, self.target_device)
        return out.transpose(0, 1) if self.batch_first else out, torch.stack(h), torch.stack(c)

    def _over_time(self, x: Tensor, suffix: str, h: Tensor, c: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor]:
        """y (T, N, H) of one direction, h and c (N, H) at the end; bits: of h."""
        w, device = getattr(self, f"weight_l0{suffix}"), self.target_device
        if self.quantize:
            w = fake_quant.weight(w, self.weight_bitwidth, self.weight_factor, device)
        of_x = functional.linear(x, w[:, : self.input_size], self._bias(suffix))
        made: list[Tensor] = []
        h = fake_quant.feature(h, bits, -1.0, 1.0, device)
        for t in reversed(range(len(x))) if suffix else range(len(x)):
            h, c = self._advance(of_x[t] + functional.linear(h, w[:, self.input_size :]), c)
            h = fake_quant.feature(h, bits, -1.0, 1.0, device)
            made.append(h)
        y = torch.stack(made[::-1] if suffix else made) if made else h.new_zeros(0, *h.shape)
        return y, h, c

    def _advance(self, sums: Tensor, c: Tensor) -> State:
        """h, not yet rounded, and c after one time."""
        sums = sums.clamp(-CLIP, CLIP) if self.quantize else sums
        i, f, g, o = sums.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        c = c.clamp(CELL.low, CELL.high) if self.quantize else c
        return torch.sigmoid(o) * torch.tanh(c), c

    # ---- nodes

    def _by_node(self, x: Value, start: State, *, is_constant: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What the layer's node computes, or is to compute."""
        node = self._node(x, start if is_constant else ())
        more = [] if is_constant else [s.float() for s in start]
        state = tuple(start[0].shape)
        if graph.is_exporting():
            shape = (*x.tensor.shape[:2], state[0] * self.hidden_size)
            y, h, c = graph.emit_many(node, x.tensor, [shape, state, state], more)
        else:
            sources = [source(x, self.target_device), *[Node("Identity")] * len(more)]
            y, h, c = self.run_many(sources, [node], [x.tensor, *more], [3, 3, 3])
        return y, h, c

    def _node(self, x: Value, start: Sequence[Tensor]) -> Node:
        weights = [getattr(self, f"weight_l0{s}") for s in self._suffixes]
        found = [self._bias(s) for s in self._suffixes]
        biases = [torch.zeros(4 * self.hidden_size, device=w.device) if b is None else b
                  for w, b in zip(weights, found, strict=True)]  # fmt: skip
        fields: dict[str, Any] = {"quantize": int(bool(self.quantize)), "input_bitwidth": x.bits}
        fields |= {"weight_bitwidth": self.weight_bitwidth, "output_bitwidth": self.output_bitwidth}
        fields |= {"batch_first": int(self.batch_first), "num_layers": 1, "hidden_size": self.hidden_size}
        fields |= {"is_fixpoint": 1, "clip_min_value": -CLIP, "clip_max_value": CLIP, "layout": 1}
        fields |= {"weight_factor": float(self.weight_factor), "target_device": self.target_device}
        fields |= {"quantize_feature_version": VERSION, "tensor_name": self.name}
        fields |= {"direction": "bidirectional" if self.bidirectional else "forward"}
        return Node("QuantizeLSTMV2", [*weights, *biases, *start], fields, behind=0 if start else 2)
