"""Choices of a recipe that change nothing, or something else than they say."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from magik_core import numerics
from magik_core.errors import MAX_PROBLEMS
from magik_core.program import QuantParams
from magik_core.recipe import REAL, Choice, Recipe
from magik_core.source import Quantization
from magik_core.weights import has_weights


def remarks(model: ir.Model, recipe: Recipe, quantization: Quantization) -> list[str]:
    """A line per choice for a single node that is not what the node has, the first MAX_PROBLEMS of them.

    Args: quantization: what the recipe has become.
    """
    chosen = ((node, recipe.nodes[node.name or ""]) for node in model.graph if node.name in recipe.nodes)
    found = [f"{node.name}: {text}" for node, choice in chosen for text in _of_node(node, choice, quantization)]
    left = len(found) - MAX_PROBLEMS
    return [*found[:MAX_PROBLEMS], *([f"and {left} more choices for single nodes"] if left > 0 else [])]


def unsaid(model: ir.Model, recipe: Recipe, quantization: Quantization) -> tuple[str, ...]:
    """A warning of what gets the recipe's own bits although nearly all has others: a file of bits names no inputs.

    The file was then saved with another QUANT_FEATURE_BIT.
    """
    said = {c.feature_bits for c in recipe.nodes.values() if c.feature_bits not in (None, REAL)}
    if not said or recipe.feature_bits in said:
        return ()
    made = {node.name or "": [v.name for v in node.outputs] for node in model.graph if node.name not in recipe.nodes}
    values = {v.name or "": [v.name] for v in model.graph.inputs} | made
    codes = ((name, quantization.codes(v)) for name, parts in values.items() for v in parts)
    left = list(dict.fromkeys(name for name, q in codes if q is not None and q.bits == recipe.feature_bits))
    if not left or len(left) >= len(recipe.nodes):
        return ()
    named = f"{', '.join(left[:8])}{' …' * (len(left) > 8)}"
    bits = f"{recipe.feature_bits} bits, QUANT_FEATURE_BIT"
    return (f"{named}: {bits}, where the file of bits has {', '.join(sorted(map(str, said)))} for its nodes",)


def _of_node(node: ir.Node, choice: Choice, quantization: Quantization) -> Iterator[str]:
    known = [q for q in (quantization.codes(v.name) for v in node.outputs) if q is not None]
    bits = choice.feature_bits
    if bits not in (None, REAL) and all(q.bits != bits for q in known):
        has = f"the {known[0].bits} bits of what it follows or of the source" if known else "no codes"
        yield f"QUANT_FEATURE_BIT {bits} has no effect: its result has {has}"
    if choice.weight_bits and not has_weights(node) and not _limits_sums(node):
        yield f"QUANT_WEIGHT_BIT {choice.weight_bits} has no effect: it has no weights"
    if choice.range is None:
        return
    low, high = choice.range
    if bits == REAL or not known:
        yield f"MIN {low:g} MAX {high:g} have no effect: its result is in f32"
    elif not any(_is_of(q, low, high) for q in known):
        yield f"MIN {low:g} MAX {high:g} have no effect: its result has the codes of what it follows or of the source"
    elif low > 0 or high < 0:
        yield f"MIN {low:g} MAX {high:g} become {min(low, 0.0):g} and {max(high, 0.0):g}: 0 is always a code"


def _is_of(q: QuantParams, low: float, high: float) -> bool:
    return numerics.params_of_range(low, high, q.bits) == q


def _limits_sums(node: ir.Node) -> bool:
    """Whether a node may be one step with a node that has weights."""
    maker = node.inputs[0].producer() if node.op_type in ("Relu", "Clip") and node.inputs[0] is not None else None
    return maker is not None and has_weights(maker)
