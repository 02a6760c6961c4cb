"""Parts of tensors."""

from __future__ import annotations

from magik_frontend_mxnet.call import Call, Operand, f32, ints
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal

FIRST, LAST = -(1 << 63), (1 << 63) - 1  # ONNX's way to say "as far as there is something"
MAX_PARTS = 1 << 12


@layer("slice", "crop")
def slice_(c: Call) -> str:
    begin, end, step = (c.attrs.optional_integers(name) for name in ("begin", "end", "step"))
    steps = [n or 1 for n in (step or [1] * len(begin))]
    if not len(begin) == len(end) == len(steps) or not begin:
        found = f"{len(begin)} begin, {len(end)} end, {len(steps)} step"
        raise Refusal("the attributes do not fit each other", found, "as many of each")
    starts = [(0 if s > 0 else LAST) if n is None else n for n, s in zip(begin, steps, strict=True)]
    ends = [(LAST if s > 0 else FIRST) if n is None else n for n, s in zip(end, steps, strict=True)]
    return _slice(c, c.x, starts, ends, list(range(len(starts))), steps)


def _slice(c: Call, x: str, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> str:
    return c.emit("Slice", x, ints(*starts), ints(*ends), ints(*axes), ints(*steps))


@layer("slice_axis")
def slice_axis(c: Call) -> str:
    begin, end = c.attrs.integer("begin"), c.attrs.integer("end", LAST >> 1)
    return _slice(c, c.x, [begin], [end], [c.attrs.integer("axis")], [1])


@layer("slice_like")
def slice_like(c: Call) -> str:
    axes = c.attrs.integers("axes", ()) or list(range(c.rank(c.input(1))))
    ends = c.sizes([c.dim(c.input(1), axis) for axis in axes])
    return c.emit("Slice", c.x, ints(*[0] * len(axes)), ends, ints(*axes))


@layer("SliceChannel", "split")
def slice_channel(c: Call) -> list[str]:
    count, axis = c.attrs.integer("num_outputs", least=1, most=MAX_PARTS), c.attrs.integer("axis", 1)
    is_squeezed = c.attrs.flag("squeeze_axis", False)
    parts = [c.x] if count == 1 else c.emit_many("Split", count, c.x, axis=axis, num_outputs=count)
    return [c.emit("Squeeze", part, ints(axis)) for part in parts] if is_squeezed else parts


@layer("_split_v2", "split_v2")
def split_v2(c: Call) -> list[str]:
    """Equal sections, or parts that begin at `indices`; the first of these is 0."""
    axis, sections = c.attrs.integer("axis", 0), c.attrs.integer("sections", 0, least=0, most=MAX_PARTS)
    is_squeezed = c.attrs.flag("squeeze_axis", False)
    if sections:
        parts = c.emit_many("Split", sections, c.x, axis=axis, num_outputs=sections) if sections > 1 else [c.x]
    else:
        starts = c.attrs.integers("indices", (), least=0) or [0]
        ends = [*starts[1:], LAST]
        parts = [_slice(c, c.x, [a], [b], [axis], [1]) for a, b in zip(starts, ends, strict=True)]
    return [c.emit("Squeeze", part, ints(axis)) for part in parts] if is_squeezed else parts


@layer("Crop")
def crop(c: Call) -> str:
    """Height and width of a second input, or those given, from an offset or from the middle."""
    if c.attrs.integer("num_args", len(c.inputs)) == 1 or len(c.inputs) == 1:
        size: list[int | str] = [*c.attrs.integers("h_w", least=1)]
    else:
        size = [c.dim(c.input(1), 2), c.dim(c.input(1), 3)]
    offset: list[int | str] = [*(c.attrs.integers("offset", (), least=0) or [0, 0])]
    if len(size) != 2 or len(offset) != 2:
        raise Refusal("the attributes do not fit each other", f"h_w {size}, offset {offset}", "two numbers in each")
    if c.attrs.flag("center_crop", False):
        offset = [_middle(c, c.dim(c.x, axis + 2), size[axis]) for axis in range(2)]
    ends = [_sum(c, a, b) for a, b in zip(offset, size, strict=True)]
    return c.emit("Slice", c.x, c.sizes(offset), c.sizes(ends), ints(2, 3))


def _array(size: int | str) -> Operand:
    return ints(size) if isinstance(size, int) else size


def _sum(c: Call, a: int | str, b: int | str) -> int | str:
    return a + b if isinstance(a, int) and isinstance(b, int) else c.emit("Add", _array(a), _array(b))


def _middle(c: Call, whole: int | str, part: int | str) -> int | str:
    if isinstance(whole, int) and isinstance(part, int):
        return (whole - part) // 2
    return c.emit("Div", c.emit("Sub", _array(whole), _array(part)), ints(2))


@layer("reverse", "flip")
def reverse(c: Call) -> str:
    axes = c.attrs.integers("axis")
    count = len(axes)
    return _slice(c, c.x, [LAST] * count, [FIRST] * count, axes, [-1] * count)


@layer("SequenceReverse")
def sequence_reverse(c: Call) -> str:
    c.attrs.text("use_sequence_length", "False", ("False", "0"))
    return _slice(c, c.x, [LAST], [FIRST], [c.attrs.integer("axis", 0)], [-1])


@layer("SequenceLast")
def sequence_last(c: Call) -> str:
    c.attrs.text("use_sequence_length", "False", ("False", "0"))
    return c.emit("Gather", c.x, ints(-1).reshape(()), axis=c.attrs.integer("axis", 0))


@layer("Embedding", "_contrib_SparseEmbedding")
def embedding(c: Call) -> str:
    return c.emit("Gather", c.weight(1), c.to_int(c.x), axis=0)


@layer("take")
def take(c: Call) -> str:
    c.attrs.text("mode", "clip", ("clip", "raise"))
    return c.emit("Gather", c.x, c.to_int(c.input(1)), axis=c.attrs.integer("axis", 0))


@layer("one_hot")
def one_hot(c: Call) -> str:
    values = f32([c.attrs.number("off_value", 0), c.attrs.number("on_value", 1)])
    return c.emit("OneHot", c.to_int(c.x), ints(c.attrs.integer("depth", least=1, most=1 << 24)), values, axis=-1)
