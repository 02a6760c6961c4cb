"""Quantized ONNX models: small nets for onnxruntime to quantize, and a way to write others by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization import CalibrationDataReader

from magik_core.builtin import onnx_frontend

Array = np.ndarray
Feeds = dict[str, Array]
RNG = np.random.default_rng(0)
MS = "com.microsoft"


def f32(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def load(path: Path, proto: onnx.ModelProto) -> ir.Model:
    (path / "m.onnx").write_bytes(proto.SerializeToString())
    return onnx_frontend.load(path / "m.onnx")


def forms(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


# ---- models that onnxruntime has quantized -----------------------------------------------------------------

# one operator that is quantized, or two: deeper nets carry a difference of one code on
NETS: dict[str, tuple[str, dict[str, Array]]] = {
    "conv": ("g (float[1,3,6,6] x) => (float[1,4,6,6] y) { y = Conv<pads=[1,1,1,1]>(x, w, b) }",
             {"w": f32(4, 3, 3, 3), "b": f32(4)}),
    "conv relu": ("g (float[1,4,6,6] x) => (float[1,4,3,3] y) { c = Conv<group=4,strides=[2,2],pads=[1,1,1,1]>(x, w) "
                  "y = Relu(c) }", {"w": f32(4, 1, 3, 3)}),
    "matmul": ("g (float[2,5] x) => (float[2,4] y) { y = MatMul(x, w) }", {"w": f32(5, 4)}),
    "gemm": ("g (float[2,5] x) => (float[2,4] y) { y = Gemm(x, w, b) }", {"w": f32(5, 4), "b": f32(4)}),
    "gemm turned": ("g (float[2,5] x) => (float[2,4] y) { y = Gemm<transB=1>(x, w, b) }",
                    {"w": f32(4, 5), "b": f32(4)}),
    "add": ("g (float[2,5] x, float[2,5] z) => (float[2,5] y) { y = Add(x, z) }", {}),
    "mul": ("g (float[2,5] x, float[2,5] z) => (float[2,5] y) { y = Mul(x, z) }", {}),
    "concat": ("g (float[2,5] x, float[2,5] z) => (float[2,10] y) { y = Concat<axis=1>(x, z) }", {}),
    "sigmoid": ("g (float[2,5] x) => (float[2,5] y) { y = Sigmoid(x) }", {}),
    "leaky relu": ("g (float[2,5] x) => (float[2,5] y) { y = LeakyRelu<alpha=0.1>(x) }", {}),
    "softmax": ("g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax<axis=1>(x) }", {}),
    "where": ("g (bool[2,5] t, float[2,5] x, float[2,5] z) => (float[2,5] y) { y = Where(t, x, z) }", {}),
    "average pool": ("g (float[1,2,6,6] x) => (float[1,2,3,3] y) "
                     "{ s = Sigmoid(x) y = AveragePool<kernel_shape=[2,2],strides=[2,2]>(s) }", {}),
    "global pool": ("g (float[1,2,6,6] x) => (float[1,2,1,1] y) { s = Sigmoid(x) y = GlobalAveragePool(s) }", {}),
    "max pool": ("g (float[1,2,6,6] x) => (float[1,2,6,6] y) "
                 "{ s = Sigmoid(x) y = MaxPool<kernel_shape=[3,3],pads=[1,1,1,1]>(s) }", {}),
    "transpose": ("g (float[2,5] x) => (float[5,2] y) { s = Sigmoid(x) y = Transpose(s) }", {}),
    "reshape": ("g (float[2,6] x) => (float[3,4] y) { s = Sigmoid(x) y = Reshape(s, n) }",
                {"n": np.array([3, 4], np.int64)}),
    "pad": ("g (float[2,6] x) => (float[3,8] y) { s = LeakyRelu(x) y = Pad(s, n) }",
            {"n": np.array([1, 0, 0, 2], np.int64)}),
    "split": ("g (float[2,6] x) => (float[2,3] y, float[2,3] z) "
              "{ s = Sigmoid(x) y, z = Split<axis=1,num_outputs=2>(s) }", {}),
    "resize": ("g (float[1,1,3,3] x) => (float[1,1,6,6] y) { s = Sigmoid(x) "
               'y = Resize<mode="nearest",coordinate_transformation_mode="asymmetric",nearest_mode="floor">(s, , n) }',
               {"n": np.array([1, 1, 2, 2], np.float32)}),
    "clip": ("g (float[2,6] x) => (float[2,6] y) { s = LeakyRelu(x) y = Clip(s, low, high) }",
             {"low": np.float32(-0.25), "high": np.float32(0.5)}),
    "arg max": ("g (float[2,6] x) => (int64[2,1] y) { s = LeakyRelu(x) y = ArgMax<axis=1>(s) }", {}),
    "gather": ("g (int64[4] x) => (float[4,5] y) { r = Gather(w, x) y = Sigmoid(r) }", {"w": f32(6, 5)}),
}  # fmt: skip
INTEGERS = {TensorProto.INT64: lambda s: RNG.integers(0, 6, s), TensorProto.BOOL: lambda s: RNG.integers(0, 2, s) > 0}


def feeds_of(proto: onnx.ModelProto) -> Feeds:
    out: Feeds = {}
    for value in proto.graph.input:
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        make = INTEGERS.get(value.type.tensor_type.elem_type)
        out[value.name] = make(shape) if make else 2 * f32(*shape)
    return out


class Samples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, proto: onnx.ModelProto) -> None:
        self.left = [feeds_of(proto) for _ in range(8)]

    def get_next(self) -> Feeds | None:
        return self.left.pop() if self.left else None


def quantized(path: Path, proto: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
    target = path / "quantized.onnx"
    quantization.quantize_static(proto, target, Samples(proto), **options)
    return onnx.load(target)


# ---- models written by hand ---


def made(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[int]]],
    outputs: Mapping[str, tuple[int, Sequence[int]]],
    constants: Mapping[str, Array | TensorProto],
    opset: int = 21,
) -> onnx.ModelProto:
    tensors = [
        t if isinstance(t, TensorProto) else numpy_helper.from_array(np.asarray(t), n) for n, t in constants.items()
    ]
    values = [[helper.make_tensor_value_info(n, t, s) for n, (t, s) in part.items()] for part in (inputs, outputs)]
    body = helper.make_graph(list(nodes), "g", values[0], values[1], tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1)]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)


def n(op: str, inputs: str, output: str, domain: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node; `-` is an input that is not there."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, output.split(), f"{op}_{output.split()[0]}", domain=domain, **attributes)


F, U = TensorProto.FLOAT, TensorProto.UINT8
SCALES = {"s": np.float32(0.05), "z": np.uint8(7), "s2": np.float32(0.1), "z2": np.uint8(100)}


def u8(*shape: int) -> Array:
    return RNG.integers(0, 256, shape).astype(np.uint8)


def dynamic(weight_scale: Array, *behind: onnx.NodeProto, **constants: Array) -> onnx.ModelProto:
    nodes = [n("DynamicQuantizeLinear", "x", "q s zq"), n("MatMulInteger", "q w zq zw", "m"), n("Cast", "m", "c", to=F),
             n("Mul", "s sw", "p"), n("Mul", "c p", "y"), *behind]  # fmt: skip
    weights = {"w": RNG.integers(-9, 9, (4, 3)).astype(np.int8), "zw": np.int8(2), "sw": weight_scale}
    return made(nodes, {"x": (F, (2, 4))}, {"y": (F, (2, 3))}, {**weights, **constants})
