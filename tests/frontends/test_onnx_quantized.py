"""ONNX models that arrive quantized: onnxruntime runs the original, and the float form that it becomes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType

from magik_core.builtin import onnx_frontend
from magik_core.builtin.onnx_quantized.table import table
from magik_core.errors import GraphError, MagikError, Problem
from tests.core import graphs
from tests.core.graphs import proto_of

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
                     "{ y = AveragePool<kernel_shape=[2,2],strides=[2,2]>(x) }", {}),
    "global pool": ("g (float[1,2,6,6] x) => (float[1,2,1,1] y) { y = GlobalAveragePool(x) }", {}),
    "max pool": ("g (float[1,2,6,6] x) => (float[1,2,6,6] y) "
                 "{ s = Sigmoid(x) y = MaxPool<kernel_shape=[3,3],pads=[1,1,1,1]>(s) }", {}),
    "transpose": ("g (float[2,5] x) => (float[5,2] y) { s = Sigmoid(x) y = Transpose(s) }", {}),
    "reshape": ("g (float[2,6] x) => (float[3,4] y) { s = Sigmoid(x) y = Reshape(s, n) }",
                {"n": np.array([3, 4], np.int64)}),
    "pad": ("g (float[2,6] x) => (float[3,8] y) { s = LeakyRelu(x) y = Pad(s, n) }",
            {"n": np.array([1, 0, 0, 2], np.int64)}),
    "split": ("g (float[2,6] x) => (float[2,3] y, float[2,3] z) { s = Sigmoid(x) y, z = Split<axis=1,num_outputs=2>(s) }",
              {}),
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


U8, S8, U16, S16, S4 = (getattr(QuantType, f"Q{n}") for n in ("UInt8", "Int8", "UInt16", "Int16", "Int4"))
TYPES = {
    QuantFormat.QOperator: ((U8, S8), (S8, S8), (U8, U8)),
    QuantFormat.QDQ: ((U8, S8), (S8, S8), (U16, S8), (S16, S8), (U8, S4)),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("form", TYPES)
def test_quantize_static(tmp_path: Path, form: QuantFormat, name: str) -> None:
    """To one code of the last scale, for every pair of types, per tensor and per channel."""
    text, constants = NETS[name]
    proto = proto_of(text, opset=18, **constants)
    for activation, weight in TYPES[form]:
        for per_channel in (False, True) if "w" in constants else (False,):
            source = quantized(tmp_path, proto, quant_format=form, per_channel=per_channel,
                               activation_type=activation, weight_type=weight)  # fmt: skip
            loaded = load(tmp_path, source)
            assert_same_quantization(source, loaded)
            for _ in range(4):
                feeds = feeds_of(proto)
                expected, found = graphs.run(source, feeds), graphs.run(loaded, feeds)
                for e, f in zip(expected, found, strict=True):
                    np.testing.assert_allclose(f, e, atol=1.001 * last_scale(loaded) + 1e-6)


def last_scale(model: ir.Model) -> float:
    """The scale of the first output, 0 where it is no quantized one."""
    node = model.graph.outputs[0].producer()
    while node is not None and node.op_type != "DequantizeLinear":
        node = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    scale = node.inputs[1] if node is not None else None
    return 0.0 if scale is None or scale.const_value is None else float(scale.const_value.numpy().max())


def assert_same_quantization(source: onnx.ModelProto, loaded: ir.Model) -> None:
    """Only QuantizeLinear and DequantizeLinear see integers, and what they hold is what the source held."""
    assert {node.domain for node in loaded.graph} == {""}
    assert not {t for t in forms(loaded) if t.startswith("QLinear") or t == "QGemm"}
    assert all(
        v.dtype not in (ir.DataType.UINT8, ir.DataType.INT8) for v in (*loaded.graph.inputs, *loaded.graph.outputs)
    )
    held = {(t.data_type, numpy_helper.to_array(t).tobytes()) for t in source.graph.initializer}
    for node in loaded.graph:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        for value in node.inputs:
            if value is not None and value.const_value is not None:
                tensor = value.const_value
                is_bias = tensor.dtype == ir.DataType.FLOAT and tensor.shape.rank() == 1
                key = (int(tensor.dtype), np.asarray(tensor.numpy()).tobytes())
                assert key in held or is_bias or is_derived(loaded, node), value.name


def is_derived(loaded: ir.Model, node: ir.Node) -> bool:
    """Whether a node is the DequantizeLinear of a bias, whose scale QOperator models do not hold."""
    codes = node.inputs[0]
    return codes is not None and codes.dtype == ir.DataType.INT32


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_whole_net(tmp_path: Path, per_channel: bool) -> None:
    """All of it together; one code anywhere may become a few at the end."""
    text = """g (float[1,3,8,8] x) => (float[1,5] y) {
      a = Conv<pads=[1,1,1,1]>(x, w1, b1)  r = Relu(a)  m = MaxPool<kernel_shape=[2,2],strides=[2,2]>(r)
      d = Conv<pads=[1,1,1,1],group=4>(m, w2, b2)  s = Sigmoid(d)  k = Mul(m, s)  p = Add(k, d)  l = LeakyRelu(p)
      t = Concat<axis=1>(l, m)  u = Transpose<perm=[0,1,3,2]>(t)  v, q = Split<axis=1,num_outputs=2>(u)
      c = Conv(v, w3)  e = GlobalAveragePool(c)  f = Flatten<axis=1>(e)  y = Gemm(f, w4, b4) }"""
    constants = {"w1": f32(4, 3, 3, 3), "b1": f32(4), "w2": f32(4, 1, 3, 3), "b2": f32(4), "w3": f32(6, 4, 1, 1),
                 "w4": f32(6, 5), "b4": f32(5)}  # fmt: skip
    proto = proto_of(text, opset=18, **constants)
    source = quantized(tmp_path, proto, quant_format=QuantFormat.QOperator, per_channel=per_channel)
    loaded = load(tmp_path, source)
    assert_same_quantization(source, loaded)
    x = {"x": f32(1, 3, 8, 8)}
    np.testing.assert_allclose(graphs.run(loaded, x)[0], graphs.run(source, x)[0], atol=3.001 * last_scale(loaded))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", ["conv", "matmul", "gemm"])
def test_quantize_dynamic(tmp_path: Path, name: str, per_channel: bool) -> None:
    """Activations are float, so the result is that of the weights' codes: as near as the rounding of x allows."""
    text, constants = NETS[name]
    proto = proto_of(text, opset=18, **constants)
    target = tmp_path / "quantized.onnx"
    quantization.quantize_dynamic(proto, target, per_channel=per_channel and name != "conv")
    source = onnx.load(target)
    loaded = load(tmp_path, source)
    assert {"QuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}.isdisjoint(forms(loaded))
    assert forms(loaded).count("DequantizeLinear") == 1
    feeds = feeds_of(proto)
    step = np.ptp(np.append(feeds["x"], 0)) / 255
    most = 0.5 * step * np.abs(constants["w"]).sum(tuple(range(constants["w"].ndim))) * 1.1
    np.testing.assert_allclose(graphs.run(loaded, feeds)[0], graphs.run(source, feeds)[0], atol=most)


# ---- models written by hand --------------------------------------------------------------------------------


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


def compare(path: Path, source: onnx.ModelProto, codes: Feeds, scale: float, zero: int) -> ir.Model:
    """The codes that onnxruntime makes of codes, and the floats that the loaded model makes of their values."""
    loaded = load(path, source)
    expected = graphs.run(source, codes)[0].astype(np.float64)
    feeds = {k: ((v.astype(np.float32) - 7) * np.float32(0.05) if v.dtype == np.uint8 else v) for k, v in codes.items()}
    found = graphs.run(loaded, feeds)[0] / scale + zero
    np.testing.assert_allclose(found, expected, atol=1.01)
    return loaded


MOVES: dict[str, tuple[onnx.NodeProto, Sequence[int], dict[str, Array]]] = {
    "MaxPool": (n("MaxPool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), (1, 2, 4, 4), {}),
    "Pad": (n("Pad", "x p", "y"), (1, 2, 5, 4), {"p": np.array([0, 0, 1, 0, 0, 0, 0, 0])}),
    "Pad with codes": (n("Pad", "x p c", "y"), (1, 2, 5, 4), {"p": np.array([0, 0, 1, 0, 0, 0, 0, 0]), "c": np.uint8(9)}),
    "Clip": (n("Clip", "x c e", "y"), (1, 2, 4, 4), {"c": np.uint8(9), "e": np.uint8(90)}),
    "Slice": (n("Slice", "x b e", "y"), (1, 1, 4, 4), {"b": np.array([0, 1]), "e": np.array([1, 2])}),
    "Tile": (n("Tile", "x b", "y"), (1, 4, 4, 4), {"b": np.array([1, 2, 1, 1])}),
    "Concat": (n("Concat", "x x", "y", axis=1), (1, 4, 4, 4), {}),
    "Identity": (n("Identity", "x", "y"), (1, 2, 4, 4), {}),
    "ReduceMax": (n("ReduceMax", "x", "y"), (1, 1, 1, 1), {}),
    "Gather": (n("Gather", "x b", "y", axis=1), (1, 1, 4, 4), {"b": np.array([1])}),
    "Max": (n("Max", "x x", "y"), (1, 2, 4, 4), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_codes_that_only_move(tmp_path: Path, name: str) -> None:
    """Integer inputs and outputs too: both are float in the loaded model."""
    node, shape, constants = MOVES[name]
    nodes = [node, n("Identity", "y", "i"), n("DequantizeLinear", "i s z", "d"), n("Relu", "d", "r"),
             n("QuantizeLinear", "r s z", "q")]  # fmt: skip
    source = made(nodes, {"x": (U, (1, 2, 4, 4))}, {"y": (U, shape), "q": (U, shape)}, {**SCALES, **constants})
    loaded = compare(tmp_path, source, {"x": u8(1, 2, 4, 4)}, 0.05, 7)
    assert [v.dtype for v in (*loaded.graph.inputs, *loaded.graph.outputs)] == [ir.DataType.FLOAT] * 3
    assert [v.name for v in loaded.graph.outputs] == ["y", "q"]
    assert [node.op_type for node in loaded.graph][:2] == ["QuantizeLinear", "DequantizeLinear"]


def test_codes_that_are_only_counted(tmp_path: Path) -> None:
    nodes = [n("QuantizeLinear", "x s z", "q"), n("TopK", "q k", "v i", axis=1), n("ArgMin", "q", "a", axis=1),
             n("Less", "q c", "l"), n("DequantizeLinear", "v s z", "y")]  # fmt: skip
    outputs = {"y": (F, (2, 3)), "i": (TensorProto.INT64, (2, 3)), "a": (TensorProto.INT64, (2, 1)),
               "l": (TensorProto.BOOL, (2, 6))}  # fmt: skip
    source = made(nodes, {"x": (F, (2, 6))}, outputs, {**SCALES, "k": np.array([3]), "c": np.uint8(30)})
    x = {"x": f32(2, 6)}
    for e, f in zip(graphs.run(source, x), graphs.run(load(tmp_path, source), x), strict=True):
        np.testing.assert_array_equal(f, e)


MICROSOFT: dict[str, tuple[onnx.NodeProto, Sequence[int], dict[str, Array]]] = {
    "QLinearMul without a zero point": (n("QLinearMul", "x s z x s - s2 z2", "y", MS), (2, 3, 4), {}),
    "QLinearAdd": (n("QLinearAdd", "x s z x s2 z s2 z2", "y", MS), (2, 3, 4), {}),
    "QLinearSoftmax before 13": (n("QLinearSoftmax", "x s z s2 z2", "y", MS, axis=1, opset=12), (2, 3, 4), {}),
    "QLinearMatMul": (n("QLinearMatMul", "x s z w sw zw s2 z2", "y"), (2, 3, 2),
                      {"w": u8(4, 2), "sw": np.array([0.01, 0.02], np.float32), "zw": np.array([128, 120], np.uint8)}),
    "QLinearMatMul of two": (n("QLinearMatMul", "x s z w s z s2 z2", "y"), (2, 3, 2), {"w": u8(4, 2)}),
}  # fmt: skip


@pytest.mark.parametrize("name", MICROSOFT)
def test_operators_on_codes(tmp_path: Path, name: str) -> None:
    node, shape, constants = MICROSOFT[name]
    constants = {**SCALES, **constants}
    source = made([node], {"x": (U, (2, 3, 4))}, {"y": (U, shape)}, constants)
    compare(tmp_path, source, {"x": u8(2, 3, 4) >> 2}, 0.1, 100)


def test_a_mean_of_codes(tmp_path: Path) -> None:
    """An operator that onnxruntime only defines."""
    node = n("QLinearReduceMean", "x s z s2 z2", "y", MS, axes=[1], keepdims=0)
    loaded = load(tmp_path, made([node], {"x": (U, (2, 3, 4))}, {"y": (U, (2, 4))}, SCALES))
    x = f32(2, 3, 4)
    np.testing.assert_allclose(graphs.run(loaded, {"x": x})[0], x.clip(-0.35).mean(1), atol=0.076)


def test_qgemm_without_a_scale_is_float(tmp_path: Path) -> None:
    constants = {**SCALES, "w": u8(5, 4), "c": RNG.integers(-99, 99, 4).astype(np.int32)}
    source = made(
        [n("QGemm", "x s z w s2 z2 c", "y", MS, alpha=0.5)], {"x": (U, (2, 5))}, {"y": (F, (2, 4))}, constants
    )
    codes = u8(2, 5)
    found = graphs.run(load(tmp_path, source), {"x": (codes.astype(np.float32) - 7) * np.float32(0.05)})[0]
    np.testing.assert_allclose(found, graphs.run(source, {"x": codes})[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("version", [1, 2])
def test_microsofts_quantize_linear_becomes_the_standard_one(tmp_path: Path, version: int) -> None:
    """Types that an old opset does not have; scales of one element become scalars."""
    constants = {"s": np.array([0.5], np.float32), "z": np.array([3], np.int16), "w": np.array([[5], [-9]], np.int16),
                 "sw": np.array([1, 2], np.float32), "zw": np.array([1, -1], np.int16)}  # fmt: skip
    nodes = [n("QuantizeLinear", "x s z", "q", MS), n("DequantizeLinear", "q s z", "d", MS),
             n("DequantizeLinear", "w sw zw", "v", MS, axis=0), n("Mul", "d v", "y")]  # fmt: skip
    source = made(nodes, {"x": (F, (2, 3))}, {"y": (F, (2, 3))}, constants, 11 + version)
    loaded = load(tmp_path, source)
    scales = [n.inputs[1] for n in loaded.graph if n.op_type.endswith("zeLinear")]
    assert [list(s.const_value.shape.numpy()) for s in scales if s is not None] == [[], [], [2]]
    x = {"x": 9 * f32(2, 3)}
    np.testing.assert_array_equal(graphs.run(loaded, x)[0], graphs.run(source, x)[0])


def test_missing_zero_points_are_0(tmp_path: Path) -> None:
    nodes = [n("QuantizeLinear", "x s", "q"), n("DequantizeLinear", "q s", "d"),
             n("QuantizeLinear", "d s", "k", output_dtype=TensorProto.INT8), n("DequantizeLinear", "k s", "y")]  # fmt: skip
    loaded = load(tmp_path, made(nodes, {"x": (F, (2, 3))}, {"y": (F, (2, 3))}, SCALES))
    zeros = [n.inputs[2].const_value for n in loaded.graph if n.inputs[2] is not None]
    types = [z.dtype for z in zeros if z is not None]
    assert types == [ir.DataType.UINT8] * 2 + [ir.DataType.INT8] * 2


def test_weights_behind_quantize_linear_are_folded(tmp_path: Path) -> None:
    """As training tools export them: float weights, quantized in the graph."""
    w, s = f32(3, 2, 1, 1), np.array([0.01, 0.02, 0.03], np.float32)
    nodes = [
        n("QuantizeLinear", "w sw zw", "k", axis=0),
        n("DequantizeLinear", "k sw zw", "v", axis=0),
        n("Conv", "x v", "y"),
    ]
    constants = {"w": w, "sw": s, "zw": np.zeros(3, np.int8)}
    source = made(nodes, {"x": (F, (1, 2, 3, 3))}, {"y": (F, (1, 3, 3, 3))}, constants)
    loaded = load(tmp_path, source)
    assert forms(loaded) == ["DequantizeLinear", "Conv"]
    x = {"x": f32(1, 2, 3, 3)}
    np.testing.assert_array_equal(graphs.run(loaded, x)[0], graphs.run(source, x)[0])


def test_a_table_of_codes_is_looked_up(tmp_path: Path) -> None:
    """The codes of a constant that Gather picks from: floats are picked instead."""
    nodes = [n("Gather", "w i", "g"), n("DequantizeLinear", "g s z", "y")]
    source = made(nodes, {"i": (TensorProto.INT64, (4,))}, {"y": (F, (4, 5))}, {**SCALES, "w": u8(6, 5)})
    loaded = load(tmp_path, source)
    assert forms(loaded) == ["DequantizeLinear", "Gather", "QuantizeLinear", "DequantizeLinear"]
    i = {"i": np.array([5, 0, 3, 3])}
    np.testing.assert_allclose(graphs.run(loaded, i)[0], graphs.run(source, i)[0], rtol=1e-6)


def test_an_image_that_is_cast_stays_as_it_is(tmp_path: Path) -> None:
    nodes = [n("Cast", "x", "f", to=F), n("QuantizeLinear", "f s z", "q"), n("DequantizeLinear", "q s z", "y")]
    loaded = load(tmp_path, made(nodes, {"x": (U, (2, 3))}, {"y": (F, (2, 3))}, SCALES))
    assert loaded.graph.inputs[0].dtype == ir.DataType.UINT8


def test_a_float_model_is_left_alone(tmp_path: Path) -> None:
    loaded = load(tmp_path, proto_of("g (float[2] x) => (float[2] y) { y = Relu(x) }"))
    assert forms(loaded) == ["Relu"]


# ---- scales that are found at run time -----------------------------------------------------------------------


def dynamic(weight_scale: Array, *behind: onnx.NodeProto, **constants: Array) -> onnx.ModelProto:
    nodes = [n("DynamicQuantizeLinear", "x", "q s zq"), n("MatMulInteger", "q w zq zw", "m"), n("Cast", "m", "c", to=F),
             n("Mul", "s sw", "p"), n("Mul", "c p", "y"), *behind]  # fmt: skip
    weights = {"w": RNG.integers(-9, 9, (4, 3)).astype(np.int8), "zw": np.int8(2), "sw": weight_scale}
    return made(nodes, {"x": (F, (2, 4))}, {"y": (F, (2, 3))}, {**weights, **constants})


@pytest.mark.parametrize("scale", [np.float32(0.5), np.array([1, 2, 3], np.float32), np.array([[1, 2, 3]], np.float32)])
def test_the_scales_of_a_dynamic_product(tmp_path: Path, scale: Array) -> None:
    source = dynamic(scale)
    loaded = load(tmp_path, source)
    assert forms(loaded) == ["DequantizeLinear", "MatMul"]
    x = {"x": f32(2, 4)}
    np.testing.assert_allclose(graphs.run(loaded, x)[0], graphs.run(source, x)[0], atol=1.5)


FUSED: dict[str, tuple[list[onnx.NodeProto], dict[str, Array]]] = {
    "DynamicQuantizeMatMul": ([n("DynamicQuantizeMatMul", "x w sw zw b", "y", MS)], {}),
    "DynamicQuantizeMatMul plain": ([n("DynamicQuantizeMatMul", "x w sw", "y", MS)], {}),
    "MatMulIntegerToFloat": ([n("DynamicQuantizeLinear", "x", "q s zq"),
                              n("MatMulIntegerToFloat", "q w s sw zq zw b", "y", MS)], {}),
    "MatMulIntegerToFloat static": ([n("QuantizeLinear", "x s1 z1", "q"),
                                     n("MatMulIntegerToFloat", "q w s1 sw z1 zw", "y", MS)],
                                    {"s1": np.float32(0.02), "z1": np.uint8(128)}),
}  # fmt: skip


@pytest.mark.parametrize("name", FUSED)
def test_fused_dynamic_products(tmp_path: Path, name: str) -> None:
    nodes, more = FUSED[name]
    constants = {"w": RNG.integers(-9, 9, (4, 3)).astype(np.int8), "zw": np.int8(2), "sw": np.float32(0.5), "b": f32(3)}
    source = made(nodes, {"x": (F, (2, 4))}, {"y": (F, (2, 3))}, {**constants, **more})
    x = {"x": np.clip(f32(2, 4), -2, 2)}
    np.testing.assert_allclose(graphs.run(load(tmp_path, source), x)[0], graphs.run(source, x)[0], atol=0.4)


@pytest.mark.parametrize("scales", [1, 12])
def test_a_dynamic_lstm(tmp_path: Path, scales: int) -> None:
    constants = {"w": RNG.integers(-99, 99, (1, 4, 12)).astype(np.int8), "r": RNG.integers(-99, 99, (1, 3, 12)).astype(np.int8),
                 "b": f32(1, 24), "s": np.full((1, scales) if scales > 1 else 1, 0.01, np.float32),
                 "z": np.zeros((1, scales) if scales > 1 else 1, np.int8)}  # fmt: skip
    node = n("DynamicQuantizeLSTM", "x w r b - - - - s z s z", "y", MS, hidden_size=3)
    source = made([node], {"x": (F, (5, 2, 4))}, {"y": (F, (5, 1, 2, 3))}, constants)
    loaded, x = load(tmp_path, source), {"x": f32(5, 2, 4)}
    assert forms(loaded) == ["DequantizeLinear", "DequantizeLinear", "LSTM"]
    np.testing.assert_allclose(graphs.run(loaded, x)[0], graphs.run(source, x)[0], atol=0.02)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("has_zero", [False, True])
def test_packed_weights_of_one_block(tmp_path: Path, bits: int, has_zero: bool) -> None:
    rows, columns = 13, 3
    constants = {"w": u8(columns, 1, 16 * bits // 8), "s": np.array([0.1, 0.2, 0.3], np.float32), "z": u8(columns),
                 "b": f32(columns)}  # fmt: skip
    node = n(
        "MatMulNBits", f"x w s {'z' if has_zero else '-'} - b", "y", MS, K=rows, N=columns, bits=bits, block_size=16
    )
    source = made([node], {"x": (F, (2, rows))}, {"y": (F, (2, columns))}, constants)
    x = {"x": f32(2, rows)}
    found = graphs.run(load(tmp_path, source), x)[0]
    w = constants["w"].reshape(columns, -1)
    w = np.stack([w & 15, w >> 4], -1).reshape(columns, -1) if bits == 4 else w
    zero = (constants["z"] & 15 if bits == 4 else constants["z"]) if has_zero else np.full(columns, 1 << (bits - 1))
    real = (w[:, :rows].astype(np.float64) - zero[:, None]) * constants["s"][:, None]
    np.testing.assert_allclose(found, x["x"] @ real.T + constants["b"], rtol=1e-4, atol=1e-3)


# ---- what is refused -------------------------------------------------------------------------------------------


def refused(path: Path, proto: onnx.ModelProto) -> tuple[Problem, ...]:
    with pytest.raises(GraphError) as caught:
        load(path, proto)
    return caught.value.problems


BAD = {
    "si": np.float32(np.nan), "s0": np.float32(0), "s-": np.float32(-1), "sh": np.float16(1), "se": np.zeros(0, np.float32),
    "s3": np.array([1, 2, 3], np.float32), "sb": np.ones((2, 2), np.float32), "z3": np.zeros(3, np.uint8),
    "zs": np.int8(0), "zf": helper.make_tensor("zf", TensorProto.FLOAT8E4M3FN, [], [0]), "zb": np.zeros((2, 2), np.uint8),
    "z32": np.int32(1), "i32": np.int32(0), "w": np.ones((2, 4), np.uint8), "c": np.ones(4, np.float32), "v8": np.int8(3),
}  # fmt: skip
Q = n("QuantizeLinear", "x s z", "q")
REFUSED: dict[str, tuple[list[onnx.NodeProto], str, str]] = {
    "scale from a node": ([n("Relu", "x", "t"), n("QuantizeLinear", "x t z", "y")], "a scale is not constant", "'t'"),
    "zero": ([n("QuantizeLinear", "x s0 z", "y")], "a scale is not positive", "0 in 's0'"),
    "negative": ([n("QuantizeLinear", "x s- z", "y")], "a scale is not positive", "-1 in 's-'"),
    "half": ([n("QuantizeLinear", "x sh z", "y")], "a scale is no float32", "'sh' is float16"),
    "none": ([n("QuantizeLinear", "x se z", "y")], "scales have no sensible shape", "'se' of [0]"),
    "blocks": ([n("QuantizeLinear", "x sb z", "y")], "scales have no sensible shape", "'sb' of [2, 2]"),
    "block size": ([n("QuantizeLinear", "x s z", "y", block_size=2)], "block-wise scales are not supported", "block_size 2"),
    "activation per channel": ([n("QuantizeLinear", "x s3 z3", "y")],
                               "an activation has several scales or zero points", "3 of 'x'"),
    "zero points": ([n("QuantizeLinear", "x s zb", "y")], "zero points have no sensible shape", "'zb' of [2, 2]"),
    "zero point from a node": ([Q, n("QuantizeLinear", "x s q", "y")], "a zero point is not constant", "'q'"),
    "float8": ([n("QuantizeLinear", "x s zf", "y")], "a quantized type is not supported", "float8e4m3fn"),
    "32 bits": ([n("QuantizeLinear", "x s i32", "y")], "a tensor cannot be quantized to this type", "s32"),
    "another type": ([Q, n("DequantizeLinear", "q s zs", "y")],
                     "a zero point is of another type than its tensor", "'q' is u8, its zero point 'zs' s8"),
    "channels": ([n("DequantizeLinear", "w s3 z3", "y", axis=1)],
                 "scales do not fit their tensor", "3 along axis 1 of 'w' [2, 4]"),
    "axis": ([n("DequantizeLinear", "w s3 z3", "y", axis=9)], "scales do not fit their tensor", "axis 9"),
    "32 bits not 0": ([n("DequantizeLinear", "w s z32", "y")], "a zero point of 32 bits is not 0", "'z32'"),
    "integers in": ([n("DequantizeLinear", "k s -", "y")], "a model input of 32 bits cannot be quantized", "'k'"),
    "channels last": ([Q, n("QLinearGlobalAveragePool", "q s z s z", "y", MS, channels_last=1)],
                      "channels are last", "channels_last 1"),
    "concat": ([Q, n("QLinearConcat", "s z q s z q", "y", MS, axis=0)],
               "an input has no scale or no zero point", "6 inputs"),
    "few inputs": ([Q, n("QLinearAdd", "q s z", "y", MS)], "an operator has the wrong number of inputs", "3"),
    "many outputs": ([n("QuantizeLinear", "x s z", "y t", MS)], "an operator has the wrong number of outputs", "2"),
    "bias": ([Q, n("QLinearConv", "q s z w s z s z c", "y")], "a bias is no constant of 32 bits", "'c': float"),
    "computed": ([Q, n("Cast", "q", "y", to=F)], "an operator computes with the codes of a quantized tensor", "'q'"),
    "relu": ([n("QuantizeLinear", "x s v8", "q"), n("Relu", "q", "y")],
             "Relu of codes whose zero point is not 0 is no Relu", "zero point 3"),
    "pad": ([Q, n("Pad", "q p q", "y")], "an input of codes must be one constant", "'q'"),
    "static integers": ([Q, n("MatMulInteger", "q w", "m"), n("Cast", "m", "f", to=F), n("Mul", "f s", "y")],
                        "a product of integers has no known form", "input 'q'"),
    "no scale behind": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("MatMulInteger", "q w z1", "m"),
                         n("Cast", "m", "y", to=F)], "a product of integers has no known form", ""),
    "scales": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("MatMulInteger", "q w z1", "m"), n("Cast", "m", "f", to=F),
                n("Mul", "s1 s3", "t"), n("Mul", "f t", "y")],
               "scales do not fit their tensor", "3 along axis 1"),
    "another scale": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("DequantizeLinear", "q s z1", "y")],
                      "a quantization at run time has no known form", "'q'"),
    "dynamic codes": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("Cast", "q", "y", to=F)],
                      "an operator computes with the codes of a quantized tensor", "'q'"),
    "blocks of weights": ([n("MatMulNBits", "x w s", "y", MS, K=64, N=2, bits=4, block_size=32)],
                          "block-wise scales are not supported", "block_size 32"),
    "bits of weights": ([n("MatMulNBits", "x w s", "y", MS, K=64, N=2, bits=3, block_size=64)],
                        "packed weights have no known form", "bits 3"),
    "few weights": ([n("MatMulNBits", "x w s3", "y", MS, K=64, N=3, bits=4, block_size=64)],
                    "packed weights, scales or zero points do not fit", "8 bytes"),
    "block gather": ([n("GatherBlockQuantized", "w i32 s", "y", MS)], "block-wise scales are not supported", "128"),
    "lstm": ([n("DynamicQuantizeLSTM", "x w w - - - - - s z s z", "y", MS)],
             "weights are not constant, or of a wrong shape", "'w'"),
    "unknown": ([n("QAttention", "x x", "y", MS)], "an operator is not standard ONNX", "com.microsoft.QAttention"),
}  # fmt: skip


