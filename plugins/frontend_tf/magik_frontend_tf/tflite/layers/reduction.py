"""Reductions over axes"""

from __future__ import annotations

from magik_frontend_tf.tflite.axes import Order, without
from magik_frontend_tf.tflite.call import Call, Laid
from magik_frontend_tf.tflite.layers import operator

REDUCED = {
    "MEAN": "ReduceMean", "REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin", "REDUCE_PROD": "ReduceProd",
    "SUM": "ReduceSum",
}  # fmt: skip
ARGS = {"ARG_MAX": "ArgMax", "ARG_MIN": "ArgMin"}


@operator(*REDUCED)
def reduce(c: Call) -> Laid:
    """Over the axes that the second input lists."""
    x, keeps = c.any(), bool(c.option("keep_dims"))
    axes = sorted({c.axis(axis, c.rank(0)) for axis in c.ints(1)})
    if not axes:
        return x
    inner = c.integers(sorted(x.order.index(axis) for axis in axes), "axes")
    return Laid(c.emit(REDUCED[c.op.name], x.value, inner, keepdims=int(keeps)), _left(x.order, axes, keeps))


@operator(*ARGS)
def arg(c: Call) -> Laid:
    """The first where several are equal."""
    x, axis = c.any(), c.axis(next(iter(c.ints(1)), 0), c.rank(0))
    y = c.emit(ARGS[c.op.name], x.value, axis=x.order.index(axis), keepdims=0)
    return Laid(y, _left(x.order, [axis], False))


def _left(order: Order, axes: list[int], keeps: bool) -> Order:
    return order if keeps else without(order, axes)
