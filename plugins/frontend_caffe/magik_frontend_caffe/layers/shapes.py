"""Layers that move elements and leave their values alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from magik_frontend_caffe.layers import ANY, layer
from magik_frontend_caffe.reader import Layer

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_frontend_caffe.builder import Builder

MAX_CHANNELS = 1 << 16  # of what is shuffled


@layer("Split", tops=(1, ANY))
def split(layer: Layer, to: Builder, x: ir.Value) -> Sequence[ir.Value]:
    """Identity for each top."""
    return [to.node("Identity", x) for _ in layer.tops]


@layer("Concat", bottoms=(1, ANY))
def concat(layer: Layer, to: Builder, *x: ir.Value) -> ir.Value:
    """Concat."""
    param = layer.param("concat_param")
    axis = param["axis"] if "axis" in param or "concat_dim" not in param else param["concat_dim"]
    return to.node("Concat", *x, axis=to.axis(x[0], axis))


@layer("Slice", tops=(1, ANY))
def slice_(layer: Layer, to: Builder, x: ir.Value) -> Sequence[ir.Value]:
    """Split, at `slice_point` or into equal parts."""
    param = layer.param("slice_param")
    axis = to.axis(x, param["axis"] if "axis" in param or "slice_dim" not in param else param["slice_dim"])
    size, count = to.shape(x)[axis], len(layer.tops)
    points = param["slice_point"] or ([size * i // count for i in range(1, count)] if size % count == 0 else [])
    edges = [0, *points, size]
    if len(edges) != count + 1 or any(a >= b for a, b in pairwise(edges)):
        found = f"slice_point {points} for {count} tops of {size} elements"
        raise to.problem("the slices do not fit", found, "one rising point less than tops, or equal parts")
    parts = [b - a for a, b in pairwise(edges)]
    return to.many("Split", [x, to.ints(parts, "sizes")], count, axis=axis)


@layer("Flatten")
def flatten(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Flatten; Reshape where `axis` is not 1 or `end_axis` not the last."""
    param, shape = layer.param("flatten_param"), to.shape(x)
    axis, end = to.axis(x, param["axis"]), to.axis(x, param["end_axis"])
    if axis > end:
        raise to.problem("there is nothing to flatten", f"axis {axis} to end_axis {end}")
    if axis == 1 and end == len(shape) - 1:
        return to.node("Flatten", x, axis=1)
    return to.reshape(x, [*[0] * axis, -1, *shape[end + 1 :]])


