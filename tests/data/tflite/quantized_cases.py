"""Files of one or two quantized operators: s8, u8 with zero points of weights, s16, s4, weights alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from writer import Op, Tensor, stored

RNG = np.random.default_rng(8)
CASES: dict[str, list[Op]] = {}
SAME, VALID = 0, 1
RELU, RELU6 = 1, 3
S8, U8, S16 = {"type": "s8", "scale": 0.02, "zero": -5}, {"type": "u8", "scale": 0.03, "zero": 120}, \
    {"type": "s16", "scale": 0.0001}  # fmt: skip
UNIT = {"s8": (1 / 256, -128), "u8": (1 / 256, 0), "s16": (1 / 32768, 0)}


def codes(kind: str, *shape: int) -> np.ndarray:
    low, high = {"s8": (-127, 128), "u8": (0, 256), "s4": (-7, 8), "s32": (-3000, 3000), "s64": (-99999, 99999)}[kind]
    return RNG.integers(low, high, shape).astype({"s4": "i1", "s8": "i1", "u8": "u1", "s32": "i4", "s64": "i8"}[kind])


def weights(kind: str, shape: tuple[int, ...], axis: int = 0, is_per_channel: bool = True) -> Tensor:
    scale: Any = RNG.uniform(0.002, 0.02, shape[axis] if is_per_channel else 1).astype(np.float32)
    return stored(codes(kind, *shape), scale, 100 if kind == "u8" else 0, axis, kind)


def bias(x: dict[str, Any], w: Tensor) -> Tensor:
    kind = "s64" if x["type"] == "s16" else "s32"
    scale = (np.float32(x["scale"]) * w.scale).astype(np.float32)
    return stored(codes(kind, w.shape[0] if w.axis == 0 else w.shape[w.axis]), scale)


def case(label: str, name: str, inputs: list[Any], out: dict[str, Any], table: str = "", **options: Any) -> None:
    assert label not in CASES, label
    CASES[label] = [Op(name, inputs, [Tensor(**out)], table, options)]


def ints(*numbers: Any) -> np.ndarray:
    return np.array(numbers, np.int32)


WINDOW = {"padding": SAME, "strideW": 2, "strideH": 1}
for kind, x, w_kind in (("s8", S8, "s8"), ("u8", U8, "u8"), ("s16", S16, "s8"), ("s4", S8, "s4")):
    per_channel = kind != "u8"
    y = {**x, "scale": 10 * x["scale"]}
    w = weights(w_kind, (4, 3, 3, 3), 0, per_channel)
    case(f"conv_{kind}", "CONV_2D", [Tensor((1, 6, 7, 3), **x), w, bias(x, w)], y, "Conv2DOptions",
         fusedActivationFunction=RELU, **WINDOW)  # fmt: skip
    w = weights(w_kind, (1, 3, 3, 6), 3, per_channel)
    if kind != "s4":
        b = bias(x, w if per_channel else stored(w.data, w.scale, 0, 3))
        case(f"depthwise_{kind}", "DEPTHWISE_CONV_2D", [Tensor((1, 6, 7, 3), **x), w, b], y, "DepthwiseConv2DOptions",
             depthMultiplier=2, fusedActivationFunction=RELU6, **WINDOW)  # fmt: skip
    w = weights(w_kind, (5, 12), 0, False)
    case(f"fully_connected_{kind}", "FULLY_CONNECTED", [Tensor((2, 12), **x), w, bias(x, w)], y,
         "FullyConnectedOptions")  # fmt: skip
w = weights("s8", (4, 3, 3, 3))
case("transpose_conv_s8", "TRANSPOSE_CONV", [ints(1, 11, 13, 4), w, Tensor((1, 6, 7, 3), **S8), bias(S8, w)],
     {**S8, "scale": 0.2}, "TransposeConvOptions", padding=SAME, strideW=2, strideH=2)  # fmt: skip
w = weights("s8", (5, 4), 0, False)
case("fully_connected_keep", "FULLY_CONNECTED", [Tensor((1, 3, 4), **S8), w, bias(S8, w)], {**S8, "scale": 0.05},
     "FullyConnectedOptions", keepNumDims=True)  # fmt: skip

for kind, x in (("s8", S8), ("u8", U8), ("s16", S16)):
    image = Tensor((1, 5, 7, 3), **x)
    other = Tensor((1, 5, 7, 3), **{**x, "scale": x["scale"] * 1.3, "zero": x.get("zero", 0) and x["zero"] + 9})
    unit = {"type": kind, "scale": UNIT[kind][0], "zero": UNIT[kind][1]}
    symmetric = {"s8": {"type": "s8", "scale": 1 / 128}, "u8": {"type": "u8", "scale": 1 / 128, "zero": 128},
                 "s16": {"type": "s16", "scale": 1 / 32768}}[kind]  # fmt: skip
    wide = {**x, "scale": 3 * x["scale"]}
    case(f"add_{kind}", "ADD", [image, other], wide, "AddOptions", fusedActivationFunction=RELU)
    case(f"sub_{kind}", "SUB", [image, other], wide, "SubOptions")
    case(f"mul_{kind}", "MUL", [image, other], wide, "MulOptions")
    case(f"logistic_{kind}", "LOGISTIC", [image], unit)
    case(f"tanh_{kind}", "TANH", [image], symmetric)
    case(f"softmax_{kind}", "SOFTMAX", [Tensor((2, 9), **x)], unit, "SoftmaxOptions", beta=1.0)
    case(f"average_pool_{kind}", "AVERAGE_POOL_2D", [image], x, "Pool2DOptions", padding=SAME, strideW=2, strideH=2,
         filterWidth=3, filterHeight=2)  # fmt: skip
    case(f"max_pool_{kind}", "MAX_POOL_2D", [image], x, "Pool2DOptions", padding=SAME, strideW=2, strideH=2,
         filterWidth=3, filterHeight=2)  # fmt: skip
    case(f"reshape_{kind}", "RESHAPE", [image, ints(1, -1)], x, "ReshapeOptions")
    case(f"pad_{kind}", "PAD", [image, ints((0, 0), (1, 2), (0, 1), (0, 0))], x)
    case(f"transpose_{kind}", "TRANSPOSE", [image, ints(0, 3, 2, 1)], x)
    case(f"strided_slice_{kind}", "STRIDED_SLICE", [image, ints(0, 1, 0, 0), ints(1, 3, 5, 2), ints(1, 1, 2, 1)], x,
         "StridedSliceOptions")  # fmt: skip
    case(f"requantize_{kind}", "QUANTIZE", [image], wide)
    case(f"dequantize_{kind}", "DEQUANTIZE", [image], {"type": "f32"})
    case(f"quantize_{kind}", "QUANTIZE", [Tensor((1, 5, 7, 3))], x)
    case(f"resize_{kind}", "RESIZE_BILINEAR", [image, ints(9, 10)], x, "ResizeBilinearOptions", halfPixelCenters=True)

image, s8 = Tensor((1, 5, 7, 3), **S8), {**S8, "scale": 0.03}
case("leaky_relu_s8", "LEAKY_RELU", [image], S8, "LeakyReluOptions", alpha=0.1)
case("prelu_s8", "PRELU", [image, stored(codes("s8", 1, 1, 3), 0.01, 3)], s8)
case("relu_s8", "RELU", [image], s8)
case("relu6_s8", "RELU6", [image], s8)
case("hard_swish_s8", "HARD_SWISH", [image], s8)
case("elu_s8", "ELU", [image], s8)
case("abs_s8", "ABS", [image], s8)
case("mean_s8", "MEAN", [image, ints(1, 2)], s8, "ReducerOptions", keepDims=True)
case("sum_s8", "SUM", [image, ints(3)], {**S8, "scale": 0.06}, "ReducerOptions")
case("reduce_max_s8", "REDUCE_MAX", [image, ints(1, 2)], S8, "ReducerOptions")
case("arg_max_s8", "ARG_MAX", [image, ints(3)], {"type": "s32"}, "ArgMaxOptions", outputType=2)
case("maximum_s8", "MAXIMUM", [image, Tensor((1, 5, 7, 3), **S8)], S8)
case("greater_s8", "GREATER", [image, Tensor((1, 5, 7, 3), **S8)], {"type": "bool"})
case("l2_normalization_s8", "L2_NORMALIZATION", [image], {"type": "s8", "scale": 1 / 128}, "L2NormOptions")
case("concatenation_u8", "CONCATENATION", [Tensor((1, 2, 3, 2), **U8), Tensor((1, 2, 3, 3), "u8", 0.02, 100)],
     {**U8, "scale": 0.04}, "ConcatenationOptions", axis=3)  # fmt: skip
case("add_stored_s8", "ADD", [image, stored(codes("s8", 3), 0.01, 7)], s8, "AddOptions")
case("gather_s8", "GATHER", [image, ints(2, 0)], S8, "GatherOptions", axis=3)
case("padv2_s8", "PADV2", [image, ints((0, 0), (1, 1), (0, 0), (0, 0)), stored(np.int8(40), 0.02, -5)], S8)
case("rsqrt_s8", "RSQRT", [Tensor((1, 9), "s8", 0.02, -128)], {"type": "s8", "scale": 0.04, "zero": -128})
case("log_softmax_s8", "LOG_SOFTMAX", [Tensor((2, 9), **S8)], {"type": "s8", "scale": 16 / 256, "zero": 127})
