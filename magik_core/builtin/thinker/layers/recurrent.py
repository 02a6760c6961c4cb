"""LSTM and GRU. What they compute in integers differs between the vendor's own programs, so they are float here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from magik_core.builtin.onnx_quantized.params import Params
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import converts
from magik_core.builtin.thinker import fixed
from magik_core.builtin.thinker.fixed import DOMAINS

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

# PyTorch's gates in the order of ONNX: i f g o as i o f c, and r z n as z r h
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
STATES = {"LSTM": 2, "GRU": 1}


@converts("LSTMInt", "QLSTM", domains=DOMAINS, inputs=(5, 7), outputs=(1, 3))
def lstm(node: NodeProto, to: Expansion) -> None:
    """LSTM, its weights and biases with their codes; what goes in and comes out is rounded."""
    _recurrent(node, to, "LSTM")


@converts("GRUInt", "QGRU", domains=DOMAINS, inputs=(5, 6), outputs=(1, 2))
def gru(node: NodeProto, to: Expansion) -> None:
    """GRU with PyTorch's reset gate, otherwise as an LSTM."""
    _recurrent(node, to, "GRU")


def _recurrent(node: NodeProto, to: Expansion, op: str) -> None:
    x, by_x = fixed.given(node, to, 0, "scale_x", "scale_i")
    scales = [fixed.scale(node, to, name) for name in ("scale_iw", "scale_hw", "scale_h")]
    hidden, layers = attribute(node, "hidden_size", 0), attribute(node, "num_layers", 1)
    states = len(node.input) - 5
    if layers != 1:
        to.problem("a recurrent node has several layers", f"num_layers {layers}", "1")
    if states not in (0, STATES[op]):
        to.problem("a recurrent node has lengths, or some of its states only", f"{len(node.input)} inputs")
    if not to.is_sound or None in scales:
        return
    by_w, by_r, by_h = (s or 1.0 for s in scales)
    weights = _weights(node, to, op, 1 + states, (by_w, by_r), hidden)
    bias = _bias(node, to, op, 3 + states, (by_x * by_w, by_h * by_r), hidden)
    first = [_state(node, to, 1 + i, name) for i, name in enumerate(("scale_h", "scale_c")[:states])]
    if to.is_sound:
        _emit(node, to, op, [x, *weights, bias, "", *first] if first else [x, *weights, bias], hidden)


def _state(node: NodeProto, to: Expansion, place: int, name: str) -> str:
    """An initial state; one that is float in the source stays so."""
    value = node.input[place]
    is_float = to.dtype(value) == TensorProto.FLOAT or to.source.declared.get(value) == TensorProto.FLOAT
    return value if is_float else fixed.given(node, to, place, name)[0]


def _gates(node: NodeProto, to: Expansion, place: int, op: str, hidden: int) -> np.ndarray | None:
    """The codes of an input, its gates in the order of ONNX, with an axis of one direction in front."""
    codes = fixed.weight(node, to, place)
    if codes is None:
        return None
    count = len(GATES[op])
    if hidden < 1 or codes.ndim not in (1, 2) or codes.shape[0] != count * hidden:
        found = f"'{node.input[place]}' {list(codes.shape)} for hidden_size {hidden}"
        to.problem("weights do not fit the hidden size", found, f"{count} * hidden_size rows")
        return None
    parts = codes.reshape(count, hidden, *codes.shape[1:])
    return np.concatenate([parts[gate] for gate in GATES[op]])[None]


def _weights(
    node: NodeProto, to: Expansion, op: str, place: int, scales: tuple[float, float], hidden: int
) -> list[str]:
    out = []
    for i, by in enumerate(scales):
        codes = _gates(node, to, place + i, op, hidden)
        if codes is not None and codes.ndim == 3:
            out.append(fixed.real_weight(node, to, place + i, by, codes, "gates"))
        elif codes is not None:
            to.problem("weights are no matrix", f"'{node.input[place + i]}'")
    return out


def _bias(node: NodeProto, to: Expansion, op: str, place: int, scales: tuple[float, float], hidden: int) -> str:
    """Both biases in one constant, a scale for each of its numbers."""
    parts = [_gates(node, to, place + i, op, hidden) for i in range(2)]
    if any(part is None or part.ndim != 2 for part in parts):
        if to.is_sound:
            to.problem("biases are no lists", f"'{node.input[place]}', '{node.input[place + 1]}'")
        return ""
    codes = np.concatenate([part for part in parts if part is not None], axis=1)
    count = codes.shape[1] // 2
    name = to.unique(f"{node.output[0]}/bias")
    to.source.tensors[name] = to.tensor(name, codes, TensorProto.INT32)
    each = (1 / scales[0],) * count + (1 / scales[1],) * count
    return to.real(name, Params(each, (0,) * len(each), TensorProto.INT32, 1))


def _emit(node: NodeProto, to: Expansion, op: str, inputs: list[str], hidden: int) -> None:
    """The layer, time first as ONNX has it, without ONNX's axis of directions."""
    name, batch_first = node.output[0], attribute(node, "batch_first", 1)
    if batch_first:
        inputs[0] = to.between("Transpose", [inputs[0]], f"{name}/time", perm=[1, 0, 2])
    direction = "forward" if attribute(node, "go_forward", 1) else "reverse"
    given = {"linear_before_reset": 1} if op == "GRU" else {}
    made = [to.unique(f"{name}/{op.lower()}")]
    made += [to.raw(out) if out else "" for out in node.output[1:]]
    to.node(op, inputs, made, hidden_size=hidden, direction=direction, **given)
    shape = to.constant(f"{name}/shape", np.asarray([0, -1, hidden], np.int64))
    if batch_first:
        flat = to.between("Reshape", [made[0], shape], f"{name}/steps")
        fixed.result(node, to, "Transpose", [flat], perm=[1, 0, 2])
    else:
        fixed.result(node, to, "Reshape", [made[0], shape])
    for i, (out, raw) in enumerate(zip(node.output[1:], made[1:], strict=True)):
        if out:
            _finish_state(node, to, out, raw, ("scale_h", "scale_c")[i])


def _finish_state(node: NodeProto, to: Expansion, out: str, raw: str, name: str) -> None:
    """A last state: linger 3 rounds the hidden one, the others stay float."""
    if node.domain == "linger" and name == "scale_h":
        by = fixed.scale(node, to, name)
        if by is not None:
            to.quantized(out, fixed.params(by, fixed.bits(node, to, "x_bits")), raw)
    else:
        to.node("Identity", [raw], [out])
        to.floats.add(out)
