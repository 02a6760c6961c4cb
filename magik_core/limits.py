"""What a value of the graph has to be for a tensor of a program to hold it, and a number of threads to be one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from magik_core import layout
from magik_core.errors import LowerError, Problem, RunError
from magik_core.graph import static_shape
from magik_core.numerics import INT32_MAX
from magik_core.program import MAX_DIMS, MAX_ELEMENTS, Shape

if TYPE_CHECKING:
    from magik_core.ops import Op

MOST_THREADS = 4  # by default: what more gain is little, and each holds activations of its own


def oversize(shape: Shape) -> tuple[str, str] | None:
    """(found, need) of a shape that the runtime does not hold."""
    if len(shape) > MAX_DIMS:
        return f"{len(shape)} axes", f"at most {MAX_DIMS}"
    count = layout.count(shape)
    return (f"{count} elements", f"at most {MAX_ELEMENTS}") if count > MAX_ELEMENTS else None


def is_size(value: object) -> bool:
    """Whether an axis can be as long as that, alone."""
    return isinstance(value, (int, np.integer)) and bool(1 <= value <= INT32_MAX)


def some_threads(asked: int | None) -> int:
    """As many threads as are asked for; None: one for each CPU that this process has, at most MOST_THREADS."""
    if asked is not None:
        return asked
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, MOST_THREADS)


def check_threads(threads: object) -> None:
    """Raises: RunError: no whole number, or one below 1."""
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise RunError("the number of threads is wrong", found=str(threads), need="1 or more")


def check_node(node: ir.Node, op: type[Op]) -> None:
    """Raises: LowerError: outputs that no tensor can be; UINT8 where the operator would compute with it."""
    where, problems = f"node '{node.name}'", []
    for value in (v for v in node.outputs if v.name):
        if found := oversize(static_shape(value) or ()):
            problems.append(Problem(f"{node.op_type}: its output is too large", where, *found))
    is_bytes = any(v is not None and v.dtype == ir.DataType.UINT8 for v in (*node.inputs, *node.outputs))
    if is_bytes and not op.keeps_codes and node.op_type not in ("Cast", "QuantizeLinear", "DequantizeLinear"):
        hint = "cast to FLOAT before it"
        problems.append(Problem(f"{node.op_type}: arithmetic on UINT8", where, "a tensor of UINT8", "FLOAT", hint))
    if problems:
        raise LowerError(problems=problems)
