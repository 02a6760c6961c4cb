"""Files of one or two float operators: each operator, its options off their defaults, sizes that tell axes apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from writer import Op, Tensor, stored

RNG = np.random.default_rng(7)
IMAGE = (1, 5, 7, 3)
CASES: dict[str, list[Op]] = {}
SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6, TANH = 1, 2, 3, 4


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*numbers: Any) -> np.ndarray:
    return np.array(numbers, np.int32)


def x(*shape: int, **more: Any) -> Tensor:
    return Tensor(shape or IMAGE, **more)


def case(label: str, name: str, *inputs: Any, table: str = "", out: str = "f32", outs: int = 1, **options: Any) -> None:
    assert label not in CASES, label
    CASES[label] = [Op(name, inputs, [Tensor(type=out) for _ in range(outs)], table, options)]


# ---- functions of one value
for op in ("ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOGISTIC", "NEG", "RELU", "RELU6",
           "RELU_N1_TO_1", "RELU_0_TO_1", "ROUND", "SIN", "SQUARE", "TANH", "LOG_SOFTMAX"):  # fmt: skip
    case(op.lower(), op, x())
for op in ("LOG", "SQRT", "RSQRT"):
    case(op.lower(), op, x(low=0.1))
case("sign", "SIGN", x())
case("logical_not", "LOGICAL_NOT", x(type="bool"), out="bool")
case("leaky_relu", "LEAKY_RELU", x(), table="LeakyReluOptions", alpha=0.3)
case("gelu", "GELU", x(), table="GeluOptions", approximate=False)
case("gelu_tanh", "GELU", x(), table="GeluOptions", approximate=True)
case("prelu", "PRELU", x(), normal(1, 1, 3))
case("prelu_image", "PRELU", x(), normal(1, 5, 7, 3))
case("softmax", "SOFTMAX", x(), table="SoftmaxOptions", beta=1.0)
case("softmax_beta", "SOFTMAX", x(2, 5), table="SoftmaxOptions", beta=0.5)
case("l2_normalization", "L2_NORMALIZATION", x(), table="L2NormOptions")
case("cast", "CAST", x(type="s32"), out="f32")
case("cast_to_int", "CAST", x(), out="s32")
case("dequantize_f16", "DEQUANTIZE", stored(normal(2, 3).astype(np.float16)))
CASES["dequantize_f16"] = [
    Op("DEQUANTIZE", [stored(normal(1, 5, 7, 3).astype(np.float16))], [half := Tensor((1, 5, 7, 3))]),
    Op("ADD", [x(), half], [Tensor()], "AddOptions", {}),
]

# ---- arithmetic
for op, table in (("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions"), ("DIV", "DivOptions")):
    case(op.lower(), op, x(), x(low=0.5), table=table)
    case(f"{op.lower()}_channels", op, x(), abs(normal(3)) + 0.5, table=table, fusedActivationFunction=RELU)
case("add_relu6", "ADD", x(), x(), table="AddOptions", fusedActivationFunction=RELU6)
case("mul_n1_to_1", "MUL", x(), x(), table="MulOptions", fusedActivationFunction=RELU_N1_TO_1)
case("sub_image", "SUB", normal(5, 7, 3), x(), table="SubOptions")
case("sub_scalar", "SUB", np.float32(0.7), x(), table="SubOptions")
case("add_3", "ADD", x(2, 3, 4), x(3, 1), table="AddOptions")
case("add_n", "ADD_N", x(), x(), x())
for op in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"):
    case(op.lower(), op, x(), x())
case("pow", "POW", x(low=0.1), np.float32(2.5))
case("floor_div", "FLOOR_DIV", x(), x(low=0.5))
for op in ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"):
    case(op.lower(), op, x(type="s32"), x(type="s32"), out="bool")
for op in ("LOGICAL_AND", "LOGICAL_OR"):
    case(op.lower(), op, x(type="bool"), x(type="bool"), out="bool")
case("select", "SELECT", x(type="bool"), x(), x())
case("select_v2", "SELECT_V2", x(5, 7, 1, type="bool"), x(), normal(3))

# ---- windows
for p, s, d in ((SAME, 1, 1), (SAME, 2, 1), (VALID, 2, 1), (SAME, 1, 2), (VALID, 1, 2)):
    window = {"padding": p, "strideW": s, "strideH": s, "dilationWFactor": d, "dilationHFactor": d}
    label = f"{'same' if p == SAME else 'valid'}_{s}_{d}"
    case(f"conv_{label}", "CONV_2D", x(1, 9, 8, 3), normal(4, 3, 2, 3), normal(4), table="Conv2DOptions", **window)
    case(f"depthwise_{label}", "DEPTHWISE_CONV_2D", x(1, 9, 8, 3), normal(1, 3, 2, 6), normal(6),
         table="DepthwiseConv2DOptions", depthMultiplier=2, fusedActivationFunction=RELU, **window)  # fmt: skip
case("conv_strides", "CONV_2D", x(2, 9, 8, 3), normal(4, 1, 1, 3), normal(4), table="Conv2DOptions", padding=SAME,
     strideH=2, strideW=3, fusedActivationFunction=RELU6)  # fmt: skip
case("conv_groups", "CONV_2D", x(1, 4, 5, 6), normal(4, 3, 3, 3), normal(4), table="Conv2DOptions",
     padding=SAME, strideH=1, strideW=1)  # fmt: skip
for p, s in ((SAME, 1), (SAME, 2), (VALID, 2)):
    window = {"padding": p, "strideW": s, "strideH": s, "filterWidth": 2, "filterHeight": 3}
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"):
        label = f"{op.lower()}_{'same' if p == SAME else 'valid'}_{s}"
        case(label, op, x(), table="Pool2DOptions", fusedActivationFunction=RELU, **window)
for p, size in ((SAME, (9, 13)), (SAME, (10, 14)), (VALID, (11, 15)), (VALID, (12, 16))):
    case(f"transpose_conv_{p}_{size[0]}", "TRANSPOSE_CONV", ints(1, *size, 4), normal(4, 3, 3, 3), x(),
         table="TransposeConvOptions", padding=p, strideW=2, strideH=2)  # fmt: skip
case("transpose_conv_bias", "TRANSPOSE_CONV", ints(1, 5, 7, 4), normal(4, 2, 3, 3), x(), normal(4),
     table="TransposeConvOptions", padding=SAME, strideW=1, strideH=1)  # fmt: skip
for op, table in (("RESIZE_BILINEAR", "ResizeBilinearOptions"),
                  ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")):  # fmt: skip
    for how in ({}, {"alignCorners": True}, {"halfPixelCenters": True}):
        for size in ((10, 14), (8, 9), (3, 4)):
            label = "_".join([op.lower(), *how, str(size[0])])
            case(label, op, x(), ints(*size), table=table, **how)
case("depth_to_space", "DEPTH_TO_SPACE", x(1, 3, 4, 12), table="DepthToSpaceOptions", blockSize=2)
case("space_to_depth", "SPACE_TO_DEPTH", x(1, 4, 6, 3), table="SpaceToDepthOptions", blockSize=2)
case("space_to_batch", "SPACE_TO_BATCH_ND", x(2, 4, 5, 3), ints(2, 3), ints((0, 2), (1, 0)))
case("batch_to_space", "BATCH_TO_SPACE_ND", x(12, 3, 2, 3), ints(2, 3), ints((1, 1), (0, 2)))
for p, pads, crops in ((VALID, ((2, 3), (2, 2)), ((0, 1), (0, 0))), (SAME, ((0, 1), (0, 0)), ((0, 1), (0, 0)))):
    a, b = Tensor(), Tensor()
    CASES[f"dilated_{p}"] = [
        Op("SPACE_TO_BATCH_ND", [x(1, 7, 8, 3), ints(2, 2), ints(*pads)], [a]),
        Op("DEPTHWISE_CONV_2D", [a, normal(1, 3, 3, 3), normal(3)], [b], "DepthwiseConv2DOptions",
           {"padding": p, "strideW": 1, "strideH": 1, "depthMultiplier": 1, "fusedActivationFunction": RELU}),
        Op("BATCH_TO_SPACE_ND", [b, ints(2, 2), ints(*crops)], [Tensor()]),
    ]  # fmt: skip

# ---- dense layers
case("fully_connected", "FULLY_CONNECTED", x(2, 6), normal(4, 6), normal(4), table="FullyConnectedOptions",
     fusedActivationFunction=RELU)  # fmt: skip
case("fully_connected_flat", "FULLY_CONNECTED", x(2, 3, 4), normal(5, 12), table="FullyConnectedOptions")
case("fully_connected_keep", "FULLY_CONNECTED", x(2, 3, 4), normal(5, 4), normal(5), table="FullyConnectedOptions",
     keepNumDims=True)  # fmt: skip
case("batch_matmul", "BATCH_MATMUL", x(2, 3, 4), x(2, 4, 5), table="BatchMatMulOptions")
case("batch_matmul_adj", "BATCH_MATMUL", x(2, 4, 3), normal(2, 5, 4), table="BatchMatMulOptions", adjX=True, adjY=True)
CASES["flattened_image"] = [
    Op("MAX_POOL_2D", [x()], [a := Tensor()], "Pool2DOptions",
       {"padding": VALID, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}),
    Op("FULLY_CONNECTED", [a, normal(4, 18), normal(4)], [Tensor()], "FullyConnectedOptions", {}),
]  # fmt: skip

# ---- reductions
for op in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
    case(op.lower(), op, x(), ints(1, 2), table="ReducerOptions", keepDims=True)
    case(f"{op.lower()}_drop", op, x(), ints(-1, 1), table="ReducerOptions", keepDims=False)
for op in ("ARG_MAX", "ARG_MIN"):
    case(op.lower(), op, x(), ints(-1), out="s64", table=f"Arg{op[4:].title()}Options", outputType=4)
    case(f"{op.lower()}_s32", op, x(), ints(1), out="s32", table=f"Arg{op[4:].title()}Options", outputType=2)

# ---- moves
case("reshape", "RESHAPE", x(), ints(5, -1), table="ReshapeOptions")
case("transpose", "TRANSPOSE", x(), ints(2, 0, 3, 1))
case("squeeze", "SQUEEZE", x(1, 3, 1, 4), table="SqueezeOptions", squeezeDims=[-2])
case("squeeze_all", "SQUEEZE", x(1, 3, 1, 4), table="SqueezeOptions", squeezeDims=[])
case("expand_dims", "EXPAND_DIMS", x(3, 4), ints(1))
case("concatenation", "CONCATENATION", x(), x(1, 5, 7, 2), normal(1, 5, 7, 1), table="ConcatenationOptions", axis=-1)
case("pack", "PACK", x(3, 4), x(3, 4), table="PackOptions", valuesCount=2, axis=1)
case("pack_one", "PACK", x(3, 4), table="PackOptions", valuesCount=1, axis=-1)
case("unpack", "UNPACK", x(3, 2, 4), outs=2, table="UnpackOptions", num=2, axis=1)
case("split", "SPLIT", np.int32(3), x(1, 2, 3, 6), outs=3, table="SplitOptions", numSplits=3)
case("split_v", "SPLIT_V", x(1, 2, 3, 6), ints(1, 3, -1), np.int32(-1), outs=3, table="SplitVOptions", numSplits=3)
case("tile", "TILE", x(), ints(1, 2, 1, 3))
case("broadcast_to", "BROADCAST_TO", x(3, 1), ints(2, 3, 4))
case("slice", "SLICE", x(), ints(0, 1, 2, 0), ints(1, -1, 3, 2))
case("strided_slice", "STRIDED_SLICE", x(), ints(0, -1, 1, 0), ints(1, 0, 6, 2), ints(1, -2, 2, 1),
     table="StridedSliceOptions", beginMask=1, endMask=2)  # fmt: skip
case("strided_slice_shrink", "STRIDED_SLICE", x(), ints(0, 0, -2, 0), ints(1, 9, 0, 2), ints(1, 1, 1, 1),
     table="StridedSliceOptions", shrinkAxisMask=0b101)  # fmt: skip
case("strided_slice_new", "STRIDED_SLICE", x(3, 4), ints(0, 1, 0), ints(0, 3, 0), ints(1, 1, 1),
     table="StridedSliceOptions", newAxisMask=0b100, beginMask=1, endMask=1)  # fmt: skip
case("strided_slice_ellipsis", "STRIDED_SLICE", x(), ints(0, 1), ints(0, 3), ints(1, 1),
     table="StridedSliceOptions", ellipsisMask=1)  # fmt: skip
case("reverse_v2", "REVERSE_V2", x(), ints(2))
case("gather", "GATHER", x(), ints(2, 0, 2), table="GatherOptions", axis=3)
case("pad", "PAD", x(), ints((0, 0), (1, 2), (0, 3), (1, 0)))
case("padv2", "PADV2", x(), ints((0, 0), (1, 2), (0, 3), (0, 0)), np.float32(1.5))
case("mirror_pad", "MIRROR_PAD", x(), ints((0, 0), (1, 2), (0, 3), (0, 0)), table="MirrorPadOptions", mode=0)
case("mirror_pad_symmetric", "MIRROR_PAD", x(), ints((0, 0), (1, 2), (0, 3), (0, 0)), table="MirrorPadOptions", mode=1)
case("mirror_pad_edge", "MIRROR_PAD", x(), ints((0, 0), (1, 1), (0, 1), (0, 0)), table="MirrorPadOptions", mode=1)
CASES["fill"] = [
    Op("FILL", [ints(1, 5, 7, 3), np.float32(2.0)], [full := Tensor(type="f32")]),
    Op("MUL", [x(), full], [Tensor()], "MulOptions", {}),
]
CASES["zeros_like"] = [
    Op("ZEROS_LIKE", [image := x()], [nothing := Tensor((5, 7, 3))]),
    Op("SUB", [nothing, image], [Tensor()], "SubOptions", {}),
]
CASES["shape"] = [  # as Keras flattens: [batch, -1]
    Op("SHAPE", [image := x()], [sizes := Tensor((4,), "s32")], "ShapeOptions", {"outType": 2}),
    Op("STRIDED_SLICE", [sizes, ints(0), ints(1), ints(1)], [batch := Tensor((), "s32")], "StridedSliceOptions",
       {"shrinkAxisMask": 1}),
    Op("PACK", [batch, np.int32(-1)], [target := Tensor((2,), "s32")], "PackOptions", {"valuesCount": 2}),
    Op("RESHAPE", [image, target], [Tensor()], "ReshapeOptions", {}),
]  # fmt: skip
CASES["moves_between_images"] = [  # a transposition that cancels, one that does not, axes that go
    Op("AVERAGE_POOL_2D", [x()], [a := Tensor()], "Pool2DOptions",
       {"padding": SAME, "strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": 2}),
    Op("TRANSPOSE", [a, ints(0, 3, 1, 2)], [b := Tensor()]),
    Op("STRIDED_SLICE", [b, ints(0, 1, 0, 0), ints(1, 2, 5, 7), ints(1, 1, 1, 1)], [d := Tensor()],
       "StridedSliceOptions", {"shrinkAxisMask": 0b10}),
    Op("ADD", [d, normal(5, 7)], [e := Tensor()], "AddOptions", {}),
    Op("EXPAND_DIMS", [e, ints(-1)], [Tensor()]),
]  # fmt: skip

# ---- recurrent layers


def gates(features: int, units: int) -> list[np.ndarray]:
    return [*(normal(units, features) for _ in range(4)), *(normal(units, units) for _ in range(4))]


def state(units: int, batch: int = 2) -> Tensor:
    return Tensor((batch, units), is_state=True)


BIASES = 4
case("lstm", "UNIDIRECTIONAL_SEQUENCE_LSTM", x(2, 5, 3), *gates(3, 4), None, None, None,
     *(normal(4) for _ in range(BIASES)), None, None, state(4), state(4), table="UnidirectionalSequenceLSTMOptions",
     fusedActivationFunction=TANH, cellClip=10.0)  # fmt: skip
case("lstm_time_major_peepholes", "UNIDIRECTIONAL_SEQUENCE_LSTM", x(5, 2, 3), *gates(3, 4),
     *(normal(4) for _ in range(3)), *(normal(4) for _ in range(BIASES)), None, None, state(4), state(4),
     table="UnidirectionalSequenceLSTMOptions", fusedActivationFunction=TANH, timeMajor=True)  # fmt: skip
case("rnn", "UNIDIRECTIONAL_SEQUENCE_RNN", x(2, 5, 3), normal(4, 3), normal(4, 4), normal(4), state(4),
     table="SequenceRNNOptions", fusedActivationFunction=TANH)  # fmt: skip
for merged, batch in ((True, 1), (False, 2)):  # TFLite itself merges larger batches wrongly
    case(f"bidirectional_{merged}".lower(), "BIDIRECTIONAL_SEQUENCE_LSTM", x(batch, 5, 3),
         *(one for _ in range(2) for one in (*gates(3, 4), None, None, None, *(normal(4) for _ in range(BIASES)),
                                             None, None)),
         *(state(4, batch) for _ in range(4)), *[None] * 9, outs=1 if merged else 2, timeMajor=False,
         table="BidirectionalSequenceLSTMOptions", fusedActivationFunction=TANH, mergeOutputs=merged)  # fmt: skip
