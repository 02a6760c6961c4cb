"""Which values have the parameters of another: codes that are moved, and parts of a Concat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx_ir as ir

from magik_core import carry
from magik_core.graph import limited
from magik_core.imported import Imported
from magik_core.ops import by_onnx


def owners(model: ir.Model, bits: Mapping[str, int], imported: Imported) -> dict[str, str]:
    """Values that have another value's parameters: name -> the value that decides.

    An operator that only moves codes gives its output the parameters of its input. What a Relu or Clip alone reads
    takes those of the output: what saturates there is cut off anyway. An input of a Concat takes those of the output
    where nothing else reads it and its codes are as wide: then one rounding, not two, and no copy.
    """
    owner: dict[str, str] = {}

    def root(name: str) -> str:
        while name in owner:
            name = owner[name]
        return name

    keeps = {t for t, op in by_onnx().items() if op.keeps_codes}
    inputs = {v.name for v in model.graph.inputs}
    for node in model.graph:
        x = node.inputs[0] if node.inputs else None
        if node.op_type in keeps and x is not None and x.const_value is None and x.dtype == ir.DataType.FLOAT:
            for y in node.outputs:
                owner[y.name or ""] = root(x.name or "")
    limited = {x: y for x, y in _limited(model, bits) if not {x, y} & imported.values.keys() and x not in owner}
    owner |= {x: root(y) for x, y in limited.items()}
    readers: dict[str, set[str]] = {}
    for node in model.graph:
        for v in node.inputs:
            if v is not None and node.op_type not in keeps and v.name not in limited:
                readers.setdefault(root(v.name or ""), set()).add(node.name or "")
    outputs = {root(v.name or "") for v in model.graph.outputs}
    for node in reversed(list(model.graph)):
        if node.op_type != "Concat" or node.outputs[0].dtype != ir.DataType.FLOAT:
            continue
        target = root(node.outputs[0].name or "")
        for v in node.inputs:
            if v is None or v.const_value is not None:
                continue
            name = root(v.name or "")
            alone = readers.get(name) == {node.name} and name not in outputs and name not in inputs
            alone = alone and name not in imported.values and bits.get(name) == bits.get(target)
            if alone and name != target:
                owner[name] = target
    return {name: root(name) for name in owner}


def tied(model: ir.Model, owner: Mapping[str, str], imported: Imported) -> list[frozenset[str]]:
    """Values that decide for what a net carries from run to run: those of one set share parameters.

    Args: owner: as `owners` has it. What the source has quantized keeps its own.
    """
    sets: list[frozenset[str]] = []
    for pair in carry.pairs(model).items():
        found = frozenset(owner.get(name, name) for name in pair)
        if found & imported.values.keys():
            continue
        joined = found.union(*(s for s in sets if s & found))
        sets = [*(s for s in sets if not s & found), joined]
    return sets


def _limited(model: ir.Model, bits: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Values of nodes that only limits read, as wide as theirs, and the values with these limits."""
    for node in model.graph:
        x, y = node.inputs[0] if limited(node) else None, node.outputs[0].name or ""
        if x is not None and bits.get(x.name or "") == bits.get(y):
            yield x.name or "", y
