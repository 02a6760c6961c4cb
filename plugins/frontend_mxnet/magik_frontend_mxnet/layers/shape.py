"""Layers that only move values: axes, sizes, order."""

from __future__ import annotations

import numpy as np

from magik_frontend_mxnet import reshape_codes
from magik_frontend_mxnet.call import Call, ints
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal


@layer("Flatten", "flatten")
def flatten(c: Call) -> str:
    return c.emit("Flatten", c.x, axis=1)


@layer("Reshape", "reshape")
def reshape(c: Call) -> str:
    codes = c.attrs.integers("shape", ())
    if not codes:  # until 0.8: `target_shape`, where 0 is the size that is left
        c.attrs.text("keep_highest", "False", ("False", "0"))
        codes = [n or -1 for n in c.attrs.integers("target_shape", (), least=0)]
    is_reverse = c.attrs.flag("reverse", False)
    shape = c.builder.shape(c.x)
    if shape is None and (is_reverse or -2 in codes):
        c.shape(c.x)
    parts = reshape_codes.parts(codes, None if shape is None else len(shape), is_reverse)
    target = reshape_codes.sizes(parts, shape or ())
    if target is not None:
        return c.emit("Reshape", c.x, ints(*target))
    return c.emit("Reshape", c.x, c.sizes([_size(c, part) for part in parts]))


def _size(c: Call, part: reshape_codes.Part) -> int | str:
    """A part of a target shape whose sizes are open."""
    if isinstance(part, int):
        return part
    size = c.dim(c.x, part.axes[0])
    for axis in part.axes[1:]:
        other = c.dim(c.x, axis)
        size = c.emit("Mul", *(ints(n) if isinstance(n, int) else n for n in (size, other)))
    if part.divisor == 1:
        return size
    return size // part.divisor if isinstance(size, int) else c.emit("Div", size, ints(part.divisor))


@layer("reshape_like")
def reshape_like(c: Call) -> str:
    for name in ("lhs_begin", "lhs_end", "rhs_begin", "rhs_end"):
        c.attrs.text(name, "None", ("None",))
    return c.emit("Reshape", c.x, c.emit("Shape", c.input(1)))


@layer("transpose")
def transpose(c: Call) -> str:
    axes = c.attrs.integers("axes", ())
    if not axes:
        return c.emit("Transpose", c.x)
    shape = c.builder.shape(c.x)
    if sorted(axes) != list(range(len(axes) if shape is None else len(shape))):
        found = f"axes {tuple(axes)}" + ("" if shape is None else f" of {len(shape)}")
        raise Refusal("the axes are no order of those that there are", found, "each axis once")
    return c.emit("Transpose", c.x, perm=axes)


@layer("SwapAxis", "swapaxes")
def swap_axis(c: Call) -> str:
    perm = list(range(c.rank(c.x)))
    a, b = (c.axis(c.x, c.attrs.integer(name, 0)) for name in ("dim1", "dim2"))
    perm[a], perm[b] = perm[b], perm[a]
    return c.emit("Transpose", c.x, perm=perm)


@layer("expand_dims")
def expand_dims(c: Call) -> str:
    return c.emit("Unsqueeze", c.x, ints(c.attrs.integer("axis")))


@layer("squeeze")
def squeeze(c: Call) -> str:
    axes = c.attrs.integers("axis", ())
    return c.emit("Squeeze", c.x, ints(*axes)) if axes else c.emit("Squeeze", c.x)


@layer("Concat", "concat", "_rnn_param_concat")
def concat(c: Call) -> str:
    return c.emit("Concat", *_alike(c), axis=c.attrs.integer("dim", 1))


@layer("stack")
def stack(c: Call) -> str:
    axis = c.attrs.integer("axis", 0)
    return c.emit("Concat", *(c.emit("Unsqueeze", value, ints(axis)) for value in _alike(c)), axis=axis)


def _alike(c: Call) -> list[str]:
    """The inputs in one dtype."""
    if not c.inputs:
        c.input(0)
    return c.inputs if len({c.builder.dtype(v) for v in c.inputs}) == 1 else [c.to_float(v) for v in c.inputs]


@layer("tile")
def tile(c: Call) -> str:
    reps, rank = c.attrs.integers("reps", least=1), c.rank(c.x)
    x = c.emit("Unsqueeze", c.x, ints(*range(len(reps) - rank))) if len(reps) > rank else c.x
    return c.emit("Tile", x, ints(*[1] * (rank - len(reps)), *reps))


@layer("repeat")
def repeat(c: Call) -> str:
    """Each element several times in a row: a new axis behind, tiled, and merged."""
    count = c.attrs.integer("repeats", least=1)
    x = c.x if c.attrs.has("axis") else c.emit("Reshape", c.x, ints(-1))
    axis, rank = c.axis(x, c.attrs.integer("axis", 0)), c.rank(x)
    tiled = c.emit(
        "Tile", c.emit("Unsqueeze", x, ints(axis + 1)), ints(*[1] * (axis + 1), count, *[1] * (rank - 1 - axis))
    )
    sizes = [c.dim(x, i) for i in range(rank)]
    size = sizes[axis]
    sizes[axis] = size * count if isinstance(size, int) else c.emit("Mul", size, ints(count))
    return c.emit("Reshape", tiled, c.sizes(sizes))


@layer("broadcast_to")
def broadcast_to(c: Call) -> str:
    return c.emit("Expand", c.x, ints(*(n or 1 for n in c.attrs.integers("shape", least=0))))


@layer("broadcast_axis", "broadcast_axes")
def broadcast_axis(c: Call) -> str:
    axes, sizes = c.attrs.integers("axis"), c.attrs.integers("size", least=1)
    if len(axes) != len(sizes):
        raise Refusal(
            "the attributes do not fit each other", f"{len(axes)} axes, {len(sizes)} sizes", "as many of both"
        )
    shape = [1] * c.rank(c.x)
    for axis, size in zip(axes, sizes, strict=True):
        shape[c.axis(c.x, axis)] = size
    return c.emit("Expand", c.x, ints(*shape))


@layer("broadcast_like")
def broadcast_like(c: Call) -> str:
    for name in ("lhs_axes", "rhs_axes"):
        c.attrs.text(name, "None", ("None",))
    return c.emit("Expand", c.x, c.emit("Shape", c.input(1)))


@layer("Pad", "pad")
def pad(c: Call) -> str:
    width = c.attrs.integers("pad_width", least=0)
    mode = c.attrs.text("mode", "constant", ("constant", "edge", "reflect"))
    value = [np.float32(c.attrs.number("constant_value", 0))] if mode == "constant" else []
    return c.emit("Pad", c.x, ints(*width[::2], *width[1::2]), *value, mode=mode)


@layer("depth_to_space")
def depth_to_space(c: Call) -> str:
    return c.emit("DepthToSpace", c.x, blocksize=c.attrs.integer("block_size", least=1, most=1 << 16), mode="DCR")


@layer("space_to_depth")
def space_to_depth(c: Call) -> str:
    return c.emit("SpaceToDepth", c.x, blocksize=c.attrs.integer("block_size", least=1, most=1 << 16))


@layer("shape_array")
def shape_array(c: Call) -> str:
    return c.emit("Shape", c.x)
