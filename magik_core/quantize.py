"""Decide the quantization parameters of every value from its calibrated range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import onnx_ir as ir

from magik_core import numerics
from magik_core.errors import Problem, QuantizeError
from magik_core.imported import NOTHING, Imported
from magik_core.ops import by_onnx
from magik_core.ops.lut import Pointwise
from magik_core.program import QuantParams
from magik_core.recipe import Recipe
from magik_core.source import Quantization, WeightQuantizer

Ranges = Mapping[str, tuple[float, float]]
ChannelScales = Callable[[np.ndarray, int], np.ndarray]


def values_to_calibrate(model: ir.Model, recipe: Recipe, imported: Imported = NOTHING) -> list[str]:
    """Names of the values whose ranges `quantize` needs, in graph order."""
    if recipe.is_float:
        return []
    shared = {**_owners(model, imported), **imported.values}
    names = [v.name or "" for v in model.graph.inputs if v.dtype == ir.DataType.FLOAT and not is_raw(v)]
    names += [o.name or "" for n in model.graph for o in n.outputs if o.dtype == ir.DataType.FLOAT]
    return [n for n in names if shared.get(n, n) == n]


def quantize(
    model: ir.Model,
    ranges: Ranges | None,
    recipe: Recipe,
    channel_scales: ChannelScales | None,
    imported: Imported = NOTHING,
) -> Quantization:
    """Parameters per value, the nodes that stay in f32, and how weights get codes.

    Args:
        ranges: (low, high) of the values of `values_to_calibrate`; None: what the source has not quantized
            stays in f32.
        channel_scales: the weight quantizer; imported: parameters and codes that are kept as they are.
    Raises: QuantizeError: every range that is missing or not finite, all at once.
    """
    if recipe.is_float:
        return Quantization()
    values, problems = dict(imported.values), list[Problem]()
    wanted = () if ranges is None else values_to_calibrate(model, recipe, imported)
    ranges = {**(ranges or {}), **useful(model, ranges or {})}
    for value in model.graph.inputs:
        if is_raw(value):
            values[value.name or ""] = QuantParams(1.0, 0.0, recipe.feature_bits)
    for name in wanted:
        if name not in ranges:
            problems.append(Problem("a value has no range", where=f"value '{name}'"))
            continue
        try:
            values[name] = numerics.params_of_range(*ranges[name], recipe.feature_bits)
        except QuantizeError as error:
            problems += [Problem(p.what, f"value '{name}'", p.found, p.need) for p in error.problems]
    if problems:
        raise QuantizeError(problems=problems)
    for name, owner in _owners(model, imported).items():
        if owner in values:
            values[name] = values[owner]
    skipped = {n.name or "" for n in model.graph if n.name in recipe.skip_nodes or n.op_type in recipe.skip_ops}
    skipped |= set() if wanted or not imported else _with_real_weights(model, imported)
    weights = (
        None
        if channel_scales is None
        else partial(weight_codes, channel_scales, recipe.weight_bits, recipe.per_channel)
    )
    return Quantization(values, frozenset(skipped), weights, imported.constants, imported.rounds_twice)


def _with_real_weights(model: ir.Model, imported: Imported) -> set[str]:
    """Nodes whose weights the source has left real."""
    matrices = ((n, n.inputs[1]) for n in model.graph if _channel_axis(n) is not None or n.op_type == "MatMul")
    real = ((n, w) for n, w in matrices if w is not None and w.const_value is not None)
    return {n.name or "" for n, w in real if w.name not in imported.constants}


def useful(model: ir.Model, ranges: Ranges) -> dict[str, tuple[float, float]]:
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
            ends = [_where_it_varies(f, *ranges[name]) for f in functions if f is not None]
            found[name] = min(low for low, _ in ends), max(high for _, high in ends)
    return found


def _function(node: ir.Node) -> Pointwise | None:
    """The function of a node of one input."""
    op = by_onnx().get(node.op_type)
    if op is None or not issubclass(op, Pointwise) or len(node.inputs) != 1:
        return None
    return op(**{k: a.value for k, a in node.attributes.items()})


def _where_it_varies(f: Pointwise, low: float, high: float) -> tuple[float, float]:
    x = np.linspace(low, high, 4097)
    with np.errstate(all="ignore"):
        y = f.function(x)
    if not np.isfinite(y).all() or high <= low:
        return low, high
    tolerance = (y.max() - y.min()) / 255 / 4
    from_low = np.maximum.accumulate(y) - np.minimum.accumulate(y) <= tolerance
    from_high = np.maximum.accumulate(y[::-1]) - np.minimum.accumulate(y[::-1]) <= tolerance
    first, last = int(from_low.sum()) - 1, 4096 - (int(from_high.sum()) - 1)
    return (float(x[first]), float(x[last])) if first < last else (low, high)


def weight_codes(
    channel_scales: ChannelScales, bits: int, per_channel: bool, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(s8 codes, f32-exact scales) of weights (channels, k): symmetric, [-(2^(b-1) - 1), 2^(b-1) - 1]."""
    top = 2 ** (bits - 1) - 1
    rows = w if per_channel else w.reshape(1, -1)
    scales = np.asarray(channel_scales(rows, bits), np.float32).astype(np.float64)
    scales = np.broadcast_to(np.maximum(scales, 1e-30), (len(w),))
    codes = np.clip(numerics.round_half_up(w / scales[:, None]), -top, top)
    return codes.astype(np.int8), scales


def real_weights(model: ir.Model, weights: WeightQuantizer, imported: Imported = NOTHING) -> dict[str, np.ndarray]:
    """What the codes of every convolution's and Gemm's weights mean: initializer name -> reals of its shape.

    Those that the source has quantized are left out: they are what they are.
    """
    out = {}
    for node in model.graph:
        axis = _channel_axis(node)
        value = node.inputs[1] if axis is not None else None
        if value is None or axis is None or value.const_value is None or value.name in imported.constants:
            continue
        w = np.moveaxis(value.const_value.numpy().astype(np.float32), axis, 0)
        codes, scales = weights(np.ascontiguousarray(w.reshape(len(w), -1)))
        real = (codes * scales[:, None]).reshape(w.shape)
        out[value.name or ""] = np.ascontiguousarray(np.moveaxis(real, 0, axis)).astype(np.float32)
    return out


def _channel_axis(node: ir.Node) -> int | None:
    """Axis of input 1 that holds the output channels."""
    if node.op_type == "Gemm":
        return 0 if node.attributes.get_int("transB", 0) else 1
    if node.op_type == "ConvTranspose":
        return 1 if node.attributes.get_int("group", 1) == 1 else None
    return 0 if node.op_type == "Conv" else None


def is_raw(value: ir.Value) -> bool:
    """Whether an input of the model is raw pixels: MEAN or NORMAL stand at its head."""
    return any(use.node.name in (f"{value.name}/mean", f"{value.name}/normal") for use in value.uses())


def _owners(model: ir.Model, imported: Imported) -> dict[str, str]:
    """Values that have another value's parameters: name -> the value that decides.

    An operator that only moves codes gives its output the parameters of its input. An input of a Concat
    takes those of the output where nothing else reads it: then one rounding, not two, and no copy.
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
    readers: dict[str, set[str]] = {}
    for node in model.graph:
        for v in node.inputs:
            if v is not None and node.op_type not in keeps:
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
            alone = alone and name not in imported.values
            if alone and name != target:
                owner[name] = target
    return {name: root(name) for name in owner}
