"""Parts of tensors, and what lies around them"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from magik_frontend_tf.tflite.axes import permuted
from magik_frontend_tf.tflite.builder import Refusal
from magik_frontend_tf.tflite.call import Call, Laid
from magik_frontend_tf.tflite.layers import operator
from magik_frontend_tf.tflite.layers.moves import added, dropped

TO_THE_FRONT = -(1 << 63) + 1  # where a Slice that goes backwards ends behind the first element


@operator("SLICE")
def slice_(c: Call) -> Laid:
    begins, sizes = c.ints(1), c.ints(2)
    if len(begins) != c.rank(0) or len(sizes) != c.rank(0):
        raise Refusal("a slice does not fit its input", f"{begins}, {sizes}", f"{c.rank(0)} numbers each")
    ends = [size if n == -1 else begin + n for begin, n, size in zip(begins, sizes, c.shape(0), strict=True)]
    return _sliced(c, c.any(), begins, ends, [1] * len(begins))


@operator("STRIDED_SLICE")
def strided_slice(c: Call) -> Laid:
    """NumPy's indexing as TensorFlow packs it into lists and masks."""
    begins, ends, steps, new, gone = _indexed(c)
    x = _sliced(c, c.any(), begins, ends, steps)
    if gone:
        x = dropped(c, x, gone)
    for axis in new:
        x = added(c, x, axis)
    return x


