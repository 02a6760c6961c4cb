"""A graph as the installed onnxruntime reads it."""

from __future__ import annotations

import re
from importlib import metadata

import numpy as np
import onnx
import onnx_ir as ir

from magik_core.graph import OPSET, opset


def for_runtime(model: ir.Model) -> onnx.ModelProto:
    """Return a ModelProto that the installed onnxruntime runs; names of values are the model's."""
    return spell(ir.to_proto(model))


def spell(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The proto, its nodes written in place as the installed onnxruntime knows them."""
    newest = 21 if any(node.op_type == "MaxRoiPool" for node in proto.graph.node) else runtime_opset()
    if opset(proto) > newest:
        _write_older(proto, newest)
    if any(a.name == "layout" and a.i for node in proto.graph.node for a in node.attribute):
        _write_time_first(proto)
    return proto


def serialize(model: ir.Model) -> bytes:
    """Return `for_runtime` as bytes; the same model gives the same bytes."""
    return bytes(for_runtime(model).SerializeToString(deterministic=True))


def runtime_opset() -> int:
    """Return the newest opset that the installed onnxruntime has kernels for, as far as it matters here.

    For MaxRoiPool it has none beyond 21. 1.23 is the last with wheels for Python 3.10.
    """
    version = tuple(int(n) for n in re.findall(r"\d+", metadata.version("onnxruntime"))[:2])
    return 23 if version < (1, 24) else OPSET


def _write_older(proto: onnx.ModelProto, version: int) -> None:
    """Write opset 24 as an older one, in place: of the operators that magik takes, 24 has only Swish that 21 lacks."""
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        nodes += (
            _spell_swish(proto, node)
            if node.op_type == "Swish"
            else [onnx.NodeProto.FromString(node.SerializeToString())]
        )
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    for entry in proto.opset_import:
        entry.version = version


def _write_time_first(proto: onnx.ModelProto) -> None:
    """Write recurrent layers of layout 1 as layout 0 between transposes, in place: onnxruntime has no other."""
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        after: list[onnx.NodeProto] = []
        if any(a.name == "layout" and a.i for a in node.attribute):
            kept = [a for a in node.attribute if a.name != "layout"]
            del node.attribute[:]
            node.attribute.extend(kept)
            for i in (i for i in (0, 5, 6) if i < len(node.input) and node.input[i]):
                nodes.append(_transpose(node.input[i], f"{node.name}/{i}/time_first", (1, 0, 2)))
                node.input[i] = nodes[-1].output[0]
            for i, name in enumerate(node.output):
                node.output[i] = f"{name}/time_first" if name else ""
                after += [_transpose(node.output[i], name, (1, 0, 2) if i else (2, 0, 1, 3))] if name else []
        nodes += [node, *after]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(copies)


def _transpose(x: str, y: str, perm: tuple[int, ...]) -> onnx.NodeProto:
    return onnx.helper.make_node("Transpose", [x], [y], y, perm=perm)


def _spell_swish(proto: onnx.ModelProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return Swish(x) as x * Sigmoid(x * alpha)."""
    make, (x,), name = onnx.helper.make_node, node.input, node.output[0]
    alpha = next((a.f for a in node.attribute if a.name == "alpha"), 1.0)
    gate, line = f"{name}/sigmoid", x if alpha == 1 else f"{name}/line"
    nodes = [make("Sigmoid", [line], [gate], gate), make("Mul", [x, gate], [name], node.name)]
    if alpha != 1:
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(alpha, np.float32), f"{name}/alpha"))
        nodes.insert(0, make("Mul", [x, f"{name}/alpha"], [line], line))
    return nodes
