"""Layers of several tensors."""

from __future__ import annotations

from collections.abc import Sequence

from magik_frontend_tf.keras_files.call import Call, f32, ints
from magik_frontend_tf.keras_files.layers.normalization import l2_normalize
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Order, Tensor, plain

OPS = {"Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Maximum": "Max", "Minimum": "Min", "Average": "Add"}


@layer("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
def merge(c: Call) -> Tensor:
    kind, count = c.layer.kind, len(c.inputs)
    if count < 2 or (kind == "Subtract" and count != 2):
        raise Refusal("the layer has another number of inputs", count, "2" if kind == "Subtract" else "2 or more")
    names, order = aligned(c, _expanded(c, c.inputs))
    y = names[0]
    for name in names[1:]:
        y = c.emit(OPS[kind], y, name)
    if kind == "Average":
        y = c.emit("Mul", y, f32(1 / count))
    return c.tensor(y, order)


def _expanded(c: Call, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Keras puts axes of one element behind the batch of a tensor that has fewer."""
    most = max(x.rank for x in inputs)
    return [x if x.rank == most else _with_axes(c, x, most - x.rank) for x in inputs]


def _with_axes(c: Call, x: Tensor, count: int) -> Tensor:
    return c.tensor(c.emit("Unsqueeze", c.plain(x), ints(*range(1, count + 1))))


def aligned(c: Call, inputs: Sequence[Tensor]) -> tuple[list[str], Order]:
    """The values of some tensors in one order of axes, that of the largest; ranks as in numpy's broadcasting."""
    most = max(x.rank for x in inputs)
    full = [x for x in inputs if x.rank == most]
    order = next((x.order for x in full if x.order != plain(most)), plain(most))
    if any(0 < x.rank < most for x in inputs):
        order = plain(most)
    return [c.form(x, order) if x.rank == most else c.plain(x) for x in inputs], order


@layer("Concatenate")
def concatenate(c: Call) -> Tensor:
    return joined(c, c.inputs, c.config.get("axis", -1))


def joined(c: Call, inputs: Sequence[Tensor], axis: object) -> Tensor:
    if len({x.rank for x in inputs}) != 1:
        raise Refusal("tensors of different ranks are joined", [list(c.shape(x)) for x in inputs])
    names, order = aligned(c, inputs)
    at = order.index(c.axis(inputs[0], axis))
    return c.tensor(c.emit("Concat", *names, axis=at), order)


@layer("Dot")
def dot(c: Call) -> Tensor:
    """A MatMul over one axis of each; tensors of two or three axes."""
    if len(c.inputs) != 2 or {x.rank for x in c.inputs} - {2, 3}:
        raise Refusal("the layer does not fit its inputs", [list(c.shape(x)) for x in c.inputs], "2 of 2 or 3 axes")
    a, b = c.inputs
    given = c.config.get("axes")
    i, j = given if isinstance(given, list) and len(given) == 2 else (given, given)
    i, j = c.axis(a, i), c.axis(b, j)
    if 0 in (i, j):
        raise Refusal("the layer sums over the batch", given)
    if c.flag("normalize"):
        a, b = l2_normalize(c, a, i), l2_normalize(c, b, j)
    left = c.form(a, (0, *(n for n in range(1, a.rank) if n != i), i))
    right = c.form(b, (0, j, *(n for n in range(1, b.rank) if n != j)))
    left = c.emit("Unsqueeze", left, ints(1)) if a.rank == 2 else left
    right = c.emit("Unsqueeze", right, ints(2)) if b.rank == 2 else right
    y = c.emit("MatMul", left, right)
    if (a.rank, b.rank) == (2, 2):
        return c.tensor(c.emit("Squeeze", y, ints(2)))
    gone = [axis for axis, x in ((1, a), (2, b)) if x.rank == 2]
    return c.tensor(c.emit("Squeeze", y, ints(*gone)) if gone else y)
