"""Scale, zero point and type of quantized values, read from constants that nobody vouches for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES: dict[int, str] = {
    TensorProto.UINT8: "u8",
    TensorProto.INT8: "s8",
    TensorProto.UINT16: "u16",
    TensorProto.INT16: "s16",
    TensorProto.UINT4: "u4",
    TensorProto.INT4: "s4",
    TensorProto.INT32: "s32",
}
RANGES: dict[int, tuple[int, int]] = {
    TensorProto.UINT8: (0, 255),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, 65535),
    TensorProto.INT16: (-32768, 32767),
    TensorProto.UINT4: (0, 15),
    TensorProto.INT4: (-8, 7),
    TensorProto.INT32: (-(1 << 31), (1 << 31) - 1),
}


@dataclass(frozen=True)
class Params:
    """What codes mean: real = scale * (code - zero), per tensor or along an axis.

    Args:
        scale: one number, each exactly an f32, or one for each channel; zero: as many whole numbers.
        dtype: of the codes, a TensorProto.DataType; axis: of the channels, None per tensor.
        names: of the source's own constants for scale and zero point, "" where there is none to reuse.
    """

    scale: tuple[float, ...]
    zero: tuple[int, ...]
    dtype: int
    axis: int | None = None
    names: tuple[str, str] = field(default=("", ""), compare=False)

    def value(self, code: int) -> np.float32:
        """The real value of a code; per tensor only."""
        return np.float32(self.scale[0]) * np.float32(code - self.zero[0])


def type_name(dtype: int) -> str:
    """As magik writes a type: u8, s4; other types as ONNX does."""
    if dtype in NAMES:
        return NAMES[dtype]
    known = dtype in TensorProto.DataType.values()
    return TensorProto.DataType.Name(dtype).lower() if known else f"type {dtype}"


def bias(x: Params, w: Params, factor: float = 1.0, axis: int = 0) -> Params:
    """How a bias is quantized where the format does not say: s32 in units of the products, zero point 0."""
    product = np.float32(factor) * np.float32(x.scale[0]) * np.asarray(w.scale, np.float32)
    scale = tuple(float(v) for v in product)
    return Params(scale, (0,) * len(scale), TensorProto.INT32, None if len(scale) == 1 else axis)


def quantize(array: np.ndarray, params: Params) -> np.ndarray:
    """The codes of a constant, as ONNX QuantizeLinear makes them: rounded half to even, saturated; int64."""
    shape = [1] * array.ndim
    if params.axis is not None:
        shape[params.axis] = -1
    scale = np.asarray(params.scale, np.float32).reshape(shape)
    zero = np.asarray(params.zero, np.int64).reshape(shape)
    low, high = RANGES[params.dtype]
    codes = np.rint(array.astype(np.float32) / scale).astype(np.float64) + zero
    return np.clip(codes, low, high).astype(np.int64)


def scale_faults(scale: Sequence[float]) -> str:
    """Say which scales are none, or nothing."""
    wrong = [v for v in scale if not (math.isfinite(v) and v > 0)]
    if not wrong:
        return ""
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return ", ".join(f"{v:g}" for v in wrong[:3]) + more