def _indexed(c: Call) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """(begins, ends, steps by axis of the input; axes that the output gets; axes of the input that go)."""
    lists = [c.ints(i) for i in (1, 2, 3)]
    if len({len(one) for one in lists}) != 1 or 0 in lists[2]:
        raise Refusal("a slice is none", str(lists), "three lists of one length, steps other than 0")
    masks = {name: int(c.option(f"{name}_mask")) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    count, rank = len(lists[0]), c.rank(0)
    is_new = [bool(masks["new_axis"] >> i & 1) and not masks["ellipsis"] >> i & 1 for i in range(count)]
    is_rest = [bool(masks["ellipsis"] >> i & 1) for i in range(count)]
    rest = rank - (count - sum(is_new) - any(is_rest))
    if rest < 0 or sum(is_rest) > 1:
        raise Refusal("a slice does not fit its input", f"{count} parts for {list(c.shape(0))}")
    begins, ends, steps, new, gone = [0] * rank, list(c.shape(0)), [1] * rank, list[int](), list[int]()
    axis = place = 0
    for i in range(count):
        if is_rest[i]:
            axis, place = axis + rest, place + rest
        elif is_new[i]:
            new.append(place)
            place += 1
        else:
            size = c.shape(0)[axis]
            begins[axis], ends[axis], steps[axis] = _bounds(c, i, size, lists, masks)
            is_gone = masks["shrink_axis"] >> i & 1
            gone += [axis] if is_gone else []
            axis, place = axis + 1, place + (not is_gone)
    return begins, ends, steps, new, gone


def _bounds(c: Call, i: int, size: int, lists: list[list[int]], masks: dict[str, int]) -> tuple[int, int, int]:
    begin, end, step = (one[i] for one in lists)
    if masks["shrink_axis"] >> i & 1:
        if not -size <= begin < size:
            raise Refusal("an index lies outside its axis", f"{begin} of {size}")
        return begin % size, begin % size + 1, 1
    end = begin + end if c.option("offset") else end
    part = slice(None if masks["begin"] >> i & 1 else begin, None if masks["end"] >> i & 1 else end, step)
    return part.indices(size)


def _sliced(c: Call, x: Laid, begins: Sequence[int], ends: Sequence[int], steps: Sequence[int]) -> Laid:
    whole = [axis for axis, size in enumerate(c.shape(0)) if (begins[axis], ends[axis], steps[axis]) != (0, size, 1)]
    for axis in whole:
        size = len(range(begins[axis], ends[axis], steps[axis]))
        if not 0 <= begins[axis] < c.shape(0)[axis] or ends[axis] > c.shape(0)[axis] or size < 1:
            found = f"{begins[axis]} to {ends[axis]} of {c.shape(0)[axis]}"
            raise Refusal("a slice is empty or lies outside its input", found)
    if not whole:
        return x
    stops = [TO_THE_FRONT if ends[axis] < 0 else ends[axis] for axis in whole]
    lists = ([begins[a] for a in whole], stops, [x.order.index(a) for a in whole], [steps[a] for a in whole])
    names = ("starts", "ends", "axes", "steps")
    inputs = [c.integers(one, name) for one, name in zip(lists, names, strict=True)]
    return Laid(c.emit("Slice", x.value, *inputs), x.order)


@operator("REVERSE_V2")
def reverse(c: Call) -> Laid:
    x = c.any()
    axes = [x.order.index(c.axis(axis, c.rank(0))) for axis in c.ints(1)]
    lists = [[-1] * len(axes), [TO_THE_FRONT] * len(axes), axes, [-1] * len(axes)]
    inputs = [c.integers(one, name) for one, name in zip(lists, ("starts", "ends", "axes", "steps"), strict=True)]
    return Laid(c.emit("Slice", x.value, *inputs), x.order)


@operator("GATHER")
def gather(c: Call) -> ir.Value:
    """Without batch axes."""
    if c.option("batch_dims"):
        raise Refusal("a GATHER has batch axes", c.option("batch_dims"), "none")
    axis = c.axis(c.option("axis"), c.rank(0))
    known = c.input(1)
    if known.array is not None and known.array.size:
        low, high = int(known.array.min()), int(known.array.max())
        if low < 0 or high >= c.shape(0)[axis]:
            raise Refusal("an index lies outside its axis", f"{low} to {high} of {c.shape(0)[axis]}")
    return c.emit("Gather", c.plain(0), c.plain(1), axis=axis)


@operator("PAD", "PADV2")
def pad(c: Call) -> Laid:
    """With real 0, or with the value of the third input."""
    x, pads = c.any(), _pads(c)
    value = c.plain(2) if c.op.name == "PADV2" else None
    if value is not None and c.rank(2):
        value = c.emit("Reshape", value, c.integers([], "scalar"))
    return Laid(c.emit("Pad", x.value, _onnx_pads(c, x, pads), value), x.order)


@operator("MIRROR_PAD")
def mirror_pad(c: Call) -> Laid:
    """A Pad that reflects; SYMMETRIC repeats the edge: a Gather for each axis, or a Pad where it is one element."""
    x, pads = c.any(), _pads(c)
    edge = c.option("mode") == "SYMMETRIC"
    for (before, after), size in zip(pads, c.shape(0), strict=True):
        if max(before, after) > size - (not edge):
            raise Refusal("a padding is larger than what it mirrors", f"{before}, {after} of {size}")
    if not edge or pads.max(initial=0) <= 1:
        y = c.emit("Pad", x.value, _onnx_pads(c, x, pads), mode="edge" if edge else "reflect")
        return Laid(y, x.order)
    value = x.value
    for axis, (before, after) in enumerate(pads.tolist()):
        if before or after:
            indices = np.pad(np.arange(c.shape(0)[axis]), (before, after), "symmetric").tolist()
            value = c.emit("Gather", value, c.integers(indices, "indices"), axis=x.order.index(axis))
    return Laid(value, x.order)


def _pads(c: Call) -> np.ndarray:
    pads = np.array(c.ints(1), np.int64)
    if pads.size != 2 * c.rank(0) or pads.min(initial=0) < 0 or pads.max(initial=0) > 1 << 31:
        raise Refusal("a padding is none", pads.tolist(), f"{c.rank(0)} pairs of 0 or more")
    return pads.reshape(-1, 2)


def _onnx_pads(c: Call, x: Laid, pads: np.ndarray) -> ir.Value:
    return c.integers([int(n) for side in (0, 1) for n in permuted(pads[:, side].tolist(), x.order)], "pads")