@layer("Reshape")
def reshape(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Reshape; 0 keeps a size, -1 takes what is left, `axis` and `num_axes` say which axes are replaced."""
    param, shape = layer.param("reshape_param"), to.shape(x)
    dims, count = list(param["shape"]["dim"]), param["num_axes"]
    start = to.axis(x, param["axis"], extra=1)
    end = len(shape) if count == -1 else start + count
    if count < -1 or end > len(shape):
        raise to.problem("there is no such axis", f"{count} axes from {start} of {list(shape)}")
    copied = [start + i for i, n in enumerate(dims) if n == 0]
    if any(n < -1 for n in dims) or dims.count(-1) > 1 or any(i >= len(shape) for i in copied):
        raise to.problem("the shape is no shape", dims, "sizes, 0 to keep one, and at most one -1")
    wanted = [*[0] * start, *dims, *shape[end:]]
    known = [shape[i] if n == 0 else n for i, n in enumerate(wanted) if n != -1]
    if -1 in dims:
        fits = math.prod(known) > 0 and math.prod(shape) % math.prod(known) == 0
    else:
        fits = math.prod(known) == math.prod(shape)
    if not fits:
        raise to.problem("the shape does not fit", f"{list(shape)} to {wanted}", f"{math.prod(shape)} elements")
    return to.reshape(x, wanted)


@layer("Permute")
def permute(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Transpose; axes that `order` leaves out follow."""
    order, rank = list(layer.param("permute_param")["order"]), len(to.shape(x))
    if len(set(order)) != len(order) or any(i >= rank for i in order):
        raise to.problem("the order is no order of the axes", order, f"each of 0 to {rank - 1} once")
    return to.node("Transpose", x, perm=[*order, *(i for i in range(rank) if i not in order)])


@layer("Crop", bottoms=2)
def crop(layer: Layer, to: Builder, x: ir.Value, like: ir.Value) -> ir.Value:
    """Slice to the sizes of the second bottom, from `axis` on, beginning at `offset`."""
    param, shape, wanted = layer.param("crop_param"), to.shape(x), to.shape(like)
    start, offsets = to.axis(x, param["axis"]), param["offset"]
    axes = list(range(start, len(shape)))
    if len(wanted) != len(shape) or len(offsets) not in (0, 1, len(axes)):
        found = f"{list(shape)} to {list(wanted)} at {offsets}"
        raise to.problem("the crop does not fit", found, f"bottoms of one rank and 1 or {len(axes)} offsets")
    begin = list(offsets) * len(axes) if len(offsets) == 1 else list(offsets) or [0] * len(axes)
    end = [at + wanted[i] for at, i in zip(begin, axes, strict=True)]
    if any(stop > shape[i] for stop, i in zip(end, axes, strict=True)):
        raise to.problem("the crop does not fit", f"{list(shape)} to {list(wanted)} at {begin}")
    first = to.ints(begin, "begin")
    last = to.node("Shape", like, start=start)  # whatever size the inputs are given later
    last = to.node("Add", last, first) if any(begin) else last
    known = (*shape[:start], *wanted[start:])
    return to.node("Slice", x, first, last, to.ints(axes, "axes"), known=known)


@layer("Tile")
def tile(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Tile along one axis."""
    param, shape = layer.param("tile_param"), to.shape(x)
    repeats = [1] * len(shape)
    repeats[to.axis(x, param["axis"])] = param["tiles"]
    if param["tiles"] < 1:
        raise to.problem("there is nothing to tile", f"tiles {param['tiles']}", "1 or more")
    return to.node("Tile", x, to.ints(repeats, "repeats"))


@layer("ShuffleChannel")
def shuffle_channel(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Gather: the channels of the groups by turns."""
    group, shape = layer.param("shuffle_channel_param")["group"], to.shape(x)
    if len(shape) < 2 or group < 1 or shape[1] % group:
        raise to.problem("the channels do not fit the groups", f"{group} groups of {list(shape)}")
    if shape[1] > MAX_CHANNELS:
        raise to.problem("the layer has too many channels", shape[1], f"at most {MAX_CHANNELS}")
    order = np.arange(shape[1]).reshape(group, -1).T.reshape(-1)
    return to.node("Gather", x, to.ints(order.tolist(), "order"), axis=1)


@layer("Upsample")
def upsample(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Resize to the nearest element, by `scale`."""
    param, shape = layer.param("upsample_param"), to.shape(x)
    scales = [param[name] if name in param else param["scale"] for name in ("scale_h", "scale_w")]
    if len(shape) != 4 or not all(1 <= s <= 1024 for s in scales):
        found = f"scale {scales} on {list(shape)}"
        raise to.problem("the layer says no scale", found, "scale in [1, 1024], on 4 axes")
    how: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return to.node("Resize", x, None, to.constant([1, 1, *scales], "scales"), **how)


@layer("Interp")
def interp(layer: Layer, to: Builder, x: ir.Value) -> ir.Value:
    """Resize, linear with aligned corners, to `height` and `width` or by `zoom_factor` and `shrink_factor`."""
    param, shape = layer.param("interp_param"), to.shape(x)
    if param["pad_beg"] or param["pad_end"] or len(shape) != 4:
        found = f"pad_beg {param['pad_beg']}, pad_end {param['pad_end']} on {list(shape)}"
        raise to.problem("a layer cannot be converted", found, "no padding, on 4 axes")
    if min(param["zoom_factor"], param["shrink_factor"]) < 1:
        raise to.problem("a layer cannot be converted", "a factor below 1", "factors of 1 or more")
    if "height" in param and "width" in param:
        sizes = [param["height"], param["width"]]
    else:
        small = [(n - 1) // param["shrink_factor"] + 1 for n in shape[2:]]
        sizes = [n + (n - 1) * (param["zoom_factor"] - 1) for n in small]
    how: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return to.node("Resize", x, None, None, to.ints([*shape[:2], *sizes], "sizes"), **how)
