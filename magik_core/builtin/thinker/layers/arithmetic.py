"""Sums, products and what else has several inputs of the same kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from magik_core.builtin.onnx_quantized.params import RANGES, Params
from magik_core.builtin.onnx_quantized.source import attribute
from magik_core.builtin.onnx_quantized.table import ANY, converts
from magik_core.builtin.thinker import fixed
from magik_core.builtin.thinker.fixed import DOMAINS

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

SUMS = {"iqAdd": "Add", "QAdd": "Add", "iqSub": "Sub"}
PRODUCTS = {"iqMul": "Mul", "QMul": "Mul", "iqDiv": "Div"}


@converts(*SUMS, domains=DOMAINS, inputs=2)
def add(node: NodeProto, to: Expansion) -> None:
    """Add or Sub of inputs that are each rounded to `scale_o` before: two roundings, as linger does."""
    scales = fixed.given(node, to, 0, "scale_x"), fixed.given(node, to, 1, "scale_y")
    made = fixed.output(node, to)
    if not to.is_sound:
        return
    inputs = [_rounded(to, node, i, x, by, made) for i, (x, by) in enumerate(scales)]
    fixed.result(node, to, SUMS[node.op_type], inputs)


def _rounded(to: Expansion, node: NodeProto, place: int, x: str, by: float, made: Params | None) -> str:
    """An input rounded to the scale of the output, where that is the coarser one."""
    name = node.input[place]
    if made is None or 1 / made.scale[0] >= by or name in to.floats:
        return x
    if name not in to.source.tensors:
        return to.rounded(x, made, f"{node.output[0]}/{'xy'[place]}")
    array = to.source.array(name)
    assert array is not None
    codes = np.floor(array.astype(np.float64) / (made.scale[0] * by) + 0.5)
    constant = to.unique(f"{name}/rounded")
    to.source.tensors[constant] = to.tensor(constant, np.clip(codes, *RANGES[made.dtype]).astype(np.int64), made.dtype)
    return to.real(constant, made)


@converts(*PRODUCTS, domains=DOMAINS, inputs=2)
def mul(node: NodeProto, to: Expansion) -> None:
    """Mul or Div, rounded once."""
    inputs = [fixed.given(node, to, 0, "scale_x")[0], fixed.given(node, to, 1, "scale_y")[0]]
    if to.is_sound:
        fixed.result(node, to, PRODUCTS[node.op_type], inputs)


@converts("iqCat", "QCat", domains=DOMAINS, inputs=(1, ANY))
def cat(node: NodeProto, to: Expansion) -> None:
    """Concat, each input rounded to `scale_o`."""
    inputs = [fixed.given(node, to, i, f"scale_x_{i}")[0] for i in range(len(node.input))]
    if to.is_sound:
        fixed.result(node, to, "Concat", inputs, axis=attribute(node, "dim", attribute(node, "axis", -1)))


@converts("iqSum", domains=DOMAINS, inputs=1)
def total(node: NodeProto, to: Expansion) -> None:
    """ReduceSum over all axes."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    named = [a.name for a in node.attribute if a.name in ("axes", "axis", "dim", "dims", "keepdim", "keepdims")]
    if named:
        to.problem("a sum over some axes has no known form", ", ".join(named), "a sum over all")
    if to.is_sound:
        fixed.result(node, to, "ReduceSum", [x], keepdims=0)


@converts("iqClamp", domains=DOMAINS, inputs=1)
def clamp(node: NodeProto, to: Expansion) -> None:
    """Clip to [`min`, `max`]."""
    x, _ = fixed.given(node, to, 0, "scale_x")
    limits = [attribute(node, name) for name in ("min", "max")]
    if not all(isinstance(v, (int, float)) and np.isfinite(v) for v in limits):
        to.problem("a clamp has no limits", f"min {limits[0]!r:.20}, max {limits[1]!r:.20}", "two finite numbers")
    if to.is_sound:
        named = zip(("min", "max"), limits, strict=True)
        inputs = [to.constant(f"{node.output[0]}/{name}", np.asarray(v, np.float32)) for name, v in named]
        fixed.result(node, to, "Clip", [x, *inputs])
