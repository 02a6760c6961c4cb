"""Recurrent operators that torch's exporter would spell out, as single ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset18 as op
from torch.export import ExportedProgram

from magik_core import graph
from magik_core.errors import ModelError, Problem

# ONNX's order of the gates as positions in torch's: i f g o -> i o f g, r z n -> z r n
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}  # inputs of the ONNX nodes
ATTRIBUTES: dict[str, dict[str, Any]] = {"LSTM": {}, "GRU": {"linear_before_reset": 1}, "RNN": {}}


def table() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The translations that torch does not have, by operator."""
    aten = torch.ops.aten
    return {
        aten.lstm_cell.default: lstm_cell,
        aten.gru_cell.default: gru_cell,
        aten.rnn_tanh_cell.default: rnn_tanh_cell,
        aten.rnn_relu_cell.default: rnn_relu_cell,
        aten.rnn_tanh.input: rnn_tanh,
        aten.rnn_relu.input: rnn_relu,
    }


def check(program: ExportedProgram, where: str) -> None:
    """Raises: ModelError: LSTMs whose outputs are projected, all of them; torch's exporter takes them for plain."""
    problems = []
    for node in program.graph.nodes:
        if node.op == "call_function" and node.target is torch.ops.aten.lstm.input and len(node.args) == 9:
            _, _, params, has_biases, layers, _, _, both, _ = node.args
            if len(params) != layers * (4 if has_biases else 2) * (2 if both else 1):
                path = next((str(p) for p, _ in reversed((node.meta.get("nn_module_stack") or {}).values())), "")
                found, need = "proj_size", "an LSTM without projections"
                problems.append(Problem("an LSTM projects its outputs", f"module '{path}' of {where}", found, need))
    if problems:
        raise ModelError(problems=problems)


def drop_zero_states(model: ir.Model) -> int:
    """Leave out first states that are all zero, as ONNX means it where there are none; how many nodes."""
    count = 0
    for node in model.graph:
        given = [i for i in STATES.get(node.op_type, ()) if i < len(node.inputs) and node.inputs[i] is not None]
        if given and all(graph.scalar(node.inputs[i]) == 0 for i in given):
            for i in given:
                node.replace_input_with(i, None)
            count += 1
    graph.remove_dead(model)
    return count


def lstm_cell(input: Any, hx: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    w, r, b = _weights("LSTM", [(w_ih, w_hh, b_ih, b_hh)])
    zero = _ints(0)
    states = [op.Unsqueeze(state, zero) for state in hx]
    _, h, c = op.LSTM(op.Unsqueeze(input, zero), w, r, b, None, *states, hidden_size=_hidden(w_hh))
    return op.Squeeze(h, zero), op.Squeeze(c, zero)


def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    return _cell("GRU", {}, input, hx, w_ih, w_hh, b_ih, b_hh)


def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    return _cell("RNN", {"activations": ["Tanh"]}, input, hx, w_ih, w_hh, b_ih, b_hh)


def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    return _cell("RNN", {"activations": ["Relu"]}, input, hx, w_ih, w_hh, b_ih, b_hh)


def rnn_tanh(
    input: Any,
    hx: Any,
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    return _layers("Tanh", input, hx, params, has_biases, num_layers, bidirectional, batch_first)


def rnn_relu(
    input: Any,
    hx: Any,
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> Any:
    return _layers("Relu", input, hx, params, has_biases, num_layers, bidirectional, batch_first)


def _cell(kind: str, attributes: dict[str, Any], x: Any, h: Any, *params: Any) -> Any:
    """One step: a sequence of length 1."""
    w, r, b = _weights(kind, [params])
    zero = _ints(0)
    make = getattr(op, kind)
    everything = {**ATTRIBUTES[kind], **attributes, "hidden_size": _hidden(params[1])}
    _, last = make(op.Unsqueeze(x, zero), w, r, b, None, op.Unsqueeze(h, zero), **everything)
    return op.Squeeze(last, zero)


def _layers(
    function: str, x: Any, states: Any, params: Sequence[Any], biases: bool, layers: int, both: bool, first: bool
) -> Any:
    """Layers of simple cells over a sequence."""
    count, per = (2 if both else 1), (4 if biases else 2)
    ends = []
    if first:
        x = op.Transpose(x, perm=[1, 0, 2])
    for layer in range(layers):
        own = [params[(layer * count + d) * per :][:per] for d in range(count)]
        w, r, b = _weights("RNN", [(*p, None, None)[:4] for p in own])
        start, end, axis = (_ints(n) for n in (layer * count, (layer + 1) * count, 0))
        y, last = op.RNN(
            x,
            w,
            r,
            b,
            None,
            op.Slice(states, start, end, axis),
            activations=[function] * count,
            direction="bidirectional" if both else "forward",
            hidden_size=_hidden(own[0][1]),
        )
        ends.append(last)
        x = op.Reshape(op.Transpose(y, perm=[0, 2, 1, 3]), _ints(0, 0, -1))
    if first:
        x = op.Transpose(x, perm=[1, 0, 2])
    return x, op.Concat(*ends, axis=0)


def _weights(kind: str, directions: Sequence[Sequence[Any]]) -> tuple[Any, Any, Any]:
    """W (D, gates * H, I), R (D, gates * H, H) and B (D, 2 * gates * H) of ONNX; no B without biases."""
    zero = _ints(0)
    w, r = (_joined([op.Unsqueeze(_reordered(p[i], kind), zero) for p in directions]) for i in (0, 1))
    if directions[0][2] is None:
        return w, r, None
    rows = [op.Concat(_reordered(p[2], kind), _reordered(p[3], kind), axis=0) for p in directions]
    return w, r, _joined([op.Unsqueeze(row, zero) for row in rows])


def _joined(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=0)


def _reordered(value: Any, kind: str) -> Any:
    order = GATES[kind]
    if len(order) == 1:
        return value
    size, axis = int(value.shape[0]) // len(order), _ints(0)
    bounds = [_ints(size * i) for i in range(len(order) + 1)]
    return op.Concat(*[op.Slice(value, bounds[i], bounds[i + 1], axis) for i in order], axis=0)


def _ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def _hidden(w_hh: Any) -> int:
    return int(w_hh.shape[1])
