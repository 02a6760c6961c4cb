"""The quantization that a model arrives with: what its QuantizeLinear and DequantizeLinear say, taken as it is."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir

from magik_core import graph, shifted
from magik_core.errors import GraphError, Problem
from magik_core.ops import by_onnx
from magik_core.program import QuantParams
from magik_core.source import Codes

T = ir.DataType
# what a code of each type is taken for: the bits, and what is added so that codes start at 0
TYPES: Mapping[ir.DataType, tuple[int, int]] = {
    T.UINT8: (8, 0),
    T.INT8: (8, 128),
    T.UINT16: (16, 0),
    T.INT16: (16, 32768),
    T.UINT4: (4, 0),
    T.INT4: (4, 8),
    T.UINT2: (2, 0),
    T.INT2: (2, 2),
}
CONSTANT_TYPES = (*TYPES, T.INT32)  # a bias has 32 bits
ROUNDING = "magik.rounding"  # property of a model: how its source rounds the sums of convolutions
ROUNDS_TWICE = {"once": False, "twice": True}  # its values


@dataclass(frozen=True)
class Imported:
    """Parameters of activations, and the codes of constants, by value name; whether sums are rounded twice."""

    values: Mapping[str, QuantParams] = field(default_factory=dict)
    constants: Mapping[str, Codes] = field(default_factory=dict)
    rounds_twice: bool = False

    def __bool__(self) -> bool:
        return bool(self.values or self.constants)


NOTHING = Imported()


def is_quantized(model: ir.Model) -> bool:
    """Whether a model brings a quantization of its own."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph)


def take(model: ir.Model) -> Imported:
    """What the QDQ nodes of a graph say; dequantized constants become real ones, in place.

    The model's property `magik.rounding` says whether its source rounds sums "once" or "twice".
    A pair around an activation stays: lowering writes the codes at once where the node before has them, and
    rescales where they change. The value before a QuantizeLinear has its parameters if nothing else reads it.

    Raises: GraphError: every node that says something no kernel does; a rounding that is neither once nor twice.
    """
    rounding = model.metadata_props.get(ROUNDING, "once")
    problems: list[Problem] = [] if rounding in ROUNDS_TWICE else [_unknown_rounding(rounding)]
    constants: dict[str, Codes] = {}
    values: dict[str, QuantParams] = {}
    moved: dict[str, QuantParams] = {}
    moves = _moves()
    for node in list(model.graph):
        try:
            if node.op_type == "QuantizeLinear" and graph.constant(node.inputs[0]) is not None:
                _quantize_constant(model, node)
            elif node.op_type == "QuantizeLinear":
                values |= _activation(node)
            elif node.op_type == "DequantizeLinear" and graph.constant(node.inputs[0]) is not None:
                constants |= _constant(model, node)
            elif node.op_type == "DequantizeLinear":
                values |= _dequantized(node, values)
            elif node.op_type in shifted.OPERATORS:
                values |= shifted.after(node, ChainMap(values, moved))
            elif node.op_type == "Transpose" and node.inputs[0] is not None and node.inputs[0].name in constants:
                constants |= _transposed(model, node, constants[node.inputs[0].name])
            elif node.op_type == "Concat":
                values |= _joined(node, ChainMap(values, moved))
            elif node.op_type in moves or node.op_type == "Split" or _is_nearest(node):
                moved |= _moved(node, ChainMap(values, moved))
        except GraphError as error:
            problems += error.problems
    if problems:
        raise GraphError(problems=problems)
    graph.remove_dead(model)
    kept = {name: codes for name, codes in constants.items() if name in model.graph.initializers}
    return Imported(values | _before(model, values), kept, ROUNDS_TWICE[rounding])


def drop(model: ir.Model) -> Imported:
    """Take the rounding out: constants are real, activations pass their pairs as they are; in place.

    Where 0 is the first or the last code of what a node computes, what saturates in the pair may be all that is left
    of a Relu or Clip before it: there a Clip takes its place.

    Returns: the codes of constants, which are what they were.
    Raises:  GraphError: as `take`.
    """
    found = take(model)
    for node in list(model.graph):
        codes = node.inputs[0] if node.op_type == "DequantizeLinear" else None
        if codes is None:
            continue
        pair, q = codes.producer(), found.values[codes.name or ""]
        assert pair is not None and pair.inputs[0] is not None
        x = pair.inputs[0]
        if x.producer() is not None and q.zero_point in (0, q.top):
            graph.replace(node, _limited(model, node, x, q))
        elif not graph.bypass(node, x):  # an output that is an input
            graph.replace(node, graph.insert(node, "Identity", [x]))
    graph.remove_dead(model)
    return Imported(constants=found.constants)


