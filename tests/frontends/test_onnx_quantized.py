"""Models that onnxruntime has quantized: it runs the original, and the float form that it becomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization import QuantFormat, QuantType

import magik_core as magik
from magik_core.builtin.onnx_quantized.table import table
from magik_core.net import load as load_net
from tests.core import graphs
from tests.core.graphs import proto_of
from tests.frontends.onnx_quantized_files import (
    MS,
    NETS,
    RNG,
    f32,
    feeds_of,
    forms,
    load,
    quantized,
)

START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    RNG.bit_generator.state = START


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
            # onnxruntime's integers saturate in 16 bits on a CPU without VNNI, where weights have more than 7
            source = quantized(tmp_path, proto, quant_format=form, per_channel=per_channel, activation_type=activation,
                               weight_type=weight, reduce_range=form is QuantFormat.QOperator)  # fmt: skip
            loaded = load(tmp_path, source)
            assert_same_quantization(source, loaded)
            for _ in range(4):
                feeds = feeds_of(proto)
                expected, found = graphs.run(source, feeds), graphs.run(loaded, feeds)
                for e, f in zip(expected, found, strict=True):
                    np.testing.assert_allclose(f, e, atol=1.001 * last_scale(loaded) + 1e-6)


RUN = ("conv", "conv relu", "gemm turned", "add", "concat", "leaky relu", "max pool", "global pool")


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize("form", TYPES)
def test_the_runtime_agrees_with_onnxruntime(tmp_path: Path, form: QuantFormat, name: str) -> None:
    """Converted without calibration data and run on the host library: to one code."""
    text, constants = NETS[name]
    source = quantized(tmp_path, proto_of(text, opset=18, **constants), quant_format=form, per_channel="w" in constants)
    scale = last_scale(load(tmp_path, source))
    net = load_net(magik.convert(tmp_path / "m.onnx", tmp_path / "net").outputs[1])
    for _ in range(4):
        feeds = feeds_of(source)
        expected, (found, *_) = graphs.run(source, feeds)[0], net.run(feeds).values()
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1.001 * scale)


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


def test_every_operator_has_a_test(tmp_path: Path) -> None:
    """Written in a test of a model by hand, or in what onnxruntime makes of the nets."""
    made = set()
    for text, constants in NETS.values():
        source = quantized(tmp_path, proto_of(text, opset=18, **constants), quant_format=QuantFormat.QOperator)
        made |= {node.op_type for node in source.graph.node}
    written = "".join(path.read_text() for path in Path(__file__).parent.glob("*onnx_quantized*.py"))
    missing = {op for domain, op in table() if domain in ("", MS) and op not in made and f'n("{op}"' not in written}
    assert missing == {"ConvInteger"}  # of test_quantize_dynamic
