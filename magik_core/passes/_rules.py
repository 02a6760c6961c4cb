"""Rewrite rules in onnxscript's pattern language, with the names of the source kept."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import onnx_ir as ir

from magik_core import graph

Rule = tuple[Callable[..., Any], Callable[..., Any]]


def rewrite(model: ir.Model, rules: Sequence[Rule], condition: Callable[..., bool] | None = None) -> int:
    """Replace each match of a rule's pattern; return how many there were.

    A rule is (pattern, replacement), functions of `(op, x, …)`. Inner values of a match must have no
    other reader. The new node is named after the one whose output it takes over.
    """
    from onnxscript.rewriter import pattern

    old = {node: [v.producer() for v in node.inputs if v is not None] for node in model.graph}
    makers = {value.name: node for node in model.graph for value in node.outputs}
    made = [pattern.RewriteRule(source, target, condition) for source, target in rules]
    count = int(pattern.RewriteRuleSet(made).apply_to_model(model))
    new = {node: makers.get(node.outputs[0].name) for node in model.graph if node not in old}
    left = {*model.graph, *new.values()}
    for node, replaced in new.items():
        if replaced is not None:
            node.name = replaced.name
            graph.add_parts(node, _before(replaced, old, left))
        node.metadata_props.clear()  # the rewriter signs its work; bytes must not depend on its version
    return count


def _before(
    node: ir.Node, makers: Mapping[ir.Node, Iterable[ir.Node | None]], left: Container[ir.Node | None]
) -> list[ir.Node]:
    """A node and those before it that are not left."""
    found = [node]
    for one in found:
        found += [m for m in makers[one] if m is not None and m in makers and m not in left and m not in found]
    return found
