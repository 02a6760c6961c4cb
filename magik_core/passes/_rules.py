"""Rewrite rules in onnxscript's pattern language, with the names of the source kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

Rule = tuple[Callable[..., Any], Callable[..., Any]]


def rewrite(model: ir.Model, rules: Sequence[Rule], condition: Callable[..., bool] | None = None) -> int:
    """Replace each match of a rule's pattern; return how many there were.

    A rule is (pattern, replacement), functions of `(op, x, …)`. Inner values of a match must have no
    other reader. The new node is named after the one whose output it takes over.
    """
    from onnxscript.rewriter import pattern

    old = set(model.graph)
    names = {value.name: node.name for node in model.graph for value in node.outputs}
    made = [pattern.RewriteRule(source, target, condition) for source, target in rules]
    count = int(pattern.RewriteRuleSet(made).apply_to_model(model))
    for node in model.graph:
        if node not in old:
            node.name = names.get(node.outputs[0].name, node.name)
            node.metadata_props.clear()  # the rewriter signs its work; bytes must not depend on its version
    return count
