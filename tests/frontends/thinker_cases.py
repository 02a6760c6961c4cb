"""Graphs whose integers linger states exactly: the net of section 4.2, and one for each operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.frontends.thinker_files import Array, Node, node

RNG = np.random.default_rng(0)


def s8(*shape: int) -> Array:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def s32(*shape: int, span: int = 3000) -> Array:
    return RNG.integers(-span, span, shape).astype(np.int32)


def net(shift: int) -> tuple[list[Node], dict[str, Array]]:
    """Every operator of the demo networks; the first convolution shifts right by `shift`."""
    nodes = [
        node("Quant", "x", "q", data_bits=8, scale_x=32.0),
        node("Conv2dInt", "q w1 b1", "a", scale_x=32.0, scale_w=64.0, scale_o=2.0 ** (11 - shift), o_bits=8,
             kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=1),
        node("Relu", "a", "r"),
        node("Conv2dInt", "r w2", "c", scale_x=2.0 ** (11 - shift), scale_w=32.0, scale_o=2.0 ** (13 - shift),
             o_bits=8, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1], group=4),
        node("iqAdd", "c q", "s", scale_x=2.0 ** (13 - shift), scale_y=32.0, scale_o=2.0 ** min(3, 12 - shift)),
        node("AvgPool2dInt", "s", "p", scale_x=2.0 ** min(3, 12 - shift), scale_o=2.0 ** min(4, 12 - shift), o_bits=8,
             kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=0),
        node("Reshape", "p shape", "f"),
        node("LinearInt", "f wf bf", "y", scale_x=2.0 ** min(4, 12 - shift), scale_w=64.0,
             scale_o=2.0 ** min(2, 11 - shift), o_bits=8),
        node("Dequant", "y", "out", scale_o=2.0 ** min(2, 11 - shift)),
    ]  # fmt: skip
    constants = {
        "w1": RNG.integers(-40, 40, (4, 4, 3, 3)).astype(np.int8), "b1": s32(4), "w2": s8(4, 1, 3, 3),
        "shape": np.array([1, -1], np.int64), "wf": s8(6, 36), "bf": s32(6, span=20000),
    }  # fmt: skip
    return nodes, constants


POOL = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
QUANT = node("Quant", "x", "q", scale_x=16.0)
TWO = [QUANT, node("Requant", "q", "k", data_bits=8, scale_x=16.0, scale_o=4.0, o_bits=8)]


def case(nodes: list[Node], constants: dict[str, Array] | None = None, shape: Sequence[int] = (1, 4, 6, 6)) -> Any:
    last = nodes[-1][3].get("scale_o") or nodes[-1][3].get("scale_w") or 16.0
    return [*nodes, node("Dequant", nodes[-1][2], "out", scale_o=last)], constants or {}, shape


EXACT = {
    **{f"{op} to {o:g}": case([*TWO, node(op, "q k", "y", scale_x=16.0, scale_y=4.0, scale_o=o, **bits)])
       for op, bits in (("iqAdd", {}), ("QAdd", {"x_bits": 8, "y_bits": 8, "o_bits": 8}), ("iqSub", {}))
       for o in (2.0, 4.0, 8.0, 16.0, 32.0)},
    **{f"{op} to {o:g}": case([*TWO, node(op, "q k", "y", scale_x=16.0, scale_y=4.0, scale_o=o)])
       for op in ("iqMul", "QMul") for o in (1.0, 4.0, 64.0)},
    **{f"{op} to {o:g}": case([*TWO, node(op, "q k", "y", scale_x_0=16.0, scale_x_1=4.0, scale_o=o, **axis)])
       for op, axis in (("iqCat", {"dim": 1}), ("QCat", {"axis": 2})) for o in (2.0, 4.0, 16.0)},
    "iqAdd of a constant": case([QUANT, node("iqAdd", "q c", "y", scale_x=16.0, scale_y=32.0, scale_o=8.0)],
                                {"c": s8(4, 6, 6)}),
    "QConv2d": case([QUANT, node("QConv2d", "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=1.0, x_bits=8, w_bits=8,
                                 o_bits=8, kernel_shape=[3, 3], strides=[2, 2])], {"w": s8(3, 4, 3, 3), "b": s32(3)}),
    "16 bits out": case([QUANT, node("Conv2dInt", "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=256.0, o_bits=16,
                                     kernel_shape=[3, 3])], {"w": s8(3, 4, 3, 3), "b": s32(3)}),
    "4 bits": case([QUANT, node("Conv2dInt", "q w", "y", scale_x=16.0, scale_w=4.0, scale_o=2.0, parameter_bits=4,
                                o_bits=8, kernel_shape=[1, 1])], {"w": s8(3, 4, 1, 1) >> 4}),
    "a bias of 16 bits": case([QUANT, node("Conv2dInt", "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=1.0, o_bits=8,
                                           kernel_shape=[1, 1])], {"w": s8(3, 4, 1, 1), "b": s32(3).astype(np.int16)}),
    "QLinear of four axes": case([QUANT, node("QLinear", "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=2.0,
                                              o_bits=8)], {"w": s8(5, 6), "b": s32(5)}),
    "LinearInt without bias": case([QUANT, node("Flatten", "q", "f"), node("LinearInt", "f w", "y", scale_x=16.0,
                                    scale_w=32.0, scale_o=0.5, o_bits=8)], {"w": s8(5, 144)}),
    **{op: case([QUANT, node(op, "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=16.0)],
                {"w": s8(4), "b": s32(4)}) for op in ("BatchNorm2dInt", "QBatchNorm2d")},
    **{f"{op} of {len(shape)} axes": case([QUANT, node(op, "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=16.0)],
                                          {"w": s8(4), "b": s32(4)}, shape)
       for op, shape in (("BatchNorm1dInt", (2, 4, 5)), ("BatchNorm1dInt", (3, 4)))},
    **{op: case([QUANT, node(op, "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=1.0, kernel_shape=[3], strides=[2],
                             pads=[1, 1])], {"w": s8(3, 4, 3), "b": s32(3)}, (1, 4, 9))
       for op in ("Conv1dInt", "QConv1d")},
    **{op: case([QUANT, node(op, "q w b", "y", scale_x=16.0, scale_w=32.0, scale_o=2.0, kernel_shape=[3, 3],
                             strides=[2, 2], pads=[1, 1, 1, 1])], {"w": s8(4, 3, 3, 3), "b": s32(3)}, (1, 4, 3, 4))
       for op in ("ConvTranspose2dInt", "QConvTranspose2d")},
    "iqDiv": case([QUANT, node("iqDiv", "q c", "y", scale_x=16.0, scale_y=32.0, scale_o=8.0)],
                  {"c": np.array([64, -16, 32, 8, -128, 4], np.int8)}),
    "QAvgPool2d": case([QUANT, node("QAvgPool2d", "q", "y", scale_x=16.0, scale_o=32.0, count_include_pad=1,
                                    divisor_override=-1, **POOL)]),
    "AvgPool2dInt of 9": case([QUANT, node("AvgPool2dInt", "q", "y", scale_x=16.0, scale_o=16.0, kernel_shape=[3, 3],
                                           strides=[3, 3], pads=[0, 0, 0, 0])]),
    "MaxPool": case([QUANT, node("MaxPool", "q", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])]),
    "QMaxPool2d": case([QUANT, node("QMaxPool2d", "q", "y", **POOL)]),
    **{op: case([*TWO, node("Transpose", "k", "t", perm=[0, 1, 3, 2]), node(op, "q t", "y", scale_x=16.0, scale_y=4.0,
                                                                           scale_o=1.0)]) for op in ("BmmInt", "QBmm")},
    "iqSum": case([QUANT, node("iqSum", "q", "y", scale_x=16.0, scale_o=0.25)]),
    "iqClamp": case([QUANT, node("iqClamp", "q", "y", scale_x=16.0, scale_o=8.0, min=0.0, max=4.0)]),
    "Requant": case([QUANT, node("Requant", "q", "y", data_bits=8, scale_x=16.0, scale_o=4096.0, o_bits=16)]),
    "Relu": case([QUANT, node("Relu", "q", "y")]),
}  # fmt: skip
