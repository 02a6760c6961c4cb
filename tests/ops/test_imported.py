"""Models that arrive quantized: their scales and codes are in the program, and its integers are onnxruntime's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import magik_core as magik
from magik_core.errors import GraphError, MagikError
from magik_core.net import load
from magik_core.program import QuantParams, WeightParams
from magik_core.result import Result
from tests.core.graphs import run

RNG = np.random.default_rng(5)
START = RNG.bit_generator.state
F, U8, S8, S32 = TensorProto.FLOAT, np.uint8, np.int8, np.int32


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    RNG.bit_generator.state = START


class Net:
    """A QDQ graph in the making; `x` is its input of the given shape."""

    def __init__(self, *shape: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape = shape

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, name, **attributes))
        return name

    def pair(self, x: str, scale: float, zero: Any, to: tuple[float, Any] | None = None) -> str:
        """`x` quantized and dequantized, with other parameters if `to` has them."""
        q = self.op("QuantizeLinear", x, self.constant(np.float32(scale)), self.constant(zero))
        scale, zero = to or (scale, zero)
        return self.op("DequantizeLinear", q, self.constant(np.float32(scale)), self.constant(zero))

    def weight(self, codes: np.ndarray, scale: Any, zero: Any = None, axis: int = 0) -> str:
        scale = np.asarray(scale, np.float32)
        zero = np.zeros(scale.shape, codes.dtype) if zero is None else np.asarray(zero, codes.dtype)
        inputs = (self.constant(codes), self.constant(scale), self.constant(zero))
        return self.op("DequantizeLinear", *inputs, **({"axis": axis} if scale.ndim else {}))

    def model(self, *outputs: str) -> onnx.ModelProto:
        x = helper.make_tensor_value_info("x", F, self.shape)
        values = [onnx.ValueInfoProto(name=name) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", [x], values, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)


def convert(net: Net, *outputs: str, folder: Path, **keys: Any) -> tuple[Result, onnx.ModelProto]:
    model = net.model(*outputs)
    return magik.convert(ir.from_proto(model), folder / "net", **keys), model


def close(result: Result, model: onnx.ModelProto, scales: list[float], most: float = 1.0, low: float = -3) -> None:
    """Outputs are within one step of onnxruntime's, and hardly any differ at all."""
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = RNG.uniform(low, 3, shape).astype(np.float32)
    got = load(result.outputs[1]).run({"x": x})
    for y, want, scale in zip(got.values(), run(model, {"x": x}), scales, strict=True):
        assert y.shape == want.shape
        steps = np.abs(y - want) / scale
        assert steps.max() <= most + 1e-3
        assert (steps > 1e-3).mean() <= 0.01


def conv(net: Net, x: str, w: str, codes: np.ndarray, bias: np.ndarray, scale: Any) -> str:
    """A convolution 3x3 of `x`, whose scale is 0.05."""
    b = net.weight(bias, np.broadcast_to(np.float32(0.05) * np.float32(scale), bias.shape))
    return net.op("Conv", x, w, b, pads=[1, 1, 1, 1])


def parts(channels: int, inputs: int, *, per_channel: bool, low: int = -128) -> tuple[np.ndarray, np.ndarray, Any]:
    """Codes that reach both ends, a bias, and scales."""
    codes = RNG.integers(low, low + 256, (channels, inputs, 3, 3))
    codes.reshape(-1)[:2] = low, low + 255
    scale = RNG.uniform(0.001, 0.01, channels) if per_channel else 0.004
    return codes, RNG.integers(-20000, 20000, channels).astype(S32), np.asarray(scale, np.float32)


