"""Small linger graphs, and what section 4.2 of the notes on linger says they compute, in integers and numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray
Node = tuple[str, Sequence[str], str, Mapping[str, Any]]
OWN = ("Int", "iq", "Quant", "Dequant", "Q")
STANDARD = frozenset({"Relu", "Reshape", "Flatten", "Transpose", "Slice", "Constant", "MaxPool", "Squeeze"})


def node(op: str, inputs: str, output: str, **attributes: Any) -> Node:
    return op, inputs.split(), output, attributes


def model(
    nodes: Sequence[Node],
    shape: Sequence[int],
    constants: Mapping[str, Array],
    *,
    domain: str = "thinker",
    dtype: int = TensorProto.FLOAT,
    out_type: int = TensorProto.FLOAT,
    inputs: Mapping[str, Sequence[int]] | None = None,
    rank: int | None = None,
) -> onnx.ModelProto:
    """A model as linger writes one: opset 11, one input `x`, the last node's output, of `rank` if not the input's."""
    made = []
    for op, ins, out, attributes in nodes:
        where = "" if op in STANDARD or (op == "Gather" and "scale_w" not in attributes) else domain
        made.append(helper.make_node(op, ins, out.split(), f"{op}_{out.split()[0]}", domain=where, **attributes))
    known = [helper.make_tensor_value_info(n, dtype, s) for n, s in (inputs or {"x": shape}).items()]
    sizes = [f"size{i}" for i in range(len(shape) if rank is None else rank)]
    result = helper.make_tensor_value_info(nodes[-1][2].split()[0], out_type, sizes)
    tensors = [numpy_helper.from_array(a, name) for name, a in constants.items()]
    body = helper.make_graph(made, "net", known, [result], tensors)
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid(domain, 1)]
    return helper.make_model(body, opset_imports=opsets, ir_version=6, producer_name="linger")


# ---- section 4.2, in integers ------------------------------------------------------------------------------


def saturate(v: Array, bits: int = 8) -> Array:
    return np.clip(v, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def requant(acc: Array, have: float, want: float, bits: int = 8) -> Array:
    """Codes at scale `have` to scale `want`: shift right with a half added, or left; then saturate."""
    n = int(math.log2(have / want))
    acc = acc.astype(np.int64)
    return saturate((acc + (1 << (n - 1))) >> n if n > 0 else acc << -n, bits)


def pads_of(a: Mapping[str, Any]) -> list[tuple[int, int]]:
    pads = a.get("pads", [0, 0, 0, 0])
    return [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])]


def windows(x: Array, kernel: Sequence[int], strides: Sequence[int]) -> Array:
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, :: strides[0], :: strides[1]]


def conv(a: Mapping[str, Any], x: Array, w: Array, b: Array | None = None) -> Array:
    group = a.get("group", 1)
    padded = np.pad(x.astype(np.int64), pads_of(a))
    view = windows(padded, w.shape[2:], a.get("strides", [1, 1]))
    parts = zip(np.split(view, group, 1), np.split(w.astype(np.int64), group, 0), strict=True)
    acc = np.concatenate([np.einsum("nchwij,ocij->nohw", v, k) for v, k in parts], axis=1)
    acc = acc + (0 if b is None else b.astype(np.int64).reshape(1, -1, 1, 1))
    return requant(acc, a["scale_x"] * a["scale_w"], a["scale_o"], a.get("o_bits", 8))


def linear(a: Mapping[str, Any], x: Array, w: Array, b: Array | None = None) -> Array:
    acc = x.astype(np.int64) @ w.astype(np.int64).T + (0 if b is None else b.astype(np.int64))
    return requant(acc, a["scale_x"] * a["scale_w"], a["scale_o"], a.get("o_bits", 8))


def add(a: Mapping[str, Any], x: Array, y: Array, sign: int = 1) -> Array:
    """Each input to scale_o first; a finer scale_o loses nothing and saturates only after the sum."""
    sides = []
    for v, have in ((x, a["scale_x"]), (y, a["scale_y"])):
        n = int(math.log2(have / a["scale_o"]))
        v = v.astype(np.int64)
        sides.append((v + (1 << (n - 1))) >> n if n > 0 else v << -n)
    return saturate(sides[0] + sign * sides[1])


def mul(a: Mapping[str, Any], x: Array, y: Array) -> Array:
    return requant(x.astype(np.int64) * y, a["scale_x"] * a["scale_y"], a["scale_o"])


def average_pool(a: Mapping[str, Any], x: Array) -> Array:
    total = windows(np.pad(x.astype(np.int64), pads_of(a)), a["kernel_shape"], a["strides"]).sum((4, 5))
    area = a["kernel_shape"][0] * a["kernel_shape"][1]
    return saturate(np.floor(total / area * (a["scale_o"] / a["scale_x"]) + 0.5).astype(np.int64))


def max_pool(a: Mapping[str, Any], x: Array) -> Array:
    return windows(np.pad(x, pads_of(a), constant_values=-128), a["kernel_shape"], a["strides"]).max((4, 5))


def cat(a: Mapping[str, Any], *x: Array) -> Array:
    parts = [requant(v, a[f"scale_x_{i}"], a["scale_o"]) for i, v in enumerate(x)]
    return np.concatenate(parts, axis=a.get("dim", a.get("axis")))


def quant(a: Mapping[str, Any], x: Array) -> Array:
    scaled = (x.astype(np.float32) * np.float32(a["scale_x"])).astype(np.float32)
    return saturate(np.floor(scaled.astype(np.float64) + 0.5).astype(np.int64), a.get("data_bits", 8))


def dequant(a: Mapping[str, Any], x: Array) -> Array:
    return (x / a.get("scale_o", a.get("scale_x"))).astype(np.float32)


def reshape(a: Mapping[str, Any], x: Array, shape: Array) -> Array:
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])


def conv_1d(a: Mapping[str, Any], x: Array, w: Array, b: Array | None = None) -> Array:
    left, right = a.get("pads", [0, 0])
    flat = {**a, "strides": [1, *a.get("strides", [1])], "pads": [0, left, 0, right]}
    return conv(flat, x[:, :, None], w[:, :, None], b)[:, :, 0]


def conv_transpose(a: Mapping[str, Any], x: Array, w: Array, b: Array) -> Array:
    """Each code adds its window of weights; group 1."""
    (sy, sx), (top, left, bottom, right) = a["strides"], a["pads"]
    (count, _, high, wide), (_, channels, kh, kw) = x.shape, w.shape
    acc = np.zeros((count, channels, (high - 1) * sy + kh, (wide - 1) * sx + kw), np.int64)
    for i, j in np.ndindex(high, wide):
        part = np.einsum("nc,cohw->nohw", x[:, :, i, j].astype(np.int64), w.astype(np.int64))
        acc[:, :, i * sy : i * sy + kh, j * sx : j * sx + kw] += part
    acc = acc[:, :, top : acc.shape[2] - bottom, left : acc.shape[3] - right] + b.reshape(1, -1, 1, 1)
    return requant(acc, a["scale_x"] * a["scale_w"], a["scale_o"])


def div(a: Mapping[str, Any], x: Array, y: Array) -> Array:
    real = (x / a["scale_x"]) / (y / a["scale_y"])
    return saturate(np.floor(real * a["scale_o"] + 0.5).astype(np.int64))


def batch_norm(a: Mapping[str, Any], x: Array, w: Array, b: Array) -> Array:
    sizes = (1, -1, *(1,) * (x.ndim - 2))
    acc = x.astype(np.int64) * w.reshape(sizes) + b.reshape(sizes)
    return requant(acc, a["scale_x"] * a["scale_w"], a["scale_o"])


MEANING: dict[str, Callable[..., Array]] = {
    "Quant": quant,
    "Dequant": dequant,
    "Requant": lambda a, x: requant(x, a["scale_x"], a["scale_o"], a["o_bits"]),
    "Conv2dInt": conv,
    "QConv2d": conv,
    "Conv1dInt": conv_1d,
    "QConv1d": conv_1d,
    "ConvTranspose2dInt": conv_transpose,
    "QConvTranspose2d": conv_transpose,
    "BatchNorm1dInt": batch_norm,
    "iqDiv": div,
    "LinearInt": linear,
    "QLinear": linear,
    "BatchNorm2dInt": batch_norm,
    "QBatchNorm2d": batch_norm,
    "Relu": lambda a, x: np.maximum(x, 0),
    "iqAdd": add,
    "QAdd": add,
    "iqSub": lambda a, x, y: add(a, x, y, -1),
    "iqMul": mul,
    "QMul": mul,
    "iqCat": cat,
    "QCat": cat,
    "AvgPool2dInt": average_pool,
    "QAvgPool2d": average_pool,
    "MaxPool": max_pool,
    "QMaxPool2d": max_pool,
    "BmmInt": lambda a, x, y: requant(x.astype(np.int64) @ y, a["scale_x"] * a["scale_y"], a["scale_o"]),
    "QBmm": lambda a, x, y: requant(x.astype(np.int64) @ y, a["scale_x"] * a["scale_y"], a["scale_o"]),
    "Gather": lambda a, w, i: w[i],
    "QEmbedding": lambda a, w, i: w[i],
    "iqSum": lambda a, x: requant(x.astype(np.int64).sum(), a["scale_x"], a["scale_o"]),
    "iqClamp": lambda a, x: requant(
        np.clip(x, a["min"] * a["scale_x"], a["max"] * a["scale_x"]).astype(np.int64), a["scale_x"], a["scale_o"]
    ),
    "Reshape": reshape,
    "Flatten": lambda a, x: x.reshape(x.shape[0], -1),
    "Transpose": lambda a, x: x.transpose(a["perm"]),
}


def interpret(nodes: Sequence[Node], feeds: Mapping[str, Array], constants: Mapping[str, Array]) -> dict[str, Array]:
    """The values of every tensor, codes as int64."""
    values = {**constants, **feeds}
    for op, inputs, output, attributes in nodes:
        values[output] = MEANING[op](attributes, *(values[name] for name in inputs))
    return values
