"""Move transposes from NHWC and back down the graph, until the two meet: images stay NCHW in between.

tf2onnx moves most of them; what it leaves stand around Split, Concat of parts, Pad and reductions is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.ops.lut import unary
from magik_frontend_tf.graphs import settle

Perm = tuple[int, ...]
Rule = Callable[[ir.Model, ir.Node, Perm], "Perm | None"]
MAX_ROUNDS = 32
SEVERAL = frozenset([
    "Add", "And", "Div", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mul", "Or", "Pow", "PRelu", "Sub", "Sum",
    "Where",
])  # fmt: skip
REDUCTIONS = frozenset(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2"])


def lower(model: ir.Model) -> ir.Model:
    """The model with transposes moved down, if that leaves fewer of them; else as it was."""
    if count(model) < 2:
        return model
    moved = ir.from_proto(ir.to_proto(model))
    settle.settle(moved)
    for _ in range(MAX_ROUNDS):
        pushed = sum(_push(moved, node) for node in list(moved.graph))
        merged = sum(_cancel(node) for node in list(moved.graph))
        graph.remove_dead(moved)
        if not pushed + merged:
            break
    for node in moved.graph:
        for value in node.outputs:
            value.shape = None
    graph.infer(moved, strict=False)
    return moved if count(moved) < count(model) else model


def count(model: ir.Model) -> int:
    """How many transposes there are."""
    return sum(node.op_type == "Transpose" for node in model.graph)


def _perm(value: ir.Value | None) -> Perm | None:
    """How a value was transposed, or None."""
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "Transpose" or "perm" not in node.attributes:
        return None
    return tuple(node.attributes["perm"].as_ints())


def _push(model: ir.Model, node: ir.Node) -> bool:
    """Let a node read what was transposed, and transpose what it makes."""
    found = {perm for value in node.inputs if (perm := _perm(value)) is not None}
    rule = RULES.get(node.op_type)
    if len(found) != 1 or rule is None:
        return False
    perm = found.pop()
    after = rule(model, node, perm)
    if after is None:
        return False
    for i, value in enumerate(node.inputs):
        if value is not None and _perm(value) is not None:
            node.replace_input_with(i, value.producer().inputs[0])  # type: ignore[union-attr]
    for out in node.outputs:
        if after != tuple(range(len(after))) and (out.uses() or out.is_graph_output()):
            _transpose(model, node, out, after)
    return True


def _transpose(model: ir.Model, node: ir.Node, out: ir.Value, perm: Perm) -> None:
    """Put a transpose behind an output, which takes its name and readers."""
    name = graph.unique_name(model, f"{out.name}/nhwc")
    new = ir.node("Transpose", [out], {"perm": list(perm)}, name=name)
    assert node.graph is not None
    node.graph.insert_after(node, new)
    kept, out.name = out.name, graph.unique_name(model, f"{out.name}/nchw")
    (result,) = new.outputs
    result.type, result.shape, out.shape = out.type, out.shape, None
    ir.convenience.replace_all_uses_with(out, result, replace_graph_outputs=True)
    new.replace_input_with(0, out)
    result.name = kept


def _cancel(node: ir.Node) -> bool:
    """A transpose of a transpose is one, or none."""
    outer, inner = _perm(node.outputs[0]) if node.outputs else None, _perm(node.inputs[0]) if node.inputs else None
    if outer is None or inner is None or node.op_type != "Transpose":
        return False
    source = node.inputs[0].producer().inputs[0]  # type: ignore[union-attr]
    merged = [inner[axis] for axis in outer]
    if merged != sorted(merged):
        node.replace_input_with(0, source)
        node.attributes["perm"] = ir.AttrInt64s("perm", merged)
        return True
    return source is not None and graph.bypass(node, source)


# ---- one rule for each kind of node: edit it, and say how its outputs are transposed; None: leave it ----------------


def _unary(model: ir.Model, node: ir.Node, perm: Perm) -> Perm | None:
    return perm if _perm(node.inputs[0]) is not None else None


def _several(model: ir.Model, node: ir.Node, perm: Perm) -> Perm | None:
    """All transposed alike, or constants that can be moved beforehand."""
    moved = {}
    for i, value in enumerate(node.inputs):
        array = graph.constant(value)
        if value is None or _perm(value) is not None:
            continue
        if array is None or array.ndim > len(perm):
            return None
        wide = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
        moved[i] = wide.transpose(np.argsort(perm)) if array.size > 1 else array
    for i, array in moved.items():
        if array.size > 1:
            node.replace_input_with(i, graph.add_constant(model, f"{node.inputs[i].name}/nchw", array))  # type: ignore[union-attr]
    return perm


def _axis(default: int) -> Rule:
    def rule(model: ir.Model, node: ir.Node, perm: Perm) -> Perm | None:
        axis = graph.attribute(node, "axis", default)
        if any(value is None or _perm(value) is None for value in _data(node)) or not -len(perm) <= axis < len(perm):
            return None
        node.attributes["axis"] = ir.AttrInt64("axis", perm[axis])
        return perm

    return rule


def _data(node: ir.Node) -> Sequence[ir.Value | None]:
    return node.inputs if node.op_type == "Concat" else node.inputs[:1]


def _pad(model: ir.Model, node: ir.Node, perm: Perm) -> Perm | None:
    pads = graph.constant(node.inputs[1]) if len(node.inputs) in (2, 3) else None
    if pads is None or pads.size != 2 * len(perm) or _perm(node.inputs[0]) is None:
        return None
    moved = np.zeros((2, len(perm)), np.int64)
    moved[:, list(perm)] = pads.reshape(2, -1)
    node.replace_input_with(1, graph.add_constant(model, f"{node.name}/pads", moved.reshape(-1)))
    return perm


def _reduce(model: ir.Model, node: ir.Node, perm: Perm) -> Perm | None:
    axes = graph.constant(node.inputs[1]) if len(node.inputs) == 2 else None
    if axes is None or axes.size == 0 or np.any(np.abs(axes + 0.5) > len(perm)):
        return None
    gone = sorted(perm[int(axis)] for axis in axes.reshape(-1))
    node.replace_input_with(1, graph.add_constant(model, f"{node.name}/axes", np.array(gone, np.int64)))
    if graph.attribute(node, "keepdims", 1):
        return perm
    left = [axis for axis in perm if axis not in gone]
    return tuple(sorted(left).index(axis) for axis in left)


def _slice(model: ir.Model, node: ir.Node, perm: Perm) -> Perm | None:
    axes = graph.constant(node.inputs[3]) if len(node.inputs) > 3 else None
    if axes is None or np.any(np.abs(axes + 0.5) > len(perm)) or _perm(node.inputs[0]) is None:
        return None
    moved = np.array([perm[int(axis)] for axis in axes], np.int64)
    node.replace_input_with(3, graph.add_constant(model, f"{node.name}/axes", moved))
    return perm


RULES: dict[str, Rule] = {
    **dict.fromkeys(unary(), _unary),
    **dict.fromkeys(SEVERAL, _several),
    **dict.fromkeys(REDUCTIONS, _reduce),
    "Concat": _axis(0),
    "Split": _axis(0),
    "Softmax": _axis(-1),
    "LogSoftmax": _axis(-1),
    "Pad": _pad,
    "Slice": _slice,
}
