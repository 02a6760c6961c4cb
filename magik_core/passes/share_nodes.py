"""Compute a common subexpression once."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir


def share_nodes(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """y1 = f(x), y2 = f(x) becomes y1 = f(x), with y1 read in the place of y2."""
    from onnx_ir.passes import common

    before = len(model.graph)
    common.CommonSubexpressionEliminationPass(size_limit=1024)(model)
    return before - len(model.graph)
