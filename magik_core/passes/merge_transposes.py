"""Merge transposes, and cancel those that only surround other work."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from magik_core import graph
from magik_core.ops.lut import unary

SOFTMAX = frozenset({"Softmax", "LogSoftmax"})


def merge_transposes(model: ir.Model, decline: Callable[[str, str], None]) -> int:
    """Transpose(Transpose(x)) becomes one Transpose, or x where they cancel.

    1. Transpose of a Transpose: the product of both; the identity is remove_no_ops's
    2. Transpose -> f -> Transpose back, no other readers: f, pointwise or a softmax along its new axis
    """
    changed = 0
    for node in list(model.graph):
        if node.op_type != "Transpose" or node.inputs[0] is None:
            continue
        chain = _chain(node)
        first = node.inputs[0].producer() if not chain else _before(chain[-1])
        if first is None or first.op_type != "Transpose":
            continue
        inner, outer = _perm(first), _perm(node)
        merged = [inner[axis] for axis in outer]
        if not chain:
            new = graph.insert(node, "Transpose", [first.inputs[0]], {"perm": merged})
            graph.replace(node, new)
            changed += 1
        elif merged == sorted(merged) and graph.sole_consumer(first.outputs[0]) is chain[-1]:
            _pull_out(node, chain, first, inner)
            changed += 1
    return changed


def _before(node: ir.Node) -> ir.Node | None:
    producer: ir.Node | None = node.inputs[0].producer() if node.inputs[0] is not None else None
    return producer


def _perm(node: ir.Node) -> list[int]:
    rank = len(graph.static_shape(node.inputs[0]) or ())
    return list(graph.attribute(node, "perm", range(rank - 1, -1, -1)))


def _chain(node: ir.Node) -> list[ir.Node]:
    """Return the nodes above one that do not care about the order of axes and have one reader, last first."""
    chain: list[ir.Node] = []
    reader, above = node, _before(node)
    while above is not None and above.op_type in unary() | SOFTMAX:
        if graph.sole_consumer(above.outputs[0]) is not reader:
            return []
        chain.append(above)
        reader, above = above, _before(above)
    return chain


def _pull_out(node: ir.Node, chain: list[ir.Node], first: ir.Node, perm: list[int]) -> None:
    """Let the chain read what was transposed; softmaxes move along."""
    source, order = first.inputs[0], perm
    assert source is not None
    for inner in chain:
        if inner.op_type in SOFTMAX:
            axis = graph.attribute(inner, "axis", -1) % len(order)
            inner.attributes["axis"] = ir.AttrInt64("axis", order[axis])
        inner.outputs[0].shape = source.shape
    chain[-1].replace_input_with(0, source)
    if not graph.bypass(node, chain[0].outputs[0]):
        graph.replace(node, graph.insert(node, "Identity", [chain[0].outputs[0]]))
