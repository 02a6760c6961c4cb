"""Recognize HardSwish."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.passes._rules import rewrite


def recognize_hard_swish(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """x * Clip(x + 3, 0, 6) / 6 becomes HardSwish(x).

    1. x * HardSigmoid(x, 1/6, 1/2), whatever spelled the HardSigmoid
    2. (x * Clip(x + 3, 0, 6)) / 6, and the same as * (1/6)
    3. (x / 6) * Clip(x + 3, 0, 6), and the same as * (1/6)
    """
    clip = _clip
    products = [
        lambda op, x: op.Mul(x, clip(op, x)) / 6.0,
        lambda op, x: op.Mul(clip(op, x), x) / 6.0,
        lambda op, x: op.Mul(op.Mul(x, clip(op, x)), 1 / 6),
        lambda op, x: op.Mul(op.Mul(clip(op, x), x), 1 / 6),
        lambda op, x: op.Mul(op.Div(x, 6.0), clip(op, x)),
        lambda op, x: op.Mul(clip(op, x), op.Div(x, 6.0)),
        lambda op, x: op.Mul(op.Mul(x, 1 / 6), clip(op, x)),
        lambda op, x: op.Mul(clip(op, x), op.Mul(x, 1 / 6)),
    ]
    return _from_hard_sigmoid(model) + rewrite(model, [(p, lambda op, x: op.HardSwish(x)) for p in products])


def _clip(op: Callable[..., object], x: object) -> object:
    return op.Clip(op.Add(x, 3.0), 0.0, 6.0)  # type: ignore[attr-defined]


def _from_hard_sigmoid(model: ir.Model) -> int:
    changed = 0
    for node in list(model.graph):
        if node.op_type != "Mul":
            continue
        for x, gate in (node.inputs, node.inputs[::-1]):
            inner = gate.producer() if gate is not None else None
            if x is None or gate is None or inner is None or inner.op_type != "HardSigmoid":
                continue
            line = graph.attribute(inner, "alpha", 0.2), graph.attribute(inner, "beta", 0.5)
            if inner.inputs[0] is x and np.allclose(line, (1 / 6, 0.5), rtol=1e-4):
                graph.replace(node, graph.insert(node, "HardSwish", [x]))
                changed += 1
                break
    return changed
