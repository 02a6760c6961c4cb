"""What a TFLite file holds, as plain values; numbers of fields and enums are those of schema.fbs, version 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 3
# TensorType
TYPES = (
    "f32", "f16", "s32", "u8", "s64", "text", "bool", "s16", "complex64", "s8", "f64", "complex128", "u64", "resource",
    "variant", "u32", "u16", "s4", "bf16", "s2", "u4",
)  # fmt: skip
ACTIVATIONS = ("", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")  # ActivationFunctionType
PADDINGS = ("SAME", "VALID")  # Padding
MIRRORS = ("REFLECT", "SYMMETRIC")  # MirrorPadMode


@dataclass(frozen=True)
class Quantization:
    """real = scale * (code - zero_point), one of each, or one per index of `axis`."""

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int = 0

    @property
    def is_per_channel(self) -> bool:
        return self.scale.size > 1


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph; `data` is empty for an activation, -1 in `signature` is an open size."""

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] = ()
    data: memoryview = field(default=memoryview(b""), repr=False)
    quantization: Quantization | None = None
    is_variable: bool = False
    is_sparse: bool = False


@dataclass(frozen=True)
class Operator:
    """One operator: a builtin one by its name in the schema, or CUSTOM with a name of its own."""

    index: int
    name: str
    custom: str
    inputs: tuple[int, ...]  # -1: left out
    outputs: tuple[int, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """The main graph of a file."""

    path: Path
    name: str
    description: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True)
class Field:
    """A field of an operator's options: kind is a struct code, the name of an enum's values, or "integers"."""

    number: int
    kind: str | tuple[str, ...]
    default: Any = 0


@dataclass(frozen=True)
class Options:
    """The table of options of some operators: its number in the union BuiltinOptions, and its fields."""

    number: int
    fields: Mapping[str, Field]


def _fields(*names: str, **fields: Field) -> dict[str, Field]:
    """Fields in order, each as `name:code`; those that need more are given by name."""
    out = {}
    for number, name in enumerate(names):
        name, _, code = name.partition(":")
        out[name] = Field(number, code or "i")
    return {**out, **fields}


ACTIVATION = "activation"


def _activated(number: int, at: int = 0, **more: Field) -> Options:
    return Options(number, {ACTIVATION: Field(at, ACTIVATIONS), **more})


def _window(number: int, activation: int, **more: Field) -> Options:
    strides = {"padding": Field(0, PADDINGS), "stride_w": Field(1, "i"), "stride_h": Field(2, "i")}
    return _activated(number, activation, **strides, **more)


_POOL = _window(5, 5, filter_w=Field(3, "i"), filter_h=Field(4, "i"))
_REDUCER = Options(27, _fields("keep_dims:?"))

OPTIONS: Mapping[str, Options] = {
    "ADD": _activated(11),
    "ARG_MAX": Options(40, _fields("output_type:b")),
    "ARG_MIN": Options(57, _fields("output_type:b")),
    "AVERAGE_POOL_2D": _POOL,
    "BATCH_MATMUL": Options(101, _fields("adj_x:?", "adj_y:?")),
    "BIDIRECTIONAL_SEQUENCE_LSTM": _activated(
        69, cell_clip=Field(1, "f"), proj_clip=Field(2, "f"), merge_outputs=Field(3, "?"),
        time_major=Field(4, "?", True),
    ),
    "CONCATENATION": _activated(10, 1, axis=Field(0, "i")),
    "CONV_2D": _window(1, 3, dilation_w=Field(4, "i", 1), dilation_h=Field(5, "i", 1)),
    "DEPTHWISE_CONV_2D": _window(
        2, 4, multiplier=Field(3, "i"), dilation_w=Field(5, "i", 1), dilation_h=Field(6, "i", 1)
    ),
    "DEPTH_TO_SPACE": Options(94, _fields("block_size")),
    "DIV": _activated(29),
    "FULLY_CONNECTED": _activated(8, weights_format=Field(1, "b"), keep_num_dims=Field(2, "?")),
    "GATHER": Options(23, _fields("axis", "batch_dims")),
    "GELU": Options(116, _fields("approximate:?")),
    "L2_NORMALIZATION": _activated(12),
    "L2_POOL_2D": _POOL,
    "LEAKY_RELU": Options(75, _fields("alpha:f")),
    "MAX_POOL_2D": _POOL,
    "MEAN": _REDUCER,
    "MIRROR_PAD": Options(77, {"mode": Field(0, MIRRORS)}),
    "MUL": _activated(21),
    "PACK": Options(59, _fields("values_count", "axis")),
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "REDUCE_PROD": _REDUCER,
    "RESHAPE": Options(17, {"new_shape": Field(0, "integers")}),
    "RESIZE_BILINEAR": Options(15, {"align_corners": Field(2, "?"), "half_pixel_centers": Field(3, "?")}),
    "RESIZE_NEAREST_NEIGHBOR": Options(74, _fields("align_corners:?", "half_pixel_centers:?")),
    "SOFTMAX": Options(9, _fields("beta:f")),
    "SPACE_TO_DEPTH": Options(19, _fields("block_size")),
    "SPLIT": Options(35, _fields("num_splits")),
    "SPLIT_V": Options(79, _fields("num_splits")),
    "SQUEEZE": Options(30, {"squeeze_dims": Field(0, "integers")}),
    "STRIDED_SLICE": Options(
        32, _fields("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset:?")
    ),
    "SUB": _activated(28),
    "SUM": _REDUCER,
    "TRANSPOSE_CONV": _window(49, 3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _activated(
        71, cell_clip=Field(1, "f"), proj_clip=Field(2, "f"), time_major=Field(3, "?"), diagonal=Field(5, "?")
    ),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _activated(31, 1, time_major=Field(0, "?")),
    "UNPACK": Options(64, _fields("num", "axis")),
}  # fmt: skip