def _limited(model: ir.Model, before: ir.Node, x: ir.Value, q: QuantParams) -> ir.Value:
    """A value within what its codes can say."""
    assert x.dtype is not None
    ends = (np.array(q.scale * (code - q.zero_point), x.dtype.numpy()) for code in (0, q.top))
    return graph.insert(before, "Clip", [x, *(graph.add_constant(model, f"{before.name}/limit", end) for end in ends)])


def _activation(node: ir.Node) -> dict[str, QuantParams]:
    """What a QuantizeLinear says of its output."""
    scale, zero, kind = _parameters(node, TYPES)
    if scale.size != 1:
        raise _problem(node, "an activation is quantized per channel", f"{scale.size} scales", "one scale")
    for use in node.outputs[0].uses():
        if use.node.op_type != "DequantizeLinear":
            raise _problem(node, "codes are read by another node", use.node.op_type, "a DequantizeLinear")
    bits, offset = TYPES[kind]
    codes = QuantParams(float(scale[0]), float(int(zero[0]) + offset), bits)
    return {node.outputs[0].name or "": shifted.narrowed(node, codes)}


def _dequantized(node: ir.Node, values: Mapping[str, QuantParams]) -> dict[str, QuantParams]:
    """The parameters of what a DequantizeLinear gives."""
    source = node.inputs[0]
    known = values.get(source.name or "") if source is not None else None
    producer = source.producer() if source is not None else None
    if producer is not None and producer.op_type == "QuantizeLinear" and known is None:
        return {}  # said of that node
    if source is None or known is None:
        raise _problem(node, "codes come from nowhere", (source and source.name) or "", "a QuantizeLinear")
    scale, zero, kind = _parameters(node, TYPES)
    bits, offset = TYPES[kind]
    said = QuantParams(float(scale[0]), float(int(zero[0]) + offset), bits)
    if scale.size != 1 or replace(said, bits=min(said.bits, known.bits)) != known:
        need = f"those it was quantized with: {_show(known)}"
        raise _problem(node, "codes are read with other parameters", _show(said), need)
    return {node.outputs[0].name or "": known}


def _show(q: QuantParams) -> str:
    return f"scale {q.scale:g}, zero point {q.zero_point:g} of {q.bits} bits from 0"


def _constant(model: ir.Model, node: ir.Node) -> dict[str, Codes]:
    """Put the reals in the place of a dequantized constant; its codes, by the name of the new constant."""
    scale, zero, _ = _parameters(node, CONSTANT_TYPES)
    codes = graph.constant(node.inputs[0])
    assert codes is not None
    codes = codes.astype(np.int64)
    out = Codes(codes, scale, zero.astype(np.int64), _channel_axis(node, scale, codes.shape))
    return {_put(model, node, out.reals()): out}


def _transposed(model: ir.Model, node: ir.Node, codes: Codes) -> dict[str, Codes]:
    """A constant that is turned before it is used."""
    rank = codes.codes.ndim
    perm = tuple(graph.attribute(node, "perm", tuple(reversed(range(rank)))))
    turned = replace(codes, codes=codes.codes.transpose(perm), axis=perm.index(codes.axis) if rank else 0)
    return {_put(model, node, turned.reals()): turned}


def _quantize_constant(model: ir.Model, node: ir.Node) -> None:
    """Quantize a real constant as ONNX does, ties to even."""
    scale, zero, kind = _parameters(node, TYPES)
    real = graph.constant(node.inputs[0])
    assert real is not None
    axis = _channel_axis(node, scale, real.shape)
    wide = [1] * real.ndim
    if scale.size > 1:
        wide[axis] = scale.size
    bits, offset = TYPES[kind]
    whole = np.rint(real / scale.astype(np.float32).reshape(wide)) + zero.reshape(wide)
    codes = np.clip(whole, -offset, 2**bits - 1 - offset).astype(kind.numpy())
    _put(model, node, codes)


def _channel_axis(node: ir.Node, scale: np.ndarray, shape: tuple[int, ...]) -> int:
    """The axis of a constant along which its scales lie, 0 where there is one.

    Raises: GraphError: it has no axis with as many.
    """
    axis, rank = int(graph.attribute(node, "axis", 1)) if scale.size > 1 else 0, len(shape)
    if scale.size > 1 and not (-rank <= axis < rank and shape[axis] == scale.size):
        found, need = f"{scale.size} scales on axis {axis}", f"an axis of {list(shape)} with as many"
        raise _problem(node, "the scales of a constant do not fit it", found, need)
    return axis % max(rank, 1)