@pytest.mark.parametrize(
    ("zero", "stored"),
    [(np.uint8(100), 100), (np.int8(-28), 100), (np.int8(127), 255), (np.uint8(0), 0)],
    ids=["u8", "s8", "top", "bottom"],
)
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_convolution_keeps_its_codes(zero: Any, stored: int, per_channel: bool, tmp_path: Path) -> None:
    net = Net(1, 5, 9, 8)
    codes, bias, scale = parts(7, 5, per_channel=per_channel)
    y = conv(net, net.pair("x", 0.05, zero), net.weight(codes.astype(S8), scale), codes, bias, scale)
    result, model = convert(net, net.pair(net.op("Relu", y), 0.03, np.uint8(0)), folder=tmp_path)
    assert (result.calibration_samples, result.float_steps, result.warnings) == (0, 0, ())
    assert result.to_json()["imported_values"] == 6
    (step,) = result.program.steps
    x, w, b = result.program.reads(step)
    assert x.quant == QuantParams(float(np.float32(0.05)), stored)
    assert result.program.writes(step)[0].quant == QuantParams(float(np.float32(0.03)), 0)
    assert w.data is not None and b.data is not None
    assert np.array_equal(w.data, np.moveaxis(codes, 1, -1)) and w.dtype == "s8"
    assert isinstance(w.quant, WeightParams)
    assert np.array_equal(np.float32(w.quant.scales), np.broadcast_to(scale, 7))
    assert np.array_equal(b.data + stored * codes.reshape(7, -1).sum(1), bias)
    close(result, model, [0.03])


