"""Reductions of tensors, and functions that move values about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from magik_frontend_tf.keras_files.call import Call, ints, tensors
from magik_frontend_tf.keras_files.layers import merging, shapes
from magik_frontend_tf.keras_files.layers.registry import function
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

REDUCTIONS = {
    "ReduceMean": ("Mean", "math.reduce_mean", "reduce_mean"),
    "ReduceSum": ("Sum", "math.reduce_sum", "reduce_sum"),
    "ReduceMax": ("Max", "Amax", "math.reduce_max", "reduce_max"),
    "ReduceMin": ("Min", "Amin", "math.reduce_min", "reduce_min"),
}


def _enter(op: str, names: Sequence[str]) -> None:
    def made(c: Call, x: Tensor, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
        return reduced(c, op, x, axis, keepdims)

    function(*names)(made)


for _op, _names in REDUCTIONS.items():
    _enter(_op, _names)


def reduced(c: Call, op: str, x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    """Over axes of Keras; all of them where none is given."""
    axes = list(range(x.rank)) if axis is None else c.axes(x, axis)
    where = sorted(x.order.index(a) for a in axes)
    y = c.emit(op, x.forms[x.order], ints(*where), keepdims=int(bool(keepdims)))
    if keepdims:
        return c.tensor(y, x.order)
    left = [a for a in x.order if a not in axes]
    return c.tensor(y, tuple(sorted(left).index(a) for a in left))


@function("Reshape", "reshape")
def reshape(c: Call, x: Tensor, shape: Any = None, newshape: Any = None) -> Tensor:
    """The batch stays first."""
    sizes = newshape if shape is None else shape
    if not isinstance(sizes, list) or not sizes or not all(n is None or type(n) is int for n in sizes):
        raise Refusal("a tensor is given another shape that is not known", repr(sizes)[:80], "numbers")
    batch = c.shape(x)[0]
    if sizes[0] not in (-1, None, batch):
        raise Refusal("the batch is given another size", sizes, "-1 for the batch")
    return shapes.reshaped(c, x, [-1 if n is None else n for n in sizes[1:]])


@function("Transpose", "transpose")
def transpose(c: Call, x: Tensor, perm: Any = None, axes: Any = None) -> Tensor:
    order = list(reversed(range(x.rank))) if perm is None and axes is None else perm if axes is None else axes
    if not isinstance(order, list) or sorted(c.axes(x, order)) != list(range(x.rank)) or len(order) != x.rank:
        raise Refusal("the order is no order of the axes", repr(order)[:80], f"each of 0 to {x.rank - 1} once")
    return x.permuted([c.axis(x, a) for a in order])


@function("Swapaxes")
def swap_axes(c: Call, x: Tensor, axis1: int, axis2: int) -> Tensor:
    order = list(range(x.rank))
    a, b = c.axis(x, axis1), c.axis(x, axis2)
    order[a], order[b] = b, a
    return x.permuted(order)


@function("ExpandDims", "expand_dims")
def expand_dims(c: Call, x: Tensor, axis: Any = -1) -> Tensor:
    axes = [axis] if type(axis) is int else axis
    rank = x.rank + len(axes)
    return c.tensor(c.emit("Unsqueeze", c.plain(x), ints(*sorted(c.axis(x, a, rank - x.rank) for a in axes))))


@function("Squeeze", "squeeze")
def squeeze(c: Call, x: Tensor, axis: Any = None) -> Tensor:
    if axis is None:
        axis = [i for i, n in enumerate(c.shape(x)) if n == 1]
    axes = c.axes(x, axis)
    return c.tensor(c.emit("Squeeze", c.plain(x), ints(*axes)))


@function("Concatenate", "ConcatV2", "concat")
def concatenate(c: Call, xs: Any, axis: int = -1, values: Any = None) -> Tensor:
    return merging.joined(c, tensors(xs), axis)


@function("Stack", "stack")
def stack(c: Call, x: Any, axis: int = 0) -> Tensor:
    found = tensors(x)
    at = c.axis(found[0], axis, 1)
    names = [c.emit("Unsqueeze", c.plain(one), ints(at)) for one in found]
    return c.tensor(c.emit("Concat", *names, axis=at))


@function("Split", "split")
def split(
    c: Call, x: Tensor, indices_or_sections: Any = None, axis: int = 0, num_or_size_splits: Any = None
) -> list[Tensor]:
    """Into equal parts, at indices (keras.ops), or into sizes (tf)."""
    at = c.axis(x, axis)
    size = c.static(x, at)
    given = num_or_size_splits if indices_or_sections is None else indices_or_sections
    if type(given) is int:
        if given < 1 or size % given:
            raise Refusal("the parts do not fit", f"{given} of {size}")
        parts = [size // given] * given
    elif indices_or_sections is not None:
        edges = [0, *given, size]
        parts = [b - a for a, b in pairwise(edges)]
    else:
        parts = list(given)
    if min(parts, default=0) < 1 or sum(parts) != size:
        raise Refusal("the parts do not fit", f"{parts} of {size}")
    names = c.emit_many("Split", len(parts), x.forms[x.order], ints(*parts), axis=x.order.index(at))
    return [c.tensor(name, x.order) for name in names]


@function("Pad", "pad", "PadV2")
def pad(
    c: Call, x: Tensor, paddings: Any = None, pad_width: Any = None, mode: str = "constant", constant_values: Any = None
) -> Tensor:
    given = paddings if pad_width is None else pad_width
    pairs = [[given] * 2] * x.rank if type(given) is int else given
    if not isinstance(pairs, list) or len(pairs) != x.rank:
        raise Refusal("the padding does not fit the tensor", repr(given)[:80], f"{x.rank} pairs")
    by_axis = {i: (c.whole(a, "padding", 0), c.whole(b, "padding", 0)) for i, (a, b) in enumerate(pairs)}
    kind = str(mode).lower()
    if kind not in ("constant", "reflect"):
        raise Refusal("a padding is not supported", mode, "zeros, or reflect")
    if constant_values not in (None, 0, 0.0):
        raise Refusal("a padding is not supported", f"constant_values {constant_values}", "zeros, or reflect")
    return shapes.padded(c, x, by_axis, mode=None if kind == "constant" else kind)


@function("GetItem", "__operators__.getitem")
def get_item(c: Call, x: Tensor, key: Any = None, slice_spec: Any = None) -> Tensor:
    """Slices with steps of 1, single elements, new axes, and an ellipsis."""
    given = slice_spec if key is None else key
    items = list(given) if isinstance(given, list) else [given]
    taken = sum(item is not None and item is not Ellipsis and item != "..." for item in items)
    bounds: dict[int, tuple[int | None, int | None]] = {}
    gone: list[int] = []
    added: list[int] = []
    axis = 0
    for item in items:
        if item is Ellipsis or item == "...":
            axis += x.rank - taken
        elif item is None:
            added.append(axis - len(gone) + len(added))
        elif type(item) is int:
            at = c.axis(x, axis)
            bounds[at] = (item, item + 1 if item != -1 else None)
            gone.append(at)
            axis += 1
        else:
            bounds[c.axis(x, axis)] = _bounds(item)
            axis += 1
    y = shapes.sliced(c, x, bounds)
    if gone:
        y = c.tensor(c.emit("Squeeze", c.plain(y), ints(*gone)))
    return c.tensor(c.emit("Unsqueeze", c.plain(y), ints(*added))) if added else y


def _bounds(item: Any) -> tuple[int | None, int | None]:
    if not isinstance(item, Mapping) or item.get("step") not in (None, 1):
        raise Refusal("a part of a tensor is not supported", repr(item)[:80], "numbers, and slices with steps of 1")
    begin, end = item.get("start"), item.get("stop")
    if any(n is not None and type(n) is not int for n in (begin, end)):
        raise Refusal("a part of a tensor is not supported", repr(item)[:80], "bounds that are numbers")
    return begin, end
