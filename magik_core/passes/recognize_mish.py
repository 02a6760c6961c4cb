"""Recognize Mish."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from magik_core.passes._rules import rewrite


def recognize_mish(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """x * Tanh(Softplus(x)) becomes Mish(x)."""
    rules = [
        (lambda op, x: op.Mul(x, op.Tanh(op.Softplus(x))), lambda op, x: op.Mish(x)),
        (lambda op, x: op.Mul(op.Tanh(op.Softplus(x)), x), lambda op, x: op.Mish(x)),
    ]
    return rewrite(model, rules)
