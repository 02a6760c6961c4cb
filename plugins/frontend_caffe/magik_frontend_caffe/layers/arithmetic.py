"""Layers that compute with several values, or over an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from magik_frontend_caffe.layers import ANY, layer
from magik_frontend_caffe.layers.activations import line
from magik_frontend_caffe.reader import Layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_frontend_caffe.builder import Builder

ELTWISE = {"PROD": "Mul", "SUM": "Add", "MAX": "Max"}


@layer("Eltwise", bottoms=(2, ANY))
def eltwise(layer: Layer, to: Builder, *x: ir.Value) -> ir.Value:
    """Add, Mul or Max of any number of bottoms; a sum has `coeff`."""
    param = layer.param("eltwise_param")
    coeff, op = param["coeff"], param["operation"]
    if len({to.shape(v) for v in x}) > 1:
        raise to.problem("the bottoms have several shapes", ", ".join(str(list(to.shape(v))) for v in x))
    if coeff and (len(coeff) != len(x) or op != "SUM"):
        found = f"{len(coeff)} for the {op} of {len(x)} bottoms"
        raise to.problem("the coefficients do not fit", found, "one for each bottom of a SUM")
    y = line(to, x[0], coeff[0], 0.0) if coeff else x[0]
    for i, v in enumerate(x[1:], 1):
        if coeff and coeff[i] == -1:
            y = to.node("Sub", y, v)
        else:
            y = to.node(ELTWISE[op], y, line(to, v, coeff[i], 0.0) if coeff else v)
    return y


@layer("Scale", bottoms=(1, 2))
def scale(layer: Layer, to: Builder, x: ir.Value, *by: ir.Value) -> ir.Value:
    """Mul, and Add with `bias_term`; the factor is a blob, or the second bottom."""
    param = layer.param("scale_param")
    axis, shape = spanned(to, x, by, param["axis"], param["num_axes"])
    factor = aligned(to, x, by[0], axis) if by else to.channels(x, to.weight(0, shape, "factors"), axis, "factor")
    y = to.node("Mul", x, factor)
    if not param["bias_term"]:
        return y
    return to.node("Add", y, to.channels(x, to.weight(0 if by else 1, shape, "a bias"), axis, "bias"))


@layer("Bias", bottoms=(1, 2))
def bias(layer: Layer, to: Builder, x: ir.Value, *by: ir.Value) -> ir.Value:
    """Add of a blob, or of the second bottom."""
    param = layer.param("bias_param")
    axis, shape = spanned(to, x, by, param["axis"], param["num_axes"])
    return to.node("Add", x, aligned(to, x, by[0], axis) if by else
                   to.channels(x, to.weight(0, shape, "a bias"), axis, "bias"))  # fmt: skip


def spanned(to: Builder, x: ir.Value, by: Sequence[ir.Value], axis: int, count: int) -> tuple[int, tuple[int, ...]]:
    """The axis of x on which a factor begins, and the factor's shape.

    Raises: ModelError: x has no such axes.
    """
    first = to.axis(x, axis)
    shape = to.shape(x)
    if by:
        count = len(to.shape(by[0]))
    end = len(shape) if count == -1 else first + count
    if not first <= end <= len(shape):
        raise to.problem("there is no such axis", f"{count} axes from {first} of {list(shape)}")
    if by and to.shape(by[0]) != shape[first:end]:
        found = f"{list(to.shape(by[0]))} from axis {first} of {list(shape)}"
        raise to.problem("the bottoms do not fit each other", found)
    return first, shape[first:end]


def aligned(to: Builder, x: ir.Value, by: ir.Value, axis: int) -> ir.Value:
    """The second bottom with axes of 1 behind it, so that numpy's broadcasting lays it on `axis` of x."""
    rank = len(to.shape(by))
    behind = len(to.shape(x)) - axis - rank
    return to.node("Unsqueeze", by, to.ints(range(rank, rank + behind), "axes")) if behind else by


