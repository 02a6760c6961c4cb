"""Layers that only move values: axes, sizes, parts; and those that do nothing when a model runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import onnx

from magik_frontend_tf.keras_files.call import FIRST, INT32, Call, ints
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


@layer(
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization", "Identity", "RandomFlip", "RandomRotation", "RandomZoom",
    "RandomTranslation", "RandomContrast", "RandomBrightness",
)  # fmt: skip
def identity(c: Call) -> Tensor:
    return c.inputs[0]


@layer("Flatten")
def flatten(c: Call) -> Tensor:
    x = c.x
    if c.data_format == FIRST and x.rank > 2:  # Keras puts the channels last before it flattens
        x = x.permuted((0, *range(2, x.rank), 1))
    if x.rank == 1:
        return c.tensor(c.emit("Unsqueeze", c.plain(x), ints(1)))
    return x if x.rank == 2 else reshaped(c, x, [_product(c.shape(x)[1:])])


def reshaped(c: Call, x: Tensor, sizes: Sequence[int | str | None]) -> Tensor:
    """To other sizes behind the batch."""
    shape = c.shape(x)
    known = math.prod(n for n in sizes if isinstance(n, int) and n > 0)
    whole = _product(shape[1:])
    dims = [n if isinstance(n, int) and n > 0 else -1 for n in sizes]
    if dims.count(-1) == 1 and whole > 0 and whole % known == 0:
        dims = [whole // known if n == -1 else n for n in dims]
    if whole > 0 and -1 not in dims and math.prod(dims) != whole:
        raise Refusal("the shape does not fit", f"{list(shape[1:])} to {dims}", f"{whole} elements")
    is_line = x.order[0] == 0 and sum(n != 1 for n in shape[1:]) <= 1  # no order of its axes that matters
    return c.tensor(c.reshape(x.forms[x.order] if is_line else c.plain(x), [shape[0], *dims]))


def _product(sizes: Sequence[int | str | None]) -> int:
    """-1 where a size is open."""
    known = [n for n in sizes if isinstance(n, int)]
    return math.prod(known) if len(known) == len(sizes) else -1


@layer("Reshape")
def reshape(c: Call) -> Tensor:
    target = c.config.get("target_shape")
    if not isinstance(target, list):
        raise Refusal("target_shape of the layer is no list", repr(target)[:80])
    return reshaped(c, c.x, [-1 if n in (-1, None) else c.whole(n, "target_shape") for n in target])


@layer("Permute")
def permute(c: Call) -> Tensor:
    dims = c.config.get("dims")
    if not isinstance(dims, list) or sorted(dims) != list(range(1, c.x.rank)):
        raise Refusal("dims of the layer are no order of its axes", repr(dims)[:80], f"1 to {c.x.rank - 1}")
    return c.x.permuted((0, *dims))


@layer("RepeatVector")
def repeat_vector(c: Call) -> Tensor:
    y = c.emit("Unsqueeze", c.plain(c.image(2)), ints(1))
    return c.tensor(c.emit("Tile", y, ints(1, c.integer("n"), 1)))


def sides(c: Call, key: str, rank: int) -> list[tuple[int, int]]:
    """(before, after) for each axis: one number, one per axis, or two."""
    value = c.config.get(key, 1)
    items = [value] * rank if type(value) is int else value
    if rank == 1 and isinstance(items, list) and len(items) == 2:
        items = [items]
    if not isinstance(items, list) or len(items) != rank:
        raise Refusal(f"{key} of the layer does not fit its axes", repr(value)[:80], f"{rank} pairs")
    pairs = [[item, item] if type(item) is int else item for item in items]
    return [(c.whole(a, key, 0), c.whole(b, key, 0)) for a, b in pairs]


def _spatial(c: Call, rank: int) -> list[int]:
    """The axes of an image that are neither batch nor channels."""
    c.image(rank + 2)
    is_first = rank > 1 and c.data_format == FIRST
    return list(range(2, rank + 2)) if is_first else list(range(1, rank + 1))


@layer("ZeroPadding1D", "ZeroPadding2D")
def zero_padding(c: Call) -> Tensor:
    rank = int(c.layer.kind[-2])
    axes = _spatial(c, rank)
    return padded(c, c.x, dict(zip(axes, sides(c, "padding", rank), strict=True)))


def padded(c: Call, x: Tensor, by_axis: dict[int, tuple[int, int]], **attributes: Any) -> Tensor:
    pairs = [by_axis.get(axis, (0, 0)) for axis in x.order]
    if not any(map(any, pairs)):
        return x
    pads = ints(*(a for a, _ in pairs), *(b for _, b in pairs))
    return c.each(x, "Pad", pads, **attributes)


@layer("Cropping1D", "Cropping2D")
def cropping(c: Call) -> Tensor:
    rank = int(c.layer.kind[-2])
    found = dict(zip(_spatial(c, rank), sides(c, "cropping", rank), strict=True))
    bounds: dict[int, tuple[int | None, int | None]] = {axis: (a, -b if b else None) for axis, (a, b) in found.items()}
    return sliced(c, c.x, bounds)


def sliced(c: Call, x: Tensor, by_axis: dict[int, tuple[int | None, int | None]]) -> Tensor:
    """The elements from begin to end of axes."""
    bounds = {axis: pair for axis, pair in by_axis.items() if pair not in ((0, None), (None, None))}
    if not bounds:
        return x
    axes = sorted(bounds, key=x.order.index)
    begins = [bounds[a][0] or 0 for a in axes]
    ends = [(1 << 62) if bounds[a][1] is None else int(bounds[a][1] or 0) for a in axes]
    return c.each(x, "Slice", ints(*begins), ints(*ends), ints(*(x.order.index(a) for a in axes)))


@layer("CenterCrop")
def center_crop(c: Call) -> Tensor:
    bounds: dict[int, tuple[int | None, int | None]] = {}
    for axis, key in zip(_spatial(c, 2), ("height", "width"), strict=True):
        size, wanted = c.static(c.x, axis), c.integer(key)
        if wanted > size:
            raise Refusal("the layer enlarges its input", f"{size} to {wanted}", "an input that is large enough")
        begin = (size - wanted) // 2
        bounds[axis] = (begin, begin + wanted)
    return sliced(c, c.x, bounds)


@layer("Embedding")
def embedding(c: Call) -> Tensor:
    """Gather; the numbers of the rows are not checked."""
    if c.flag("mask_zero"):
        need, hint = "mask_zero False", "build the model again without it, and load the weights"
        raise Refusal("masks are not supported", "mask_zero True", need, hint)
    x = c.x
    rows = c.weight(0, [c.integer("input_dim"), c.integer("output_dim")], "embeddings")
    name = c.plain(x)
    if c.builder.dtype(name) not in INTEGERS:
        name = c.emit("Cast", name, to=INT32)
    return c.tensor(c.emit("Gather", c.stored("embeddings", rows), name, axis=0))
