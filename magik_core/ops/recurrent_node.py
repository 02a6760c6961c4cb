"""How an ONNX LSTM, GRU or RNN becomes a step: on codes where x, y and the states have them, else in f32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_core import numerics
from magik_core.errors import LowerError, QuantizeError
from magik_core.ops import Array
from magik_core.ops.activation import Activation, read_activations
from magik_core.ops.recurrent import PER_DIRECTION, Recurrent
from magik_core.ops.recurrent_check import DIRECTIONS, LENGTHS, PEEPHOLES, B, C, H, R, W, X, problems_of
from magik_core.ops.recurrent_sums import Side, factors
from magik_core.ops.sums import add_weight, imported_weights
from magik_core.program import CODES, QuantParams, Shape, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.layout import Axes
    from magik_core.lowering import Lowering

UNIT = QuantParams(2.0**-15, 2.0**15, 16)  # of an h that stays in [-1, 1]
BYTE = QuantParams(2.0**-7, 128.0)  # of a y that nobody reads


@dataclass(frozen=True)
class StepCodes:
    """A step on codes: the dtype of x and y, the parameters of y and of the states."""

    dtype: str
    y: QuantParams
    states: tuple[QuantParams, ...]


def lower(cls: type[Recurrent], node: ir.Node, to: Lowering) -> None:
    """Emit the step of a node."""
    problems = problems_of(cls, node)
    if problems:
        raise LowerError(problems=problems)
    op = cls(**_attributes(cls, node, to))
    w, r = (to.need_constant(node, i, what) for i, what in ((W, "W"), (R, "R")))
    dirs, hidden = r.shape[0], r.shape[2]
    b = to.need_constant(node, B, "B") if has(node, B) else np.zeros((dirs, 2 * cls.gates * hidden), np.float32)
    bias = b.reshape(dirs, 2, cls.gates, hidden)
    time_first = to.attribute(node, "layout", 0) == 0
    order: Axes = (0, 1, 2) if time_first else (1, 0, 2)
    axes = [(0, 1, 2, 3) if time_first else (1, 2, 0, 3), *[order] * cls.states]
    found = _codes(cls, node, to)
    x = to.take(node, X, found.dtype if found else "f32", order)
    shape = (dirs, x.shape[1], hidden)
    p = to.need_constant(node, PEEPHOLES, "P") if has(node, PEEPHOLES) else np.zeros((dirs, 3 * hidden), np.float32)
    lengths = _lengths(node, to, x.shape[1])
    if found is None:
        name = node.name or ""
        weights = [to.add(f"{name}/{k}", v.swapaxes(1, 2), "f32") for k, v in (("w", w), ("r", r))]
        start = to.add(f"{name}/b", op.biases(bias), "f32")
        states = [_state(node, to, i, shape, order) for i in (H, C)[: cls.states]]
        peepholes = [to.add(f"{name}/p", p, "f32")] if cls.states > 1 else []
        to.emit_many(node, op, [x, *weights, start, lengths, *states, *peepholes], axes)
        return
    weights = _weights(node, to, op, x, found.states[0], (w, r), bias)
    pairs = zip((H, C), found.states, strict=False)
    states = [_state(node, to, i, shape, order, quant) for i, quant in pairs]
    peepholes = [_peepholes(node, to, p)] if cls.states > 1 else []
    inputs = [x, *weights[:3], lengths, *states, *peepholes, weights[3]]
    to.emit_many(node, op, inputs, axes, [(found.dtype, found.y), *(("u16", q) for q in found.states)])


def has(node: ir.Node, index: int) -> bool:
    """Whether a node is given an input."""
    return index < len(node.inputs) and node.inputs[index] is not None


def functions_of(cls: type[Recurrent], node: ir.Node, directions: int) -> list[tuple[Activation, ...]]:
    """The functions f, g, h of each direction."""
    found, count = read_activations(node, cls.defaults * directions), len(cls.defaults)
    return [found[i : i + count] for i in range(0, len(found), count)]


def keeps_to_one(cls: type[Recurrent], node: ir.Node) -> bool:
    """Whether a node's h stays in [-1, 1]."""
    direction = node.attributes.get("direction")
    count = DIRECTIONS.get("forward" if direction is None else str(direction.value), 1)
    return all(cls.keeps_to_one(functions) for functions in functions_of(cls, node, count))


