"""Decide the quantization parameters of every value from its calibrated range."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import onnx_ir as ir

from magik_core import carry, numerics, skips, states
from magik_core.errors import MAX_PROBLEMS, Problem, QuantizeError, UsageError, capped
from magik_core.graph import is_raw, limited
from magik_core.imported import NOTHING, Imported
from magik_core.missing import hint
from magik_core.ops import by_onnx
from magik_core.ops.lut import Pointwise
from magik_core.program import QuantParams
from magik_core.recipe import REAL, Chosen, Recipe
from magik_core.sharing import owners, tied
from magik_core.source import Quantization
from magik_core.weights import ChannelScales, code_widths, has_weights, node_weights

Ranges = Mapping[str, tuple[float, float]]
PIXELS = QuantParams(1.0, 0.0)  # a byte is its own code


def values_to_calibrate(model: ir.Model, recipe: Recipe, imported: Imported = NOTHING) -> dict[str, int]:
    """The values whose ranges `quantize` needs and how many bits each gets, in graph order."""
    if recipe.is_real:
        return {}
    bits = bits_of(model, recipe, imported)
    shared = {**owners(model, bits, imported), **imported.values}
    return {name: n for name, n in bits.items() if shared.get(name, name) == name}


def bits_of(model: ir.Model, recipe: Recipe, imported: Imported = NOTHING) -> dict[str, int]:
    """Width of every activation's codes, in graph order; raw inputs and real ones have none.

    Nodes in f32 have the default's width. States of recurrent layers have 16 bits, whatever the recipe says.
    """
    inputs = (v for v in model.graph.inputs if v.dtype == ir.DataType.FLOAT and not is_raw(v) and not _is_real(v))
    found = {v.name or "": recipe.feature_bits for v in inputs}
    for node in model.graph:
        chosen = _choice(node, recipe).feature_bits
        bits = recipe.feature_bits if chosen == REAL else chosen
        found |= {v.name: bits for v in node.outputs if v.name and v.dtype == ir.DataType.FLOAT}
    return found | {name: bits for name, bits in states.bits(states.groups(model, imported)).items() if name in found}


def _choice(node: ir.Node, recipe: Recipe) -> Chosen:
    """What a node gets; limits that one computation alone reads get what that gets, since they become one step."""
    decides = limited(node)
    if decides is None or (node.name or "") in recipe.nodes:
        return recipe.choice(node.name or "", node.op_type)
    return recipe.choice(decides.name or "", decides.op_type)


def quantize(
    model: ir.Model,
    ranges: Ranges | None,
    recipe: Recipe,
    channel_scales: ChannelScales | None,
    imported: Imported = NOTHING,
    raw: Mapping[str, QuantParams] | None = None,
) -> Quantization:
    """Parameters per value, the nodes that stay in f32, and how weights get codes.

    Args:
        ranges: (low, high) of the values of `values_to_calibrate`; None: what the source has not quantized
            stays in f32.
        channel_scales: the weight quantizer; imported: parameters and codes that are kept as they are;
        raw: of the raw inputs without a range; PIXELS where none are given.
    Raises: QuantizeError: every range that is missing or not finite, all at once.
    """
    if recipe.is_float:
        return Quantization()
    widths = code_widths(model, recipe)
    weights = None if channel_scales is None else node_weights(widths, recipe, channel_scales)
    if recipe.feature_bits == REAL:
        skipped, real = _in_float(model, recipe)
        in_float = frozenset(skipped | real)
        return Quantization({}, in_float, weights, imported.constants, weight_bits=widths)
    values, problems = dict(imported.values), list[Problem]()
    wanted = {} if ranges is None else values_to_calibrate(model, recipe, imported)
    raw_inputs = [value.name or "" for value in model.graph.inputs if is_raw(value)]
    wanted |= {name: recipe.feature_bits for name in raw_inputs if name in (ranges or {})}
    values |= {name: (raw or {}).get(name, PIXELS) for name in raw_inputs if name not in wanted}
    ranges = {**(ranges or {}), **useful(model, ranges or {}, wanted), **_chosen_ranges(model, recipe)}
    for name, bits in wanted.items():
        if name not in ranges:
            problems.append(Problem("a value has no range", where=f"value '{name}'"))
            continue
        try:
            values[name] = numerics.params_of_range(*ranges[name], bits)
        except QuantizeError as error:
            problems += [Problem(p.what, f"value '{name}'", p.found, p.need) for p in error.problems]
    if problems:
        raise QuantizeError(problems=problems)
    owned = owners(model, bits_of(model, recipe, imported), imported)
    values |= _of_ties(tied(model, owned, imported), ranges, wanted)
    for name, owner in owned.items():
        if owner in values:
            values[name] = values[owner]
    values |= states.params(states.groups(model, imported), ranges) if wanted else {}
    skipped, real = _in_float(model, recipe)
    skipped |= set() if wanted or not imported else _with_real_weights(model, imported)
    in_float = frozenset(skipped | real)
    for name in _real_states(model, in_float):
        values.pop(name, None)
    return Quantization(values, in_float, weights, imported.constants, imported.rounds_twice, frozenset(real), widths)


def _of_ties(ties: Iterable[frozenset[str]], ranges: Ranges, bits: Mapping[str, int]) -> dict[str, QuantParams]:
    """Parameters that cover what each value of a tie has, with the most bits of them."""
    out = {}
    for names in ties:
        known = [ranges[name] for name in sorted(names) if name in ranges and name in bits]
        if known:
            low, high = min(r[0] for r in known), max(r[1] for r in known)
            widest = max(bits.get(name, 0) for name in names)
            out.update(dict.fromkeys(sorted(names), numerics.params_of_range(low, high, widest)))
    return out


def _real_states(model: ir.Model, in_float: Collection[str]) -> list[str]:
    """States that only nodes in f32 read and make: they stay real."""
    known = {v.name or "": v for v in (*model.graph.inputs, *model.graph.outputs)}
    out: list[str] = []
    for pair in carry.pairs(model).items():
        before, after = (known[name] for name in pair)
        users = {use.node.name for value in (before, after) for use in value.uses()}
        maker = after.producer()
        if maker is not None and {maker.name, *users} <= set(in_float):
            out += pair
    return out


def _chosen_ranges(model: ir.Model, recipe: Recipe) -> dict[str, tuple[float, float]]:
    """Ranges that the recipe gives, by value; 0 is always inside."""
    nodes = ((node, _choice(node, recipe).range) for node in model.graph)
    wide = ((node, (min(r[0], 0.0), max(r[1], 0.0))) for node, r in nodes if r is not None)
    return {node.outputs[0].name or "": r for node, r in wide}


def _in_float(model: ir.Model, recipe: Recipe) -> tuple[set[str], set[str]]:
    """Nodes that the recipe keeps in f32, and those whose weights alone it keeps in f32."""
    skipped, real = set(), set()
    for node in model.graph:
        decides = limited(node)
        own = decides or node
        if any(recipe.is_skipped(n.name or "", n.op_type) for n in (node, own)):
            skipped.add(node.name or "")
        elif has_weights(own) and _choice(node, recipe).weight_bits == REAL:
            real.add(node.name or "")
    return skipped, real


def check_recipe(model: ir.Model, recipe: Recipe) -> None:
    """Raises: UsageError: all nodes and operator types that the graph cannot have, and ranges that codes cannot."""
    names, types = [n.name or "" for n in model.graph], skips.known(model)
    makers = {v.name or "": n.name or "" for n in model.graph for v in n.outputs}
    problems = _wrong_ranges(recipe)
    for name in sorted({*recipe.skip_nodes, *recipe.nodes} - set(names)):
        near = hint(name, names if len(problems) < MAX_PROBLEMS else (), "magik inspect lists the nodes")
        where = (recipe.nodes[name].where if name in recipe.nodes else "") or name
        need, near = "a node as it is after rewriting", f"did you mean {makers[name]}?" if name in makers else near
        problems.append(Problem("the graph has no node of this name", where, need=need, hint=near))
    for name in sorted({*recipe.skip_ops, *recipe.ops} - types):
        need, near = "an operator type of ONNX or of the vendor", hint(name, types, "magik inspect lists the types")
        problems.append(Problem("unknown operator type", name, need=need, hint=near))
    if problems:
        raise UsageError(problems=capped(problems))


def _wrong_ranges(recipe: Recipe) -> list[Problem]:
    """Ranges of the recipe that have no scale, or none in f32."""
    problems, most = list[Problem](), numerics.F32_MOST
    need = f"bounds from {-most:.3g} to {most:.3g} that are {numerics.LEAST_RANGE:g} apart, 0 included"
    for name, choice in (*recipe.nodes.items(), *recipe.ops.items()):
        low, high = choice.range or (0.0, 1.0)
        is_small = max(high, 0.0) - min(low, 0.0) < numerics.LEAST_RANGE
        if is_small or not (-most <= low <= high <= most):
            where, found = choice.where or f"the range of '{name}'", f"[{low:g}, {high:g}]"
            problems.append(Problem("codes cannot have this range", where, found, need))
    return problems


def _with_real_weights(model: ir.Model, imported: Imported) -> set[str]:
    """Nodes whose weights the source has left real."""
    matrices = ((n, n.inputs[1]) for n in model.graph if has_weights(n))
    return {n.name or "" for n, w in matrices if w is not None and w.name not in imported.constants}


def useful(model: ir.Model, ranges: Ranges, bits: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """Narrower ranges of the values that only functions read which are flat at the ends.

    HardSwish is 0 below -3: codes spent there are wasted, and saturating there changes nothing. An end is
    flat where the function stays within a quarter of its own output's code.
    """
    outputs = {v.name for v in model.graph.outputs}
    found = {}
    for node in model.graph:
        for value in node.outputs:
            name = value.name or ""
            functions = [_function(use.node) for use in value.uses()]
            if name in outputs or name not in ranges or not functions or None in functions:
                continue
            top = 2 ** bits.get(name, 8) - 1
            ends = [_where_it_varies(f, *ranges[name], top) for f in functions if f is not None]
            found[name] = min(low for low, _ in ends), max(high for _, high in ends)
    return found


def _function(node: ir.Node) -> Pointwise | None:
    """The function of a node of one input."""
    op = by_onnx().get(node.op_type)
    if op is None or not issubclass(op, Pointwise) or len(node.inputs) != 1:
        return None
    return op(**{k: a.value for k, a in node.attributes.items()})


def _where_it_varies(f: Pointwise, low: float, high: float, top: int) -> tuple[float, float]:
    x = np.linspace(low, high, 4097)
    with np.errstate(all="ignore"):
        y = f.function(x)
    if not np.isfinite(y).all() or high <= low:
        return low, high
    tolerance = (y.max() - y.min()) / top / 4
    from_low = np.maximum.accumulate(y) - np.minimum.accumulate(y) <= tolerance
    from_high = np.maximum.accumulate(y[::-1]) - np.minimum.accumulate(y[::-1]) <= tolerance
    first, last = int(from_low.sum()) - 1, 4096 - (int(from_high.sum()) - 1)
    return (float(x[first]), float(x[last])) if first < last else (low, high)


def _is_real(value: ir.Value) -> bool:
    """Whether operators read an input of the model as it is, in f32."""
    readers = [(by_onnx().get(use.node.op_type), use.idx) for use in value.uses()]
    return bool(readers) and all(op is not None and i in op.real_inputs for op, i in readers)
