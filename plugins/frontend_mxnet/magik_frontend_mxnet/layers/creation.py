"""Tensors from nothing."""

from __future__ import annotations

import math

import numpy as np

from magik_frontend_mxnet.call import Call, f32, ints
from magik_frontend_mxnet.layers.registry import layer
from magik_frontend_mxnet.refusal import Refusal, Unknown

MOST = 1 << 24  # elements: far above the anchors and grids that models make


@layer("_zeros", "_zeros_without_dtype")
def zeros(c: Call) -> str:
    """An open size is taken for what it is nearly always: the first state of a recurrent layer."""
    if 0 in c.attrs.integers("shape", (), least=0):
        name = c.builder.add_unknown(f"{c.name}_output")
        c.zeros.add(name)
        return name
    return _filled(c, 0)


@layer("_ones")
def ones(c: Call) -> str:
    return _filled(c, 1)


@layer("_full")
def full(c: Call) -> str:
    return _filled(c, c.attrs.number("value"))


def _filled(c: Call, value: float) -> str:
    shape = c.attrs.integers("shape", least=0)
    if 0 in shape:
        raise Unknown("a tensor has a size that is not known", f"shape {tuple(shape)}", "sizes of 1 or more")
    if len(shape) > 8 or math.prod(shape) > MOST:
        raise Refusal("a constant is too large", f"shape {tuple(shape[:9])}", f"at most {MOST} elements")
    return c.emit("Expand", f32(value), ints(*shape))


@layer("_arange")
def arange(c: Call) -> str:
    start, step, repeats = c.attrs.number("start", 0), c.attrs.number("step", 1), c.attrs.integer("repeat", 1, least=1)
    stop = c.attrs.number("stop", start)
    if not c.attrs.has("stop"):
        start, stop = 0, start
    count = math.ceil((stop - start) / step) if step and math.isfinite((stop - start) / step) else -1
    if not 0 < count * repeats <= MOST:
        found = f"start {start}, stop {stop}, step {step}, repeat {repeats}"
        raise Refusal("a range has no such values", found, f"1 to {MOST} elements")
    return c.emit("Identity", f32(np.repeat(start + step * np.arange(count), repeats)))


@layer("zeros_like")
def zeros_like(c: Call) -> str:
    return c.emit("Expand", f32(0), c.emit("Shape", c.x))


@layer("ones_like")
def ones_like(c: Call) -> str:
    return c.emit("Expand", f32(1), c.emit("Shape", c.x))
