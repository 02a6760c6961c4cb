"""Operators that only move values: axes, sizes, order"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from magik_frontend_tf.tflite.axes import moves, permuted, plain, without
from magik_frontend_tf.tflite.builder import Refusal, graph_type
from magik_frontend_tf.tflite.call import Call, Laid, Made
from magik_frontend_tf.tflite.layers import operator
from magik_frontend_tf.tflite.layers.elementwise import aligned


@operator("RESHAPE")
def reshape(c: Call) -> ir.Value:
    """To the sizes of the second input, or of the options in old files."""
    sizes = c.ints(1) if c.has(1) else list(c.option("new_shape"))
    return c.emit("Reshape", c.sequence(0), c.integers(_sizes(c, sizes), "shape"))


def _sizes(c: Call, sizes: list[int]) -> list[int]:
    """The target with its -1 resolved."""
    count, known = math.prod(c.shape(0)), math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known > 0 and count % known == 0:
        sizes = [count // known if n == -1 else n for n in sizes]
    if min(sizes, default=1) < 1 or math.prod(sizes) != count:
        found = f"{list(c.shape(0))} to {sizes}"
        hint = "INPUT_SHAPE of the sizes that the file was converted with"
        raise Refusal("a reshape does not fit its input", found, hint=hint)
    return sizes


@operator("TRANSPOSE")
def transpose(c: Call) -> Laid:
    """No node: the value keeps its axes, the tensor has them in another order."""
    perm = c.ints(1)
    if sorted(perm) != list(range(c.rank(0))):
        raise Refusal("an order of axes is none", perm, f"each of 0 to {c.rank(0) - 1} once")
    if c.input(0).is_constant:
        return Laid(c.emit("Transpose", c.plain(0), perm=perm), plain(len(perm)))
    x = c.any()
    return Laid(x.value, tuple(moves(tuple(perm), x.order)))


@operator("SQUEEZE")
def squeeze(c: Call) -> Laid:
    named = [c.axis(axis, c.rank(0)) for axis in c.option("squeeze_dims")]
    axes = named or [axis for axis, size in enumerate(c.shape(0)) if size == 1]
    return dropped(c, c.any(), axes) if axes else c.any()


def dropped(c: Call, x: Laid, axes: Sequence[int]) -> Laid:
    """A value without axes of one element."""
    inner = c.integers(sorted(x.order.index(axis) for axis in axes), "axes")
    return Laid(c.emit("Squeeze", x.value, inner), without(x.order, axes))


def added(c: Call, x: Laid, axis: int) -> Laid:
    """A value with an axis of one element more, behind the axis that it follows in the tensor."""
    place = x.order.index(axis - 1) + 1 if axis else 0
    order = [n + (n >= axis) for n in x.order]
    order.insert(place, axis)
    return Laid(c.emit("Unsqueeze", x.value, c.integers([place], "axes")), tuple(order))


@operator("EXPAND_DIMS")
def expand_dims(c: Call) -> Laid:
    return added(c, c.any(), c.axis(c.ints(1)[0], c.rank(0) + 1))


@operator("CONCATENATION")
def concatenation(c: Call) -> Laid:
    if len({c.rank(i) for i in range(c.count)}) != 1:
        raise Refusal("inputs have different numbers of axes", [c.rank(i) for i in range(c.count)])
    values, order = aligned(c, range(c.count))
    axis = order.index(c.axis(c.option("axis"), c.rank(0)))
    return Laid(c.activated(c.emit("Concat", *values, axis=axis)), order)


@operator("PACK")
def pack(c: Call) -> Laid:
    values, order = aligned(c, range(c.count))
    axis = c.axis(c.option("axis"), len(order) + 1)
    parts = [added(c, Laid(value, order), axis) for value in values]
    if len(parts) == 1:
        return parts[0]
    return Laid(c.emit("Concat", *(p.value for p in parts), axis=parts[0].order.index(axis)), parts[0].order)


@operator("UNPACK")
def unpack(c: Call) -> list[Made]:
    x, axis = c.any(), c.axis(c.option("axis"), c.rank(0))
    return [dropped(c, part, [axis]) for part in _split(c, x, axis, [1] * len(c.outputs))]


@operator("SPLIT")
def split(c: Call) -> list[Made]:
    """Into equal parts; the axis is the first input."""
    axis, count = c.axis(c.ints(0)[0], c.rank(1)), len(c.outputs)
    size = c.shape(1)[axis]
    if size % count:
        raise Refusal("parts are not equal", f"{size} in {count}")
    return list(_split(c, c.any(1), axis, [size // count] * count))


@operator("SPLIT_V")
def split_v(c: Call) -> list[Made]:
    sizes, axis = c.ints(1), c.axis(c.ints(2)[0], c.rank(0))
    if sizes.count(-1) == 1:
        rest = c.shape(0)[axis] - sum(n for n in sizes if n != -1)
        sizes = [rest if n == -1 else n for n in sizes]
    return list(_split(c, c.any(0), axis, sizes))


def _split(c: Call, x: Laid, axis: int, sizes: list[int]) -> list[Laid]:
    total = graph_size(x, axis)
    if len(sizes) != len(c.outputs) or min(sizes, default=0) < 1 or sum(sizes) != total:
        raise Refusal("parts do not fit what is split", f"{sizes} of {total}, {len(c.outputs)} outputs")
    if len(sizes) == 1:
        return [x]
    made = c.emit_many("Split", [x.value, c.integers(sizes, "split")], len(sizes), axis=x.order.index(axis))
    return [Laid(value, x.order) for value in made]


def graph_size(x: Laid, axis: int) -> int:
    shape = x.value.shape
    assert shape is not None
    return int(shape[x.order.index(axis)])  # type: ignore[arg-type]


@operator("TILE")
def tile(c: Call) -> Laid:
    x, repeats = c.any(), c.ints(1)
    if len(repeats) != c.rank(0) or min(repeats, default=1) < 1:
        raise Refusal("repeats do not fit their input", repeats, f"{c.rank(0)} numbers of 1 or more")
    return Laid(c.emit("Tile", x.value, c.integers(permuted(repeats, x.order), "repeats")), x.order)


@operator("BROADCAST_TO")
def broadcast_to(c: Call) -> ir.Value:
    return c.emit("Expand", c.plain(0), c.integers(c.ints(1), "shape"))


@operator("SHAPE")
def shape(c: Call) -> np.ndarray:
    """A stored list: sizes are known."""
    return np.array(c.shape(0), np.int64 if c.outputs[0].type == "s64" else np.int32)


@operator("FILL")
def fill(c: Call) -> Made:
    sizes = c.ints(0)
    _check_made(c, sizes)
    if c.input(1).is_constant and c.input(1).tensor.quantization is None:
        return np.full(sizes, c.array(1).reshape(()))
    return c.emit("Expand", c.plain(1), c.integers(sizes, "shape"))


@operator("ZEROS_LIKE")
def zeros_like(c: Call) -> Made:
    _check_made(c, c.shape(0))
    tensor = c.outputs[0]
    if tensor.quantization is not None:
        return c.builder.constant(f"{tensor.name}/zeros", np.zeros(c.shape(0), np.float32))
    return np.zeros(c.shape(0), graph_type(tensor.type).numpy())


def _check_made(c: Call, sizes: Sequence[int]) -> None:
    if min(sizes, default=1) < 1:
        raise Refusal("the output of an operator has no sensible size", list(sizes), "sizes of at least 1")
    c.builder.claim(8 * math.prod(sizes))


# ---- blocks ----------------------------------------------------------------------------------------------


@operator("SPACE_TO_BATCH_ND")
def space_to_batch(c: Call) -> ir.Value:
    """Pad, and the blocks of each axis before the batch."""
    block, rank = _block(c), c.rank(0)
    pads = np.array(c.ints(2)).reshape(-1, 2)
    if pads.shape != (len(block), 2) or pads.min() < 0:
        raise Refusal("a padding is none", pads.tolist(), f"{len(block)} pairs")
    full = np.zeros((rank, 2), np.int64)
    full[1 : len(block) + 1] = pads
    x = c.emit("Pad", c.plain(0), c.integers(full.T.reshape(-1).tolist(), "pads"))
    sizes = [int(n) for n in np.array(c.shape(0)) + full.sum(1)]
    inner = [sizes[0]]
    for size, b in zip(sizes[1:], block, strict=False):
        if size % b:
            raise Refusal("blocks do not fit their input", f"{size} in {b}")
        inner += [size // b, b]
    order = [*range(2, 2 * len(block) + 1, 2), 0, *range(1, 2 * len(block) + 1, 2)]
    rest = sizes[len(block) + 1 :]
    order += range(2 * len(block) + 1, 2 * len(block) + 1 + len(rest))
    y = c.emit("Transpose", c.emit("Reshape", x, c.integers([*inner, *rest], "inner")), perm=order)
    outer = [sizes[0] * math.prod(block), *(n // b for n, b in zip(sizes[1:], block, strict=False)), *rest]
    return c.emit("Reshape", y, c.integers(outer, "shape"))


@operator("BATCH_TO_SPACE_ND")
def batch_to_space(c: Call) -> ir.Value:
    """The blocks out of the batch into each axis, and what is cropped."""
    block, shape_ = _block(c), c.shape(0)
    crops = np.array(c.ints(2)).reshape(-1, 2)
    count, n = math.prod(block), len(block)
    if crops.shape != (n, 2) or crops.min() < 0 or shape_[0] % count:
        raise Refusal("blocks do not fit their input", f"{list(shape_)} in {block}, crops {crops.tolist()}")
    x = c.emit("Reshape", c.plain(0), c.integers([*block, shape_[0] // count, *shape_[1:]], "inner"))
    order = [n, *(axis for i in range(n) for axis in (n + 1 + i, i)), *range(2 * n + 1, n + len(shape_))]
    y = c.emit("Transpose", x, perm=order)
    sizes = [size * b for size, b in zip(shape_[1:], block, strict=False)]
    y = c.emit("Reshape", y, c.integers([shape_[0] // count, *sizes, *shape_[n + 1 :]], "shape"))
    if not crops.any():
        return y
    ends = [size - int(crop) for size, crop in zip(sizes, crops[:, 1], strict=True)]
    axes = c.integers(list(range(1, n + 1)), "axes")
    return c.emit("Slice", y, c.integers(crops[:, 0].tolist(), "starts"), c.integers(ends, "ends"), axes)


def _block(c: Call) -> list[int]:
    block = c.ints(1)
    if not block or min(block) < 1 or len(block) >= c.rank(0):
        raise Refusal("a block has no size", block, f"1 to {c.rank(0) - 1} sizes")
    return block