@layer("Axpy", bottoms=3)
def axpy(layer: Layer, to: Builder, a: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    """Mul and Add: a x + y, a for each channel."""
    shape = to.shape(x)
    if to.shape(a)[:2] != shape[:2] or math.prod(to.shape(a)[2:]) != 1 or to.shape(y) != shape or len(shape) != 4:
        found = ", ".join(str(list(to.shape(v))) for v in (a, x, y))
        raise to.problem("the bottoms do not fit each other", found, "[N, C], [N, C, H, W] and the same")
    factor = a if len(to.shape(a)) == 4 else to.reshape(a, [0, 0, 1, 1])
    return to.node("Add", to.node("Mul", factor, x), y)


@layer("Reduction")
def reduction(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """ReduceSum or ReduceMean of x, |x| or x squared, over `axis` and those behind it, times `coeff`."""
    param = layer.param("reduction_param")
    operation, first = param["operation"], to.axis(x, param["axis"])
    terms = {"ASUM": lambda: to.node("Abs", x), "SUMSQ": lambda: to.node("Mul", x, x)}.get(operation, lambda: x)()
    axes = to.ints(range(first, len(to.shape(x))), "axes")
    y = to.node("ReduceMean" if operation == "MEAN" else "ReduceSum", terms, axes, keepdims=0)
    return line(to, y, param["coeff"], 0.0)


@layer("ArgMax")
def arg_max(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """ArgMax as float, the last of equal ones; without `axis` over all but the first; the values too if asked for."""
    param, shape = layer.param("argmax_param"), to.shape(x)
    if param["top_k"] != 1:
        raise to.problem("a layer cannot be converted", f"top_k {param['top_k']}", "top_k 1")
    if "axis" in param:
        axis = to.axis(x, param["axis"])
        if param["out_max_val"]:
            return to.node("ReduceMax", x, to.ints([axis], "axes"), keepdims=1)
        return to.node("Cast", to.node("ArgMax", x, axis=axis, select_last_index=1), to=1)
    flat = x if len(shape) == 2 else to.node("Flatten", x, axis=1)
    y = to.node("Cast", to.node("ArgMax", flat, axis=1, select_last_index=1), to=1)
    if param["out_max_val"]:
        y = to.node("Concat", y, to.node("ReduceMax", flat, to.ints([1], "axes"), keepdims=1), axis=1)
    return to.reshape(y, [0, 2 if param["out_max_val"] else 1, *[1] * (max(len(shape), 3) - 2)])


@layer("Normalize")
def normalize(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Div by Sqrt of a ReduceSum of squares, then Mul by the scale of each channel."""
    param, shape = layer.param("norm_param"), to.shape(x)
    if len(shape) != 4:
        raise to.problem("the layer needs height and width", list(shape), "4 axes")
    axes = to.ints([1, 2, 3] if param["across_spatial"] else [1], "axes")
    total = to.node("ReduceSum", to.node("Mul", x, x), axes, keepdims=1)
    norm = to.node("Sqrt", to.node("Add", total, to.constant(param["eps"], "eps")))
    factors = to.weight(0, (1,) if param["channel_shared"] else (shape[1],), "factors")
    return to.node("Mul", to.node("Div", x, norm), to.channels(x, factors, 1, "factor"))


@layer("MVN")
def mvn(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Sub of the mean, then Div by the deviation with `normalize_variance`."""
    param, rank = layer.param("mvn_param"), len(to.shape(x))
    first = 1 if param["across_channels"] else 2
    if rank <= first:
        raise to.problem("the layer needs height and width", list(to.shape(x)), "4 axes")
    axes = to.ints(range(first, rank), "axes")
    y = to.node("Sub", x, to.node("ReduceMean", x, axes, keepdims=1))
    if not param["normalize_variance"]:
        return y
    deviation = to.node("Sqrt", to.node("ReduceMean", to.node("Mul", y, y), axes, keepdims=1))
    return to.node("Div", y, to.node("Add", deviation, to.constant(np.float32(param["eps"]), "eps")))
