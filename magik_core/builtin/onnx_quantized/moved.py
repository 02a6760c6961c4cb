"""Operators that work on codes directly because they only move or compare them: the same in float."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto

from magik_core.builtin import onnx_checks
from magik_core.builtin.onnx_quantized.params import NAMES, Params
from magik_core.builtin.onnx_quantized.source import attribute

if TYPE_CHECKING:
    from magik_core.builtin.onnx_quantized.expansion import Expansion

ALL = 1 << 30
# operator: the inputs that are codes, from the first to before the last
MOVED = {
    **dict.fromkeys(("DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND"), (0, 1)),
    **dict.fromkeys(("Identity", "MaxPool", "ReduceMax", "ReduceMin", "Reshape", "Resize", "Slice"), (0, 1)),
    **dict.fromkeys(("SpaceToDepth", "Split", "Squeeze", "Tile", "TopK", "Transpose", "Unsqueeze"), (0, 1)),
    **dict.fromkeys(("Dropout", "Relu", "Pad", "Clip"), (0, 1)),
    **dict.fromkeys(("Concat", "Max", "Min"), (0, ALL)),
    "Where": (1, 3),
}  # fmt: skip
# these read codes, and what they make are none
READ = {"ArgMax": 1, "ArgMin": 1, "Equal": 2, "Greater": 2, "GreaterOrEqual": 2, "Less": 2, "LessOrEqual": 2,
        "Shape": 1, "Size": 1}  # fmt: skip
INDICES = frozenset({"MaxPool", "TopK", "Dropout"})  # their second output is no code


def convert(node: NodeProto, to: Expansion) -> bool:
    """Convert a node that moves codes, as float operator between the same scale and zero point.

    Returns: whether it is one; not so where none of its inputs is known to be codes.
    """
    if node.domain not in onnx_checks.STANDARD:
        return False
    first, last = MOVED.get(node.op_type, (0, READ.get(node.op_type, 0)))
    data = list(node.input[first:last])
    dynamic = [name for name in data if name in to.dynamic]
    if dynamic:
        return _move_dynamic(node, to, data)
    floats = [name for name in data if name in to.floats]
    known = next((to.params[name] for name in data if name in to.params), None)
    if known is None and not floats:
        if node.op_type in MOVED:
            _remember(node, to, data)
        return False
    if known is None:  # what nothing has rounded moves as floats
        _emit(node, to, list(node.input), list(node.output))
        if node.op_type in MOVED:
            to.floats.update(node.output[:1] if node.op_type in INDICES else node.output)
        return True
    if floats:
        to.problem("an operator mixes quantized tensors and others", f"'{floats[0]}'")
        return True
    inputs = list(node.input)
    for i in range(first, min(last, len(inputs))):
        inputs[i] = to.real(inputs[i], known) if inputs[i] else ""
    _adjust(node, to, known, inputs)
    if node.op_type in READ:
        _emit(node, to, inputs, list(node.output))
    else:
        _emit_between(node, to, inputs, known)
    return True


def _remember(node: NodeProto, to: Expansion, data: list[str]) -> None:
    """Note where codes of unknown meaning come from: an input, or a constant looked up by an input."""
    for name in data:
        root = to.origin.get(name, name)
        is_constant = root in to.source.tensors
        if is_constant and all(other in to.source.tensors or not other for other in node.input):
            continue  # constant altogether: folding sees to it
        if to.dtype(root) in NAMES and (is_constant or root in to.source.inputs):
            to.origin.update(dict.fromkeys(node.output[:1] if node.op_type in INDICES else node.output, root))
            return


def _move_dynamic(node: NodeProto, to: Expansion, data: list[str]) -> bool:
    """Move what is quantized at run time: its floats move, scale and zero point are the same."""
    if len(data) != 1 or node.op_type in READ or node.op_type in ("Relu", "Clip", "Pad"):
        return False
    made = to.dynamic[data[0]]
    outputs = [to.unique(f"{name}/float") for name in node.output]
    _emit(node, to, [made.x, *node.input[1:]], outputs)
    for name, out in zip(node.output, outputs, strict=True):
        to.dynamic[name] = made._replace(x=out)
    return True


def _adjust(node: NodeProto, to: Expansion, params: Params, inputs: list[str]) -> None:
    """Constants that are codes themselves: what Pad fills in, the limits of Clip and Relu."""
    if node.op_type == "Pad" and attribute(node, "mode", "constant") == "constant":
        inputs += [""] * (3 - len(inputs))
        inputs[2] = _real_constant(to, params, inputs[2])
    elif node.op_type == "Clip":
        inputs[1:] = [_real_constant(to, params, name) if name else "" for name in inputs[1:]]
    elif node.op_type == "Relu" and params.zero[0] != 0:
        found = f"zero point {params.zero[0]}"
        to.problem("Relu of codes whose zero point is not 0 is no Relu", found, "zero point 0")
    elif node.op_type in ("Max", "Min", *READ) and any(name in to.dynamic for name in node.input):
        to.problem("an operator mixes tensors quantized in several ways")


def _real_constant(to: Expansion, params: Params, name: str) -> str:
    """The real value of a constant code; of code 0 where there is no name."""
    array = np.zeros((), np.int64) if not name else to.source.array(name)
    if array is None or array.size != 1:
        to.problem("an input of codes must be one constant", f"'{name}'")
        return name
    if array.dtype.kind == "f":  # linger writes real limits
        return name
    return to.constant(f"{name or 'padding'}/real", np.asarray(params.value(int(array.flat[0])), np.float32))


def _emit(node: NodeProto, to: Expansion, inputs: list[str], outputs: list[str]) -> None:
    made = NodeProto.FromString(node.SerializeToString())
    del made.input[:]
    del made.output[:]
    made.input.extend(inputs)
    made.output.extend(outputs)
    to.nodes.append(made)


def _emit_between(node: NodeProto, to: Expansion, inputs: list[str], params: Params) -> None:
    count = 1 if node.op_type in INDICES else len(node.output)
    made = [to.raw(name) if name and i < count else name for i, name in enumerate(node.output)]
    _emit(node, to, inputs, made)
    for name, raw in zip(node.output[:count], made, strict=False):
        if name:
            to.quantized(name, params, raw)
