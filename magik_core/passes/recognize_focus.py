"""Recognize a space-to-depth that is spelled out in slices."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from magik_core import graph
from magik_core.passes.expand_depth_to_space import move_axes

ROWS_FIRST = ((0, 0), (0, 1), (1, 0), (1, 1))  # SpaceToDepth
COLUMNS_FIRST = ((0, 0), (1, 0), (0, 1), (1, 1))  # YOLOv5's Focus
PERMS = {ROWS_FIRST: (0, 3, 5, 1, 2, 4), COLUMNS_FIRST: (0, 5, 3, 1, 2, 4)}


def recognize_focus(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Concat(x[::2, ::2], x[1::2, ::2], x[::2, 1::2], x[1::2, 1::2]) becomes Reshape -> Transpose -> Reshape.

    The four parts may come in the order of SpaceToDepth or of YOLOv5's Focus; height and width are even.
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type != "Concat" or len(node.inputs) != 4:
            continue
        parts = [_part(v) for v in node.inputs]
        sources = {part[0] for part in parts if part is not None}
        if None in parts or len(sources) != 1:
            continue
        (x,) = sources
        shape, order = graph.static_shape(x), tuple(part[1] for part in parts if part is not None)
        if shape is None or graph.attribute(node, "axis") % len(shape) != 1 or shape[2] % 2 or shape[3] % 2:
            decline(node.name or "", "four strided slices, but not along channels or of an odd size")
            continue
        if order not in PERMS:
            decline(node.name or "", f"four strided slices in the order {order}, which no reshape gives")
            continue
        n, c, h, w = shape
        graph.replace(node, move_axes(model, node, x, (n, c, h // 2, 2, w // 2, 2), PERMS[order]))
        changed += 1
    return changed


def _part(value: ir.Value | None) -> tuple[ir.Value, tuple[int, int]] | None:
    """Return the source and (row, column) of a value that is every other row and column of a source."""
    start: dict[int, int] = {}
    while value is not None and (node := value.producer()) is not None and node.op_type == "Slice":
        shape = graph.static_shape(node.inputs[0])
        numbers = [graph.constant(v) for v in node.inputs[1:]]
        if shape is None or len(shape) != 4 or len(numbers) != 4 or any(a is None for a in numbers):
            return None
        for first, last, axis, step in zip(*(a.tolist() for a in numbers if a is not None), strict=True):
            axis %= 4
            needed = shape[axis] - 1 + first  # an even size ends at index size - 2 or size - 1
            if axis in start or axis < 2 or first not in (0, 1) or step != 2 or last < needed:
                return None
            start[axis] = first
        value = node.inputs[0]
        if len(start) == 2:
            break
    return (value, (start[2], start[3])) if value is not None and start.keys() == {2, 3} else None
