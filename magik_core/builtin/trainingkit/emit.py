"""Emit what trained layers become: values rounded to grids, weights in codes, products of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from magik_core.builtin.onnx_quantized.params import Params
from magik_core.builtin.trainingkit.arithmetic import Array, Grid, widened

if TYPE_CHECKING:
    from magik_core.builtin.onnx_quantized.expansion import Expansion

STORAGE: dict[int, int] = {4: TensorProto.UINT4, 8: TensorProto.UINT8, 16: TensorProto.UINT16}


def rounded(to: Expansion, x: str, grid: Grid, out: str) -> str:
    """Round a float tensor to a grid; `out` is the result.

    Codes of a width that ONNX has no type for are limited before. A zero point between two codes is the one above,
    and what that is off by is subtracted before and added after.
    """
    if grid.bits not in STORAGE:
        limits = [_number(to, f"{out}/{name}", value) for name, value in (("low", grid.low), ("high", grid.high))]
        x = to.between("Clip", [x, *limits], f"{out}/limited")
    whole = math.ceil(grid.zero_point)
    shift = _number(to, f"{out}/half", grid.scale / 2) if whole != grid.zero_point else ""
    if shift:
        x = to.between("Sub", [x, shift], f"{out}/shifted")
    kind = min(bits for bits in STORAGE if bits == grid.bits or bits >= max(grid.bits, 8))
    params = [_number(to, f"{out}/scale", grid.scale), to.unique(f"{out}/zero_point")]
    to.tensors.append(helper.make_tensor(params[1], STORAGE[kind], [], [whole]))
    codes = to.between("QuantizeLinear", [x, *params], f"{out}/codes")
    if not shift:
        return to.node("DequantizeLinear", [codes, *params], [out])
    return to.node("Add", [to.between("DequantizeLinear", [codes, *params], f"{out}/whole"), shift], [out])


def feature(
    to: Expansion, op: str, inputs: Sequence[str], grid: Grid | None, out: str, slope: Array | None = None, **given: Any
) -> None:
    """An operator whose result is rounded to a grid, or stays float without one; slope: of a PRelu before that."""
    if slope is not None:
        inputs, op, given = [to.between(op, inputs, f"{out}/linear", **given), _slopes(to, out, slope)], "PRelu", {}
    if grid is None:
        to.node(op, inputs, [out], **given)
    else:
        rounded(to, to.between(op, inputs, f"{out}/float", **given), grid, out)


def _slopes(to: Expansion, out: str, slope: Array) -> str:
    return to.constant(f"{out}/slope", slope.astype(np.float32))


def real_weights(to: Expansion, name: str, codes: Array, scales: Array, axis: int = 0) -> str:
    """The float values of weights; their codes have a scale for each channel along an axis."""
    wide, power = widened(codes)
    dtype = TensorProto.INT8 if np.abs(wide + 0.5).max(initial=0) <= 127.5 else TensorProto.INT16
    name = to.unique(f"{name}/quantized")
    to.source.tensors[name] = to.tensor(name, wide, dtype)
    scale = tuple(float(v) for v in (scales / power).astype(np.float32))
    return to.dequantized(name, Params(scale, (0,) * len(scale), dtype, axis))


def constant(to: Expansion, name: str, values: Array) -> str:
    """A new f32 constant."""
    return to.constant(name, np.ascontiguousarray(values, np.float32))


def _number(to: Expansion, name: str, value: float) -> str:
    return to.constant(name, np.asarray(value, np.float32))
