"""Recognize SiLU, which ONNX calls Swish."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from magik_core import graph
from magik_core.passes._rules import rewrite


def recognize_swish(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """x * Sigmoid(x) becomes Swish(x); x * Sigmoid(x * a) becomes Swish(x, alpha=a).

    Source: ONNX Swish, opset 24.
    """

    def is_number(context: object, a: ir.Value, **_: object) -> bool:
        return graph.constant(a) is not None and a.shape is not None and len(a.shape) == 0

    plain = [
        (lambda op, x: op.Mul(x, op.Sigmoid(x)), lambda op, x: op.Swish(x)),
        (lambda op, x: op.Mul(op.Sigmoid(x), x), lambda op, x: op.Swish(x)),
    ]
    scaled = [
        (lambda op, x, a: op.Mul(x, op.Sigmoid(op.Mul(x, a))), _scaled),
        (lambda op, x, a: op.Mul(op.Sigmoid(op.Mul(x, a)), x), _scaled),
    ]
    return rewrite(model, plain) + rewrite(model, scaled, is_number)


def _scaled(op: object, x: ir.Value, a: ir.Value) -> object:
    return op.Swish(x, alpha=graph.scalar(a))  # type: ignore[attr-defined]
