"""Read scales and zero points, and say everything that is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, numpy_helper

from magik_core.builtin.onnx_quantized.params import NAMES, Params, scale_faults, type_name

if TYPE_CHECKING:
    from magik_core.builtin.onnx_quantized.expansion import Expansion

STAND_IN = Params((1.0,), (0,), TensorProto.UINT8)


def params(to: Expansion, codes: str, scale: str, zero: str, axis: int | None, like: str) -> Params:
    """What the codes of a tensor mean.

    Args:
        codes: the tensor. scale, zero: names of the constants; zero may be "": 0. axis: of the scales where
            there are several, None where there can be one only. like: the constant whose shape they must fit.
    """
    before = len(to.problems)
    scales, zeros = _scales(to, codes, scale), _zeros(to, codes, zero)
    dtype = _dtype(to, codes, zero)
    if len(to.problems) > before:
        return STAND_IN
    count = max(len(scales), len(zeros))
    if count == 1:
        return Params(scales, zeros, dtype, None, (_reusable(to, scale, []), _reusable(to, zero, [])))
    axis = _axis(to, like, axis, count)
    if not {len(scales), len(zeros)} <= {1, count}:
        what = "a tensor has not as many zero points as scales"
        to.problem(what, f"{len(scales)} scales, {len(zeros)} zero points of '{codes}'")
    if len(to.problems) > before:
        return STAND_IN
    names = _reusable(to, scale, [count]), _reusable(to, zero, [count])
    return Params(_spread(scales, count), _spread(zeros, count), dtype, axis, names)


def _scales(to: Expansion, codes: str, name: str) -> tuple[float, ...]:
    tensor = to.source.tensors.get(name)
    if tensor is None:
        to.problem("a scale is not constant", f"'{name}' of '{codes}'", "scales that are part of the model")
        return (1.0,)
    array = numpy_helper.to_array(tensor)
    if tensor.data_type != TensorProto.FLOAT:
        to.problem("a scale is no float32", f"'{name}' is {type_name(tensor.data_type)}", "float32")
    elif array.size == 0 or (array.ndim > 1 and array.size > 1):
        hint = "block-wise scales are not supported: quantize per tensor or per channel"
        to.problem("scales have no sensible shape", f"'{name}' of {list(array.shape)}", "one number or a list", hint)
    elif found := scale_faults([float(v) for v in array.flat]):
        to.problem("a scale is not positive", f"{found} in '{name}'", "finite numbers above 0")
    else:
        return tuple(float(v) for v in array.flat)
    return (1.0,)


def _zeros(to: Expansion, codes: str, name: str) -> tuple[int, ...]:
    if not name:
        return (0,)
    tensor = to.source.tensors.get(name)
    if tensor is None:
        need = "zero points that are part of the model"
        to.problem("a zero point is not constant", f"'{name}' of '{codes}'", need)
    elif tensor.data_type not in NAMES:
        to.problem("a quantized type is not supported", type_name(tensor.data_type), ", ".join(NAMES.values()))
    else:
        array = numpy_helper.to_array(tensor).astype(np.int64)
        if array.size and (array.ndim < 2 or array.size == 1):
            if tensor.data_type == TensorProto.INT32 and array.any():
                to.problem("a zero point of 32 bits is not 0", f"'{name}' of '{codes}'")
            return tuple(int(v) for v in array.flat)
        to.problem("zero points have no sensible shape", f"'{name}' of {list(array.shape)}", "one number or a list")
    return (0,)


def _dtype(to: Expansion, codes: str, zero: str) -> int:
    """The type of codes, which its zero point shares."""
    known = to.dtype(codes) or (0 if zero else to.source.declared.get(codes, 0))
    tensor = to.source.tensors.get(zero)
    if known and known not in NAMES:
        to.problem("a quantized type is not supported", f"'{codes}' is {type_name(known)}", ", ".join(NAMES.values()))
    elif tensor is not None and tensor.data_type in NAMES:
        if known and known != tensor.data_type:
            found = f"'{codes}' is {type_name(known)}, its zero point '{zero}' {type_name(tensor.data_type)}"
            to.problem("a zero point is of another type than its tensor", found)
        return int(tensor.data_type)
    elif not known and not zero:
        to.problem("the type of a quantized tensor is not known", f"'{codes}'", "a zero point, which says it")
    return known


def _axis(to: Expansion, codes: str, axis: int | None, count: int) -> int | None:
    """The axis of several scales, counted from the front."""
    found, tensor = f"{count} of '{codes}'", to.source.tensors.get(codes)
    if tensor is None:
        need = "one scale and one zero point for a tensor that is computed"
        to.problem("an activation has several scales or zero points", found, need)
    elif axis is None:
        to.problem("a tensor has several scales or zero points", found, "one of each")
    elif not -len(tensor.dims) <= axis < len(tensor.dims) or tensor.dims[axis] != count:
        found = f"{count} along axis {axis} of '{codes}' {list(tensor.dims)}"
        to.problem("scales do not fit their tensor", found, "one, or one for each channel")
    else:
        return axis % len(tensor.dims)
    return None


def _reusable(to: Expansion, name: str, dims: list[int]) -> str:
    """The name of a constant of the source if it has the right shape already."""
    return name if name in to.source.own and list(to.source.tensors[name].dims) == dims else ""


def _spread(values: tuple, count: int) -> tuple:  # type: ignore[type-arg]
    return values * count if len(values) == 1 else values
