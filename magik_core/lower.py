"""Lower a float graph with quantization parameters to a program of kernel operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from magik_core.errors import LowerError, Problem
from magik_core.lowering import Lowering
from magik_core.ops import Op, by_onnx
from magik_core.program import Program
from magik_core.source import Quantization


def lower(
    model: ir.Model, quantization: Quantization, *, name: str = "model", ops: Mapping[str, type[Op]] | None = None
) -> Program:
    """Turn a prepared graph into a program.

    Args:    model: after passes: static shapes, one opset, only standard operators; ops: the operator
             for each ONNX operator type, by default magik's own.
    Raises:  LowerError: every node that has no kernel operator, all at once.
    """
    to = Lowering(model, quantization, by_onnx() if ops is None else ops)
    problems: list[Problem] = to.problems
    for node in model.graph:
        if node.name in to.done:
            continue
        done = set(to.done)
        try:
            to.lower(node)
        except LowerError as error:
            to.done = done  # what it had taken over is still to be lowered
            problems += [p if p.where else replace(p, where=f"node '{node.name}'") for p in error.problems]
            to.assume(node)  # go on, to find what else is missing
    if problems:
        raise LowerError(problems=problems)
    return to.program(name)
