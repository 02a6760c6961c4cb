"""Write DepthToSpace and SpaceToDepth as moves of axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph


def expand_depth_to_space(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """DepthToSpace(x), SpaceToDepth(x) become Reshape -> Transpose -> Reshape.

    Source: ONNX DepthToSpace (modes DCR and CRD) and SpaceToDepth, opset 13.
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type not in ("DepthToSpace", "SpaceToDepth"):
            continue
        x, shape = node.inputs[0], graph.static_shape(node.inputs[0])
        assert x is not None and shape is not None
        n, c, h, w = shape
        b = graph.attribute(node, "blocksize")
        if node.op_type == "SpaceToDepth":
            split, perm = (n, c, h // b, b, w // b, b), (0, 3, 5, 1, 2, 4)
        elif graph.attribute(node, "mode", "DCR") == "CRD":
            split, perm = (n, c // (b * b), b, b, h, w), (0, 1, 4, 2, 5, 3)
        else:
            split, perm = (n, b, b, c // (b * b), h, w), (0, 3, 4, 1, 5, 2)
        graph.replace(node, move_axes(model, node, x, split, perm))
        changed += 1
    return changed


def move_axes(model: ir.Model, node: ir.Node, x: ir.Value, split: tuple[int, ...], perm: tuple[int, ...]) -> ir.Value:
    """Insert Reshape(x, split) -> Transpose(perm) -> Reshape to the shape of the node's output."""
    out = graph.static_shape(node.outputs[0])
    assert out is not None
    first = graph.add_constant(model, f"{node.name}/split", np.array(split, np.int64))
    last = graph.add_constant(model, f"{node.name}/shape", np.array(out, np.int64))
    value = graph.insert(node, "Reshape", [x, first], name=f"{node.name}/split", shape=split)
    moved = tuple(split[axis] for axis in perm)
    value = graph.insert(node, "Transpose", [value], {"perm": perm}, name=f"{node.name}/move", shape=moved)
    return graph.insert(node, "Reshape", [value, last])