def test_a_bias_of_all_32_bits_is_kept(tmp_path: Path) -> None:
    net = Net(1, 1, 3, 3)
    codes, _, scale = parts(3, 1, per_channel=False)
    bias = np.array([2**30 + 1, -(2**30) - 3, 2**24 + 1], S32)
    y = conv(net, net.pair("x", 0.05, np.uint8(0)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    result, _ = convert(net, net.pair(y, 3000.0, np.int8(0)), folder=tmp_path)
    b = result.program.reads(result.program.steps[0])[2]
    assert b.data is not None and np.array_equal(b.data, bias)


def test_a_bias_that_32_bits_leave_no_room_for(tmp_path: Path) -> None:
    """The sums take 64 bits, and 8-bit codes pass through u16."""
    net = Net(1, 1, 3, 3)
    codes, _, scale = parts(1, 1, per_channel=False)
    bias = np.array([2**31 - 1], S32)
    y = conv(net, net.pair("x", 0.05, np.uint8(0)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    result, _ = convert(net, net.pair(y, 3000.0, np.uint8(0)), folder=tmp_path)
    program = result.program
    kernels = [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]
    assert kernels == ["store_u16", "conv_u16", "store_u8"]
    b = program.reads(program.steps[1])[2]
    assert b.dtype == "s64" and b.data is not None and np.array_equal(b.data, bias)
    (got,) = load(result.outputs[1]).run({"x": np.zeros((1, 1, 3, 3), np.float32)}).values()
    assert np.array_equal(got, np.full((1, 1, 3, 3), np.float32(3000 * 143)))  # (2^31 - 1) * 0.05 * 0.004 / 3000


@pytest.mark.parametrize("op", ["Gemm", "MatMul", "turned"])
def test_matrices(op: str, tmp_path: Path) -> None:
    net = Net(3, 33)
    codes = RNG.integers(-128, 128, (33, 12)).astype(S8)
    scales = RNG.uniform(0.001, 0.01, 12).astype(np.float32)
    x = net.pair("x", 0.05, np.int8(3))
    if op == "MatMul":
        y = net.op("MatMul", x, net.weight(codes, scales, axis=1))
    elif op == "Gemm":
        bias = net.weight(RNG.integers(-999, 999, 12).astype(S32), np.float32(0.05) * scales)
        y = net.op("Gemm", x, net.weight(np.ascontiguousarray(codes.T), scales, axis=0), bias, transB=1)
    else:
        w = net.op("Transpose", net.weight(np.ascontiguousarray(codes.T), scales, axis=-2), perm=[1, 0])
        y = net.op("MatMul", x, w)
    result, model = convert(net, net.pair(y, 0.2, np.uint8(128)), folder=tmp_path)
    (step,) = result.program.steps
    w_ = result.program.reads(step)[1]
    assert w_.data is not None and np.array_equal(w_.data, codes.T)
    close(result, model, [0.2])


def test_weights_that_are_real_before_their_pair_are_quantized_as_onnx_does(tmp_path: Path) -> None:
    net = Net(1, 2, 4, 4)
    real = np.array([[0.5, -0.5], [1.5, 2.5], [3.6, -200]], np.float32).reshape(3, 2, 1, 1)
    q = net.op("QuantizeLinear", net.constant(real), net.constant(np.float32(1)), net.constant(np.int8(0)))
    w = net.op("DequantizeLinear", q, net.constant(np.float32(1)), net.constant(np.int8(0)))
    y = net.op("Conv", net.pair("x", 0.05, np.uint8(9)), w)
    result, model = convert(net, net.pair(y, 1.9, np.uint8(128)), folder=tmp_path)
    stored = result.program.reads(result.program.steps[0])[1].data
    assert stored is not None and stored.reshape(-1).tolist() == [0, 0, 2, 2, 4, -128]
    close(result, model, [1.9])


def test_other_parameters_are_a_rescale(tmp_path: Path) -> None:
    net = Net(1, 3, 6, 6)
    pooled = net.op("MaxPool", net.pair("x", 0.02, np.uint8(90)), kernel_shape=[2, 2], strides=[2, 2])
    a = net.pair(pooled, 0.031, np.int8(-20))
    result, model = convert(net, net.pair(a, 0.013, np.uint8(40)), folder=tmp_path)
    assert [s.op.onnx[0] for s in result.program.steps] == ["MaxPool", "Concat", "Concat"]
    assert [t.quant for s in result.program.steps for t in result.program.writes(s)] == [
        QuantParams(float(np.float32(0.02)), 90),
        QuantParams(float(np.float32(0.031)), 108),
        QuantParams(float(np.float32(0.013)), 40),
    ]
    close(result, model, [0.013], most=1)


def test_operators_of_two_values(tmp_path: Path) -> None:
    net = Net(1, 4, 5, 6)
    x = net.pair("x", 0.03, np.uint8(128))
    a = net.pair(net.op("Sigmoid", x), 1 / 256, np.uint8(0))
    m = net.pair(net.op("Mul", x, a), 0.02, np.int8(-100))
    total = net.pair(net.op("Add", m, x), 0.05, np.uint8(101))
    both = net.pair(net.op("Concat", total, x, axis=1), 0.05, np.uint8(101))
    result, model = convert(net, net.pair(net.op("GlobalAveragePool", both), 0.0111, np.int8(0)), both, folder=tmp_path)
    assert result.float_steps == 0
    close(result, model, [0.0111, 0.05])


def test_a_value_that_is_read_with_and_without_its_pair_stays_real(tmp_path: Path) -> None:
    """What onnxruntime would compute in float is computed in float: both readers get what the source says."""
    net = Net(1, 2, 3, 3)
    s = net.op("Exp", net.pair("x", 0.05, np.uint8(60)))
    result, model = convert(net, net.pair(s, 0.05, np.uint8(0)), net.op("Neg", s), folder=tmp_path)
    assert result.float_steps == 2
    assert result.warnings == ("2 steps stay in f32: exp2, neg5",)
    close(result, model, [0.05, 0.05])


def test_one_step_in_f32_is_one(tmp_path: Path) -> None:
    net = Net(1, 2, 3, 3)
    result, _ = convert(net, net.op("Exp", net.pair("x", 0.05, np.uint8(60))), folder=tmp_path)
    assert result.warnings == ("1 step stays in f32: exp2",)


def test_steps_without_parameters_stay_real_or_are_calibrated(tmp_path: Path) -> None:
    net = Net(1, 2, 8, 8)
    codes, bias, scale = parts(4, 2, per_channel=True)
    y = conv(net, net.pair("x", 0.05, np.uint8(60)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    y = net.op("Tanh", net.op("Conv", y, net.constant(np.float32(RNG.normal(0, 0.05, (2, 4, 1, 1))))))
    result, model = convert(net, y, folder=tmp_path)
    assert result.float_steps == 3 and len(result.warnings) == 1
    close(result, model, [0.01])
    (tmp_path / "data").mkdir()
    for i in range(4):
        np.save(tmp_path / "data" / f"{i}.npy", RNG.uniform(-3, 3, (1, 2, 8, 8)).astype(np.float32))
    result, model = convert(net, y, folder=tmp_path, calibration=tmp_path / "data")
    assert (result.float_steps, result.calibration_samples) == (0, 4)
    x, w, _ = result.program.reads(result.program.steps[0])
    assert x.quant == QuantParams(float(np.float32(0.05)), 60)
    assert w.data is not None and np.array_equal(w.data, np.moveaxis(codes, 1, -1))
    x_ = np.load(tmp_path / "data" / "0.npy")
    (got,), (want,) = load(result.outputs[1]).run({"x": x_}).values(), run(model, {"x": x_})
    assert np.abs(got - want).max() < 0.05


def test_constants_of_arithmetic_keep_their_codes(tmp_path: Path) -> None:
    net = Net(1, 3, 4, 4)
    table = RNG.integers(0, 256, (1, 1, 4, 4)).astype(U8)
    y = net.op("Add", net.pair("x", 0.03, np.uint8(128)), net.weight(table, np.float32(0.01), np.uint8(77)))
    result, model = convert(net, net.pair(y, 0.03, np.uint8(120)), folder=tmp_path)
    constant = result.program.reads(result.program.steps[0])[1]
    assert constant.quant == QuantParams(float(np.float32(0.01)), 77)
    assert constant.data is not None and np.array_equal(constant.data.reshape(-1), table.reshape(-1))
    close(result, model, [0.03])


def test_mean_and_normal_stand_before_the_source_s_own_quantization(tmp_path: Path) -> None:
    net = Net(1, 3, 6, 6)
    codes, bias, scale = parts(4, 3, per_channel=True)
    y = conv(net, net.pair("x", 0.05, np.uint8(60)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    result, model = convert(net, net.pair(y, 0.1, np.uint8(99)), folder=tmp_path, mean=[100.0], normal=[43.0])
    pixels = RNG.integers(0, 256, (1, 3, 6, 6)).astype(np.float32)
    (got,) = load(result.outputs[1]).run({"x": pixels}).values()
    (want,) = run(model, {"x": (pixels - 100) / 43})
    assert np.abs(got - want).max() <= 0.1 + 1e-4
    conv_step = next(s for s in result.program.steps if s.op.onnx[0] == "Conv")
    w = result.program.reads(conv_step)[1]
    assert w.data is not None and np.array_equal(w.data, np.moveaxis(codes, 1, -1))


def test_in_float_nothing_is_rounded(tmp_path: Path) -> None:
    net = Net(1, 5, 9, 8)
    codes, bias, scale = parts(7, 5, per_channel=True)
    y = conv(net, net.pair("x", 0.05, np.uint8(60)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    result, _ = convert(net, net.pair(y, 0.03, np.uint8(60)), folder=tmp_path, is_float=True)
    assert [s.op.onnx[0] for s in result.program.steps] == ["Conv"]
    x = RNG.uniform(-1, 1, (1, 5, 9, 8)).astype(np.float32)
    (got,) = load(result.outputs[1]).run({"x": x}).values()
    real = codes * scale.reshape(-1, 1, 1, 1).astype(float)
    want = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))[:, :, 4:7, 4:7]
    assert np.abs(got[0, :, 4, 4] - ((real * want).sum((1, 2, 3)) + bias * 0.05 * scale)).max() < 1e-4


@pytest.mark.parametrize(
    "keys",
    [
        {"is_float": True},
        {"quant_feature_bit": 32},
        {"weight_fake_quant": True},
        {"quant_feature_bit": 32, "quant_weight_bit": 32},
    ],
    ids=str,
)
@pytest.mark.parametrize("zero", [np.uint8(0), np.uint8(255)])
def test_in_float_a_pair_limits_as_the_relu_did_that_it_has_taken_in(
    zero: Any, keys: dict[str, Any], tmp_path: Path
) -> None:
    net = Net(1, 5, 9, 8)
    codes, bias, scale = parts(7, 5, per_channel=True)
    y = conv(net, net.pair("x", 0.05, np.uint8(60)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    result, model = convert(net, net.pair(y, 0.03, zero), folder=tmp_path, **keys)
    assert [s.op.onnx[0] for s in result.program.steps] == ["Conv"] and result.float_steps == 1
    x = 0.05 * RNG.integers(-60, 196, (1, 5, 9, 8)).astype(np.float32)
    (got,) = load(result.outputs[1]).run({"x": x}).values()
    assert np.abs(got - run(model, {"x": x})[0]).max() <= 0.0151


def test_weights_keep_their_codes_where_activations_are_f32(tmp_path: Path) -> None:
    """With data too: nothing is rounded again."""
    net = Net(1, 5, 9, 8)
    codes, bias, scale = parts(7, 5, per_channel=True)
    y = conv(net, net.pair("x", 0.05, np.uint8(60)), net.weight(codes.astype(S8), scale), codes, bias, scale)
    np.save(tmp_path / "x.npy", RNG.uniform(-1, 1, (2, 5, 9, 8)).astype(np.float32))
    keys: dict[str, Any] = {"weight_fake_quant": True, "quant_weight_bit": 4, "calibration": tmp_path / "x.npy"}
    result, _ = convert(net, net.pair(y, 0.03, np.uint8(60)), folder=tmp_path, **keys)
    w = next(t.data for t in result.program.tensors.values() if t.data is not None and t.data.ndim == 4)
    want = codes.astype(np.float32) * scale.reshape(-1, 1, 1, 1)
    assert np.array_equal(w, np.moveaxis(want, 1, -1))


def problem_of(net: Net, *outputs: str, folder: Path) -> list[str]:
    with pytest.raises(GraphError) as caught:
        convert(net, *outputs, folder=folder)
    return [p.what for p in caught.value.problems]


def test_everything_that_cannot_be_taken_is_said_at_once(tmp_path: Path) -> None:
    net = Net(1, 3, 4, 4)
    per_channel = net.constant(np.ones(3, np.float32)), net.constant(np.zeros(3, S8))
    a = net.op("DequantizeLinear", net.op("QuantizeLinear", "x", *per_channel, axis=1), *per_channel, axis=1)
    b = net.pair("x", 0.1, np.uint8(0), (0.2, np.uint8(0)))
    c = net.pair("x", -1.0, np.uint8(0))
    d = net.op("Cast", net.op("QuantizeLinear", "x", net.constant(np.float32(1)), net.constant(np.uint8(0))), to=F)
    e = net.weight(np.ones((1, 3, 4, 4), S8), np.ones(4, np.float32), axis=1)
    scale = net.op("ReduceMax", "x", keepdims=0)
    zero = net.constant(np.uint8(0))
    f = net.op("DequantizeLinear", net.op("QuantizeLinear", "x", scale, zero), scale, zero)
    assert problem_of(net, *(net.op("Add", v, "x") for v in (a, b, c, d, e, f)), folder=tmp_path) == [
        "an activation is quantized per channel",
        "codes are read with other parameters",
        "a scale is no positive number",
        "codes are read by another node",
        "the scales of a constant do not fit it",
        "the scale of a value is computed",
    ]


def test_codes_that_nobody_quantized(tmp_path: Path) -> None:
    net = Net(1, 3)
    model = net.model(net.op("DequantizeLinear", "x", net.constant(np.float32(1)), net.constant(np.uint8(0))))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    with pytest.raises(GraphError) as caught:
        magik.convert(ir.from_proto(model))
    assert caught.value.problems[0].what == "codes come from nowhere"


def test_data_is_asked_for_where_the_source_brings_no_ranges(tmp_path: Path) -> None:
    net = Net(1, 3, 4, 4)
    with pytest.raises(MagikError) as caught:
        convert(net, net.op("Relu", "x"), folder=tmp_path)
    assert caught.value.problems[0].what == "calibration data is missing"
