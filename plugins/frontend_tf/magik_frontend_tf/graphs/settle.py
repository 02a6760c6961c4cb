"""Compute what depends on sizes alone."""

from __future__ import annotations

import onnx_ir as ir

from magik_core import graph

MAX_ROUNDS = 8


def settle(model: ir.Model) -> None:
    """Infer and fold until neither tells anything new."""
    for _ in range(MAX_ROUNDS):
        graph.infer(model, strict=False)
        if not graph.fold(model):
            return
