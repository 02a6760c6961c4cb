"""Choices of a recipe that change nothing, or something else than they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx_ir as ir

from magik_core import correct, numerics
from magik_core.config import Config
from magik_core.errors import MAX_PROBLEMS
from magik_core.imported import NOTHING, Imported
from magik_core.program import QuantParams
from magik_core.quantize import PIXELS
from magik_core.recipe import REAL, Choice, Recipe
from magik_core.source import Quantization
from magik_core.weights import has_weights, is_settled, real_weights


def remarks(model: ir.Model, recipe: Recipe, quantization: Quantization, imported: Imported = NOTHING) -> list[str]:
    """A line per choice that is not what the model or its node has, the first MAX_PROBLEMS of those for single nodes.

    Args: quantization: what the recipe has become.
    """
    if recipe.is_real:
        return _without_codes(recipe)
    chosen = ((node, recipe.nodes[node.name or ""]) for node in model.graph if node.name in recipe.nodes)
    found = [f"{node.name}: {text}" for node, choice in chosen for text in _of_node(node, choice, quantization)]
    left = len(found) - MAX_PROBLEMS
    more = [f"and {left} more choices for single nodes"] if left > 0 else []
    return [*_of_imported(model, recipe, quantization, imported), *found[:MAX_PROBLEMS], *more]


def unsaid(model: ir.Model, recipe: Recipe, quantization: Quantization) -> tuple[str, ...]:
    """A warning of what gets the recipe's own bits although nearly all has others: a file of bits names no inputs.

    The file was then saved with another QUANT_FEATURE_BIT.
    """
    said = {c.feature_bits for c in recipe.nodes.values() if c.feature_bits not in (None, REAL)}
    if not said or recipe.feature_bits in said:
        return ()

    def left(values: Iterable[ir.Value]) -> list[str]:
        codes = ((v.name or "", quantization.codes(v.name)) for v in values)
        return [name for name, q in codes if q is not None and q.bits == recipe.feature_bits]

    inputs = left(v for v in model.graph.inputs if quantization.codes(v.name) != PIXELS)
    nodes = [node.name or "" for node in model.graph if node.name not in recipe.nodes and left(node.outputs)]
    names = [*inputs, *nodes]
    if not names or (nodes and len(names) >= len(recipe.nodes)):
        return ()
    bits = f"{recipe.feature_bits} bits, QUANT_FEATURE_BIT"
    return (f"{_listed(names)}: {bits}, where the file of bits has {', '.join(sorted(map(str, said)))} for its nodes",)


def of_keys(
    model: ir.Model, recipe: Recipe, quantization: Quantization, imported: Imported, settings: Config
) -> Iterator[str]:
    """A warning for each key of diagnosis or correction that changes nothing."""
    if recipe.is_float:
        return
    if settings.only_features and recipe.is_real:
        yield "FEATURE_FAKE_QUANT has no effect: QUANT_FEATURE_BIT 32 leaves the activations in f32 too"
    if settings.only_weights and recipe.weight_bits == REAL:
        yield "WEIGHT_FAKE_QUANT has no effect: QUANT_WEIGHT_BIT 32 leaves the weights in f32 too"
    rounded, known = real_weights(model, quantization), correct.corrected(model)
    if settings.weight_correct_path and not recipe.correct_bias:
        yield "WEIGHT_CORRECT_PATH has no effect: biases are not corrected"
    elif settings.weight_correct_path and not any(place in rounded for place in known):
        yield "WEIGHT_CORRECT_PATH has no effect: no layer with a bias has weights that are rounded"
    codes = set() if recipe.is_real else quantization.values.keys() - imported.values.keys()
    if settings.feature_correct_path and codes.isdisjoint(known.values()):
        yield "FEATURE_CORRECT_PATH has no effect: no layer with a bias reads what is rounded"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:8])}{' …' * (len(names) > 8)}"


def _without_codes(recipe: Recipe) -> list[str]:
    """Choices of codes where no activation has any."""
    needs_codes = {n for n, c in recipe.nodes.items() if c.range or c.feature_bits not in (None, REAL)}
    needs_weights = {n for n, c in recipe.nodes.items() if recipe.is_float and c.weight_bits}
    names = [name for name in recipe.nodes if name in needs_codes | needs_weights]
    return [f"{_listed(names)}: bits and ranges have no effect: every step computes in f32"] if names else []


def _of_imported(model: ir.Model, recipe: Recipe, quantization: Quantization, imported: Imported) -> Iterator[str]:
    """What is chosen for all where the source has chosen everything."""
    reason = "has no effect: the model arrives quantized, and keeps what it has"
    features, weights = recipe.feature_bits, recipe.weight_bits
    if imported and features != Recipe.feature_bits and all(q.bits != features for q in quantization.values.values()):
        yield f"QUANT_FEATURE_BIT {features} {reason}"
    matrices = [node for node in model.graph if has_weights(node)]
    if matrices and weights not in (Recipe.weight_bits, REAL) and all(is_settled(n, quantization) for n in matrices):
        yield f"QUANT_WEIGHT_BIT {weights} {reason}"


def _of_node(node: ir.Node, choice: Choice, quantization: Quantization) -> Iterator[str]:
    known = [q for q in (quantization.codes(v.name) for v in node.outputs) if q is not None]
    bits = choice.feature_bits
    if bits not in (None, REAL) and all(q.bits != bits for q in known):
        has = f"the {known[0].bits} bits of what it follows or of the source" if known else "no codes"
        yield f"QUANT_FEATURE_BIT {bits} has no effect: its result has {has}"
    if choice.weight_bits and (reason := _why_no_weights(node, choice.weight_bits, quantization)):
        yield f"QUANT_WEIGHT_BIT {choice.weight_bits} has no effect: {reason}"
    if choice.range is None:
        return
    low, high = choice.range
    if bits == REAL or not known:
        yield f"MIN {low:g} MAX {high:g} have no effect: its result is in f32"
    elif not any(_is_of(q, low, high) for q in known):
        yield f"MIN {low:g} MAX {high:g} have no effect: its result has the codes of what it follows or of the source"
    elif low > 0 or high < 0:
        yield f"MIN {low:g} MAX {high:g} become {min(low, 0.0):g} and {max(high, 0.0):g}: 0 is always a code"


def _why_no_weights(node: ir.Node, bits: int, quantization: Quantization) -> str:
    """Why a node has no weights of as many bits; empty: it may have."""
    if not has_weights(node):
        return "" if _limits_sums(node) else "it has no weights"
    if bits == REAL:
        return ""
    if node.name in quantization.float_nodes:
        return "it computes in f32"
    return "its weights have the codes of the source" if is_settled(node, quantization) else ""


def _is_of(q: QuantParams, low: float, high: float) -> bool:
    return numerics.params_of_range(low, high, q.bits) == q


def _limits_sums(node: ir.Node) -> bool:
    """Whether a node may be one step with a node that has weights."""
    maker = node.inputs[0].producer() if node.op_type in ("Relu", "Clip") and node.inputs[0] is not None else None
    return maker is not None and has_weights(maker)
