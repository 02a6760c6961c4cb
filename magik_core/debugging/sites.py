"""Where a program holds the values of its source: what can be compared with the float model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from magik_core import graph, layout, numerics
from magik_core.program import DTYPES, Program, QuantParams, Step, Tensor

MOST_FUSED = 4  # nodes that one step computes, at most: a product, its gain and its limits
CODES = ("s8", "s16")  # what quantized weights are stored as


@dataclass(frozen=True)
class Site:
    """A value of the source that a tensor of the program holds.

    Args:
        name: of the layer: its node's, with the output's number where there are several.
        op: ONNX type of the node; nodes: all that the steps up to here compute, that one first.
        has_weights: it reads quantized weights.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    value: str
    tensor: Tensor
    has_weights: bool


def sites(model: ir.Model, program: Program) -> tuple[Site, ...]:
    """Every real value that a step writes, in the order of the steps.

    A value that no tensor holds is not among them: one that is fused into the next node, and one that is another
    tensor under a new name or axis order.
    """
    held = values_of(model, program)
    weighted = {s.name for s in program.steps if any(t.is_constant and t.dtype in CODES for t in program.reads(s))}
    found: dict[str, Site] = {}
    for step, t in ((s, t) for s in program.steps for t in program.writes(s)):
        value = held.get(t.name)
        if value is None or value.name in found:
            continue
        made = _nodes(value, step)
        if made and value.dtype == ir.DataType.FLOAT:
            names = tuple(node.name or "" for node in made)
            name = value.name or ""
            found[name] = Site(names[0], made[0].op_type, names, name, t, step.name in weighted)
    return tuple(_named(list(found.values())))


def values_of(model: ir.Model, program: Program) -> dict[str, ir.Value]:
    """The source's value that each tensor holds, by the tensor's name; what is made on the way to one is not there."""
    known = {v.name or "": v for v in graph.values(model)}
    out = {}
    for t in program.activations():
        value = known.get(t.name) or known.get(program.source.get(t.name, ""))
        if value is not None and _holds(t, value):
            out[t.name] = value
    return out


def _holds(t: Tensor, value: ir.Value) -> bool:
    shape = graph.static_shape(value)
    return shape is not None and len(shape) == len(t.axes) and layout.stored(shape, t.axes) == t.shape


def _nodes(value: ir.Value, step: Step) -> list[ir.Node]:
    """The nodes between a step's own and a value, both ends included, that one first."""
    node = value.producer()
    if node is None:
        return []
    path = [node]
    while path[-1].name != step.name and len(path) < MOST_FUSED:
        before = [p for v in path[-1].inputs if v is not None and (p := v.producer()) is not None]
        if not before:
            break
        path.append(next((p for p in before if p.name == step.name), before[0]))
    return path[::-1] if path[-1].name == step.name else [node]


def _named(found: list[Site]) -> Iterator[Site]:
    """With names of their own for several outputs of a node."""
    names = [site.name for site in found]
    seen: dict[str, int] = {}
    for site in found:
        number = seen[site.name] = seen.get(site.name, -1) + 1
        yield replace(site, name=f"{site.name}:{number}") if names.count(site.name) > 1 else site


def stored(value: np.ndarray, t: Tensor) -> np.ndarray:
    """A source's array as a tensor holds it: reals as codes, axes in the order of the tensor."""
    x = value.transpose(t.axes)
    if isinstance(t.quant, QuantParams) and x.dtype.kind == "f":
        return numerics.quantize(x, t.quant)
    if isinstance(t.quant, QuantParams) and x.dtype.kind == "i":
        return (x.astype(np.int32) - np.iinfo(x.dtype).min).astype(DTYPES[t.dtype])
    if t.dtype == "s32":
        return np.clip(x, -(2**31), 2**31 - 1).astype(np.int32)
    return x.astype(DTYPES[t.dtype])


def reals(codes: np.ndarray, t: Tensor) -> np.ndarray:
    """What a tensor's array means, in the order of the tensor."""
    return numerics.dequantize(codes, t.quant) if isinstance(t.quant, QuantParams) else codes
