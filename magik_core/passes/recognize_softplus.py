"""Recognize Softplus."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from magik_core.passes._rules import rewrite


def recognize_softplus(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Log(Exp(x) + 1) becomes Softplus(x)."""
    return rewrite(model, [(lambda op, x: op.Log(op.Exp(x) + 1.0), lambda op, x: op.Softplus(x))])
