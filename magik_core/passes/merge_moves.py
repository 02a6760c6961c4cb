"""Write a chain of moves as the one move that it amounts to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from magik_core import graph

MOVES = frozenset({"Reshape", "Transpose", "Slice"})
MAX_CHAIN = 8
MAX_COUNT = 1 << 24  # elements: a larger tensor is not worth tracking one by one


def merge_moves(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Slice(Reshape(Transpose(Reshape(x)))) that picks every second channel becomes Slice(x, step 2).

    A chain of Reshape, Transpose and Slice, two or more of them, becomes
    1. one Reshape, where it keeps the order of all elements
    2. one Slice along one axis, where it picks evenly spaced slices (ShuffleNet's shuffle and split)
    Found by sending the number of each element through the chain, so the spelling does not matter.
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type not in MOVES or node.graph is None or _is_inside(node):
            continue
        for x, chain in reversed(list(_sources(node))):
            if _write(model, node, x, chain):
                changed += 1
                break
    return changed


def _is_inside(node: ir.Node) -> bool:
    """Whether a chain goes on behind a node and with no one else."""
    reader = graph.sole_consumer(node.outputs[0])
    return reader is not None and reader.op_type in MOVES


def _sources(node: ir.Node) -> Iterator[tuple[ir.Value, list[ir.Node]]]:
    """Yield each value that a chain of two or more moves starts from, nearest first, with the chain."""
    chain: list[ir.Node] = []
    above: ir.Node | None = node
    while above is not None and above.op_type in MOVES and len(chain) < MAX_CHAIN:
        chain.insert(0, above)
        x = above.inputs[0]
        assert x is not None
        shape = graph.static_shape(x)
        if len(chain) > 1 and shape is not None and np.prod(shape) <= MAX_COUNT:
            yield x, list(chain)
        above = x.producer()


def _write(model: ir.Model, node: ir.Node, x: ir.Value, chain: list[ir.Node]) -> bool:
    shape, out = graph.static_shape(x), graph.static_shape(node.outputs[0])
    if shape is None or out is None:
        return False
    numbers = np.arange(np.prod(shape, dtype=np.int64), dtype=np.int32).reshape(shape)
    moved: np.ndarray | None = numbers
    for step in chain:
        moved = None if moved is None else _move(step, moved)
    if moved is None:
        return False
    if np.array_equal(moved.reshape(-1), numbers.reshape(-1)):
        to = graph.add_constant(model, f"{node.name}/shape", np.array(out, np.int64))
        graph.replace(node, graph.insert(node, "Reshape", [x, to]))
        return True
    found = _slice(numbers, moved)
    if found is None:
        return False
    graph.replace(node, graph.insert(node, "Slice", [x, *_bounds(model, node, found)]))
    return True


def _move(node: ir.Node, x: np.ndarray) -> np.ndarray | None:
    """Do to an array what a node does to its input."""
    if node.op_type == "Transpose":
        return x.transpose(graph.attribute(node, "perm"))
    if node.op_type == "Reshape":
        out = graph.static_shape(node.outputs[0])
        return None if out is None else x.reshape(out)
    numbers = [graph.constant(v) for v in node.inputs[1:]]
    if any(array is None for array in numbers):
        return None
    starts, ends, *rest = (array.tolist() for array in numbers if array is not None)
    axes = rest[0] if rest else range(len(starts))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            return None
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]
    return x


def _slice(x: np.ndarray, y: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return start, end, axis, step of the one-axis slice of x that y is."""
    differ = [i for i in range(x.ndim) if x.ndim == y.ndim and x.shape[i] != y.shape[i]]
    if len(differ) != 1 or y.size == 0:
        return None
    (axis,) = differ
    index = np.unravel_index(np.moveaxis(y, axis, 0).reshape(y.shape[axis], -1)[:, 0], x.shape)[axis]
    start = int(index[0])
    step = int(index[1]) - start if len(index) > 1 else 1
    if step < 1:
        return None
    end = start + step * (len(index) - 1) + 1
    picked = x[(slice(None),) * axis + (slice(start, end, step),)]
    return (start, end, axis, step) if np.array_equal(picked, y) else None


def _bounds(model: ir.Model, node: ir.Node, numbers: tuple[int, int, int, int]) -> list[ir.Value]:
    names = ("starts", "ends", "axes", "steps")
    return [
        graph.add_constant(model, f"{node.name}/{name}", np.array([number], np.int64))
        for name, number in zip(names, numbers, strict=True)
    ]
