"""Reductions over axes."""

from __future__ import annotations

from functools import partial

from magik_frontend_mxnet.call import Call, ints
from magik_frontend_mxnet.layers.registry import layer

OPS = {"ReduceMean": ("mean",), "ReduceSum": ("sum", "sum_axis"), "ReduceMax": ("max", "max_axis"),
       "ReduceMin": ("min", "min_axis"), "ReduceProd": ("prod",)}  # fmt: skip


def _reduce(c: Call, op: str) -> str:
    keep = int(c.attrs.flag("keepdims", False))
    axes = c.attrs.integers("axis", ())
    if c.attrs.flag("exclude", False):
        left = {c.axis(c.x, axis) for axis in axes}
        axes = [axis for axis in range(c.rank(c.x)) if axis not in left]
        if not axes:
            return c.emit("Identity", c.x)
    if axes:
        return c.emit(op, c.x, ints(*axes), keepdims=keep)
    total = c.emit(op, c.x, keepdims=keep)  # of everything: MXNet has no scalars, but tensors of one value
    return total if keep else c.emit("Reshape", total, ints(1))


for _op, _names in OPS.items():
    _function = partial(_reduce, op=_op)
    _function.__module__ = __name__
    layer(*_names)(_function)


@layer("argmax")
def argmax(c: Call) -> str:
    return _arg(c, "ArgMax")


@layer("argmin")
def argmin(c: Call) -> str:
    return _arg(c, "ArgMin")


@layer("argmax_channel")
def argmax_channel(c: Call) -> str:
    return c.to_float(c.emit("ArgMax", c.x, axis=1, keepdims=0))


def _arg(c: Call, op: str) -> str:
    keep = int(c.attrs.flag("keepdims", False))
    if c.attrs.has("axis"):
        found = c.emit(op, c.x, axis=c.attrs.integer("axis"), keepdims=keep)
    else:
        found = c.emit(op, c.emit("Reshape", c.x, ints(-1)), axis=0, keepdims=1)
    return c.to_float(found)