def with_bad(nodes: Sequence[onnx.NodeProto], **constants: Array) -> onnx.ModelProto:
    used = {name for node in nodes for name in node.input}
    known: dict[str, Any] = {**SCALES, **BAD, "p": np.zeros(8, np.int64), **constants}
    inputs = {"x": (F, (2, 4)), "k": (TensorProto.INT32, (2, 4))}
    return made(nodes, inputs, {"y": (F, (2, 4))}, {name: v for name, v in known.items() if name in used})


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    nodes, what, found = REFUSED[name]
    problem = refused(tmp_path, with_bad(nodes))[0]
    assert problem.what == what and found in problem.found and "m.onnx" in problem.where


def test_a_scale_that_is_no_number(tmp_path: Path) -> None:
    problem = refused(tmp_path, with_bad([n("QuantizeLinear", "x si z", "y")]))[0]
    assert problem.what == "a weight is not a number" and "'si'" in problem.where


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    nodes = [n("QuantizeLinear", "x s0 zs", "a"), n("DequantizeLinear", "a s0 z", "b"), n("DequantizeLinear", "w s- z3", "d"),
             n("Mul", "b d", "y")]  # fmt: skip
    problems = refused(tmp_path, with_bad(nodes))
    assert [(p.what, p.where.split("'")[1]) for p in problems] == [
        ("a scale is not positive", "QuantizeLinear_a"),
        ("a scale is not positive", "DequantizeLinear_d"),
    ]


