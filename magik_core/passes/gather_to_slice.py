"""Read a part of a tensor with Slice instead of Gather."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph


def gather_to_slice(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Gather(x, [2, 4, 6]) becomes Slice(x, 2, 7, step 2); Gather(x, 3) becomes Reshape(Slice(x, 3, 4)).

    Indices are constant and evenly spaced upwards; others stay a Gather.
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type != "Gather":
            continue
        x, shape = node.inputs[0], graph.static_shape(node.inputs[0])
        indices, out = graph.constant(node.inputs[1]), graph.static_shape(node.outputs[0])
        if x is None or indices is None or shape is None or out is None or graph.constant(x) is not None:
            continue
        axis = graph.attribute(node, "axis", 0) % len(shape)
        flat = np.where(indices < 0, indices + shape[axis], indices).reshape(-1).astype(np.int64)
        step = int(flat[1] - flat[0]) if flat.size > 1 else 1
        if indices.ndim > 1 or flat.size == 0 or step < 1 or np.any(np.diff(flat) != step):
            decline(node.name or "", f"indices {indices.tolist()} are not evenly spaced upwards")
            continue
        bounds = (flat[0], flat[-1] + 1, axis, step)
        names = ("starts", "ends", "axes", "steps")
        parts = [
            graph.add_constant(model, f"{node.name}/{name}", np.array([number], np.int64))
            for name, number in zip(names, bounds, strict=True)
        ]
        new = graph.insert(node, "Slice", [x, *parts], shape=(*shape[:axis], flat.size, *shape[axis + 1 :]))
        if indices.ndim == 0:
            to = graph.add_constant(model, f"{node.name}/shape", np.array(out, np.int64))
            new = graph.insert(node, "Reshape", [new, to])
        graph.replace(node, new)
        changed += 1
    return changed