def _attributes(cls: type[Recurrent], node: ir.Node, to: Lowering) -> dict[str, Any]:
    direction = to.attribute(node, "direction", "forward")
    spare = (Activation("Relu"),) * (PER_DIRECTION - len(cls.defaults))
    flat = [a for functions in functions_of(cls, node, DIRECTIONS[direction]) for a in (*functions, *spare)]
    out = {
        "functions": tuple(a.name for a in flat),
        "alphas": tuple(a.alpha for a in flat),
        "betas": tuple(a.beta for a in flat),
        "is_reverse": direction == "reverse",
        "clip": float(to.attribute(node, "clip", np.inf)),
    }
    return {**out, cls.switch: bool(to.attribute(node, cls.switch, 0))} if cls.switch else out


def _codes(cls: type[Recurrent], node: ir.Node, to: Lowering) -> StepCodes | None:
    """What a step on codes has; None where something has none."""
    q = to.quantization
    if node.name in q.float_nodes:
        return None
    x, y = (q.codes(v.name) if v is not None else None for v in (node.inputs[X], node.outputs[0]))
    y = BYTE if y is None and not node.outputs[0].name else y
    states = []
    for i in range(cls.states):
        own = _state_params(node, to, H + i, 1 + i)
        if not own and i == 0 and keeps_to_one(cls, node):
            own = {UNIT}
        states += list(own) if len(own) == 1 else []
    if x is None or y is None or len(states) < cls.states or any(s.zero_point % 1 for s in states[int(cls.halves) :]):
        return None
    return StepCodes(max(x.dtype, y.dtype, key=CODES.index), y, tuple(states))


def _state_params(node: ir.Node, to: Lowering, before: int, after: int) -> set[QuantParams]:
    """Parameters that a state's input and output have."""
    first = node.inputs[before] if has(node, before) else None
    last = node.outputs[after] if after < len(node.outputs) and node.outputs[after].name else None
    computed = None if first is None or first.const_value is not None else first
    found = (to.quantization.codes(v.name) for v in (computed, last) if v is not None)
    return {q for q in found if q is not None}


def _lengths(node: ir.Node, to: Lowering, batch: int) -> Tensor:
    """How long each sequence is; where the node does not say, so long that they take all there is."""
    if has(node, LENGTHS):
        return to.take(node, LENGTHS, "s32")
    return to.add(f"{node.name}/lengths", np.full(batch, 2**31 - 1, np.int32), "s32")


def _state(
    node: ir.Node, to: Lowering, index: int, shape: Shape, order: Axes, quant: QuantParams | None = None
) -> Tensor:
    """The state at the start (D, N, H), zeros where the node has none; codes of u16 with parameters."""
    given = to.constant(node, index)
    if has(node, index) and given is None:
        return to.take(node, index, "u16" if quant else "f32", order)
    data = np.zeros(shape, np.float32) if given is None else given.transpose(order)
    name = f"{node.name}/{'hc'[index - H]}"
    if quant is None:
        return to.add(name, data, "f32")
    return to.add(name, numerics.quantize(data, quant).astype(np.uint16), "u16", quant)


def _weights(
    node: ir.Node,
    to: Lowering,
    op: Recurrent,
    x: Tensor,
    h: QuantParams,
    weights: Sequence[Array],
    bias: Array,
) -> list[Tensor]:
    """w, r, b and the factors of the gates."""
    assert isinstance(x.quant, QuantParams)
    name, sides, bits = node.name or "", [], []
    for i, (w, quant) in enumerate(zip(weights, (x.quant, h), strict=True)):
        rows = np.ascontiguousarray(w.reshape(-1, w.shape[2]), np.float32)
        codes, scales, width = imported_weights(to.imported(node, W + i), rows) or to.quantize_weights(node, rows)
        bits.append(width)
        sides.append(Side(codes, scales, quant, bias[:, i].reshape(-1)))
    kind = np.result_type(sides[0].codes, sides[1].codes)
    try:
        table, of_x, of_h = factors(*sides)
    except QuantizeError as error:
        where = f"node '{node.name}'"
        raise LowerError(problems=[replace(p, where=where) for p in error.problems]) from None
    start = np.stack([of.reshape(bias[:, 0].shape) for of in (of_x, of_h)], axis=1)
    each = zip("xh", sides, bits, strict=True)
    return [
        *(add_weight(to, f"{name}/{k}", s.codes.astype(kind), s.scales, n) for k, s, n in each),
        to.add(f"{name}/b", op.biases(start), "s64"),
        to.add(f"{name}/factors", table, "s32"),
    ]


def _peepholes(node: ir.Node, to: Lowering, p: Array) -> Tensor:
    """s32 (2, D 3 H): multipliers, then shifts."""
    found = [numerics.multiplier(float(v)) for v in p.reshape(-1)]
    return to.add(f"{node.name}/p", np.array(found, np.int32).T.copy(), "s32")