def _put(model: ir.Model, node: ir.Node, array: np.ndarray) -> str:
    """Let a constant take a node's place, under the name of its output; returns that name."""
    (old,) = node.outputs
    name, old.name = old.name or "", None
    new = graph.add_constant(model, name, array)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    model.graph.remove(node, safe=True)
    return new.name or ""


def _parameters(node: ir.Node, types: Collection[ir.DataType]) -> tuple[np.ndarray, np.ndarray, ir.DataType]:
    """(scales, zero points, type of the codes) of a QuantizeLinear or DequantizeLinear.

    Raises: GraphError: computed parameters, blocks, another type, scales that are no positive numbers.
    """
    is_quantize = node.op_type == "QuantizeLinear"
    zero_value = node.inputs[2] if len(node.inputs) > 2 else None
    codes = node.outputs[0] if is_quantize else node.inputs[0]
    assert codes is not None
    kind = codes.dtype
    scale = graph.constant(node.inputs[1])
    zero = np.zeros(1, np.int64) if zero_value is None else graph.constant(zero_value)
    if scale is None or zero is None:
        raise _problem(node, "the scale of a value is computed", need="a constant scale and zero point")
    if graph.attribute(node, "block_size", 0) or scale.ndim > 1:
        raise _problem(node, "scales per block have no kernel", need="one scale, or one per channel")
    if kind is None or kind not in types:
        need = ", ".join(t.name for t in types)
        raise _problem(node, "codes have a type that no kernel reads", str(kind), need)
    scale, zero = scale.reshape(-1).astype(np.float64), zero.reshape(-1).astype(np.int64)
    if zero.size not in (1, scale.size) or not scale.size:
        raise _problem(node, "scales and zero points differ in number", f"{scale.size} and {zero.size}", "as many")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise _problem(node, "a scale is no positive number", str(scale[~(np.isfinite(scale) & (scale > 0))][0]))
    return scale, np.broadcast_to(zero, scale.shape), kind


def _moves() -> set[str]:
    """Operators whose output is codes of their input, moved."""
    return {t for t, op in by_onnx().items() if op.keeps_codes and t not in ("Resize", "Split")}


def _is_nearest(node: ir.Node) -> bool:
    """Whether a Resize only repeats and drops codes."""
    return node.op_type == "Resize" and graph.attribute(node, "mode", "nearest") == "nearest"


def _moved(node: ir.Node, values: Mapping[str, QuantParams]) -> dict[str, QuantParams]:
    """Parameters of moved codes."""
    x = node.inputs[0]
    known = values.get(x.name or "") if x is not None else None
    outputs = node.outputs if node.op_type == "Split" else node.outputs[:1]
    return {} if known is None else {y.name or "": known for y in outputs}


def _joined(node: ir.Node, values: Mapping[str, QuantParams]) -> dict[str, QuantParams]:
    """Parameters of codes behind one another, where they mean the same."""
    known = {values.get(x.name or "") if x is not None else None for x in node.inputs}
    found = known.pop() if len(known) == 1 else None
    return {} if found is None else {node.outputs[0].name or "": found}


def _before(model: ir.Model, values: Mapping[str, QuantParams]) -> dict[str, QuantParams]:
    """Parameters of the values that a QuantizeLinear alone reads: the node before may write the codes itself.

    They reach back through nodes that only move numbers.
    """
    outputs = {v.name for v in model.graph.outputs}
    moves = _moves()
    found: dict[str, QuantParams] = {}
    for node in reversed(model.graph):
        x = node.inputs[0] if node.inputs else None
        if x is None or x.const_value is not None or x.name in values or x.name in outputs:
            continue
        y = node.outputs[0].name or ""
        told = values.get(y) if node.op_type == "QuantizeLinear" else found.get(y) if node.op_type in moves else None
        if y in found and node.op_type in shifted.OPERATORS:
            told = shifted.before(node, found[y])
        elif y in found and (limits := shifted.limits(node)) is not None and shifted.is_neutral(found[y], *limits):
            told = found[y]
        readers = graph.consumers(x)
        is_same = all(r.op_type == "QuantizeLinear" and values.get(r.outputs[0].name or "") == told for r in readers)
        if told is not None and (is_same or readers == [node]):
            found[x.name or ""] = told
    return found


def _unknown_rounding(found: str) -> Problem:
    need = " or ".join(ROUNDS_TWICE)
    return Problem("a model rounds in a way that no kernel does", f"metadata property '{ROUNDING}'", found, need)


def _problem(node: ir.Node, what: str, found: str = "", need: str = "") -> GraphError:
    return GraphError(what, where=f"{node.op_type} '{node.name}'", found=found, need=need)
