"""Evaluate what depends on constants and static shapes only."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from magik_core import graph


def fold_constants(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Shape -> Gather -> Concat -> Reshape becomes Reshape with a constant; c1 + c2 becomes c3.

    Folding is onnxscript's; QuantizeLinear and DequantizeLinear stay.
    """
    before = len(model.graph)
    graph.fold(model)
    return before - len(model.graph)
