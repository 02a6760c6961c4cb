"""Operators on codes, in models written by hand: onnxruntime runs the original, and the float form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto

from tests.core import graphs
from tests.core.graphs import proto_of
from tests.frontends.onnx_quantized_files import (
    MS,
    RNG,
    SCALES,
    Array,
    F,
    Feeds,
    U,
    dynamic,
    f32,
    forms,
    load,
    made,
    n,
    u8,
)

START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    RNG.bit_generator.state = START


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
    "Pad with codes": (n("Pad", "x p c", "y"), (1, 2, 5, 4),
                       {"p": np.array([0, 0, 1, 0, 0, 0, 0, 0]), "c": np.uint8(9)}),
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
    "QLinearAdd": (n("QLinearAdd", "x s z x s2 z s2 z2", "y", MS), (2, 3, 4), {}),
    "QLinearSoftmax before 13": (n("QLinearSoftmax", "x s z s2 z2", "y", MS, axis=1, opset=12), (2, 3, 4), {}),
    "QLinearWhere": (n("QLinearWhere", "t x s z w s2 z s2 z2", "y", MS), (2, 3, 4),
                     {"t": RNG.integers(0, 2, (2, 3, 4)) > 0, "w": u8(2, 3, 4) >> 2}),
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
             n("QuantizeLinear", "d s", "k", output_dtype=TensorProto.INT8),
             n("DequantizeLinear", "k s", "y")]  # fmt: skip
    loaded = load(tmp_path, made(nodes, {"x": (F, (2, 3))}, {"y": (F, (2, 3))}, SCALES))
    zeros = [n.inputs[2].const_value for n in loaded.graph if n.inputs[2] is not None]
    types = [z.dtype for z in zeros if z is not None]
    assert types == [ir.DataType.UINT8] * 2 + [ir.DataType.INT8] * 2


def test_missing_zero_points_of_a_product_are_0(tmp_path: Path) -> None:
    """onnxruntime defines them so and cannot read them."""
    mul = n("QLinearMul", "x s - x s - s2 -", "y", MS)
    loaded = load(tmp_path, made([mul], {"x": (U, (2, 3))}, {"y": (U, (2, 3))}, SCALES))
    x = np.array([[0, 1, 2], [0.5, 0.25, 3]], np.float32)
    np.testing.assert_allclose(graphs.run(loaded, {"x": x})[0], x * x, atol=0.0501)


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
    constants = {"w": RNG.integers(-99, 99, (1, 4, 12)).astype(np.int8),
                 "r": RNG.integers(-99, 99, (1, 3, 12)).astype(np.int8),
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