def test_too_many_moves_of_an_unknown_input(tmp_path: Path) -> None:
    """A long chain of moves is no deeper for us than a short one."""
    names = ["x", *(f"t{i}" for i in range(3000))]
    nodes = [n("Identity", a, b) for a, b in zip(names, names[1:], strict=False)]
    nodes.append(n("DequantizeLinear", f"{names[-1]} s z", "y"))
    loaded = load(tmp_path, made(nodes, {"x": (U, (2, 3))}, {"y": (F, (2, 3))}, SCALES))
    assert loaded.graph.inputs[0].dtype == ir.DataType.FLOAT


def mutations() -> list[onnx.ModelProto]:
    conv, weights = NETS["conv"]
    return [dynamic(np.float32(0.5)), with_bad([Q, n("QLinearAdd", "q s z q s z s z", "t", MS), n("DequantizeLinear", "t s z", "y")]),
            proto_of(conv, opset=18, **weights)]  # fmt: skip


@pytest.mark.parametrize("which", range(3))
def test_mutated_files_end_in_an_error_or_a_graph(tmp_path: Path, which: int) -> None:
    rng, path = random.Random(which), tmp_path / "m.onnx"
    proto = mutations()[which]
    if which == 2:
        proto = quantized(tmp_path, proto, quant_format=QuantFormat.QOperator)
    data = proto.SerializeToString()
    outcomes = set()
    for _ in range(150):
        mutated = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        path.write_bytes(bytes(mutated))
        try:
            onnx_frontend.load(path)
            outcomes.add("graph")
        except MagikError as error:
            assert str(error)
            outcomes.add("error")
    assert outcomes == {"graph", "error"}


def test_every_operator_has_a_test() -> None:
    text = Path(__file__).read_text()
    made_here: set[str] = {op for domain, op in table() if domain in ("", MS) and f'"{op}' not in text}
    by_quantizing = {"ConvInteger", "QLinearConcat", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearWhere",
                     "QLinearAveragePool"}  # fmt: skip
    assert made_here <= by_quantizing
