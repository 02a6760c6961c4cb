"""LISTENAI graphs of both generations, against the arithmetic that their vendor's tools were seen to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto

import magik_core as magik
from magik_core.builtin import onnx_frontend
from magik_core.builtin.onnx_quantized.table import table
from magik_core.net import load as load_net
from tests.core import graphs
from tests.frontends.qdq_reference import evaluate
from tests.frontends.thinker_cases import EXACT, QUANT, RNG, net, s8, s32
from tests.frontends.thinker_files import Array, Node, interpret, model, node

START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    RNG.bit_generator.state = START


def load(path: Path, proto: onnx.ModelProto) -> ir.Model:
    (path / "m.onnx").write_bytes(proto.SerializeToString())
    return onnx_frontend.load(path / "m.onnx")


# ---- the net of section 4.2 --------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", range(1, 10))
def test_a_net_computes_what_the_vendors_does(tmp_path: Path, shift: int) -> None:
    """Tolerance 0, for every tensor of codes on the way."""
    nodes, constants = net(shift)
    x = RNG.uniform(-5, 5, (1, 4, 6, 6)).astype(np.float32)
    loaded = load(tmp_path, model(nodes, x.shape, constants, rank=2))
    names = [out for _, _, out, _ in nodes[:-2]]  # what Dequant reads has the name of what it makes
    values = {str(v.name): v for n in loaded.graph for v in n.outputs}
    loaded.graph.outputs.extend(values[name] for name in names)
    found = evaluate(loaded, {"x": x})
    expected = interpret(nodes, {"x": x}, constants)
    for name, y in zip(["out", *names], found, strict=True):
        scale = next(a["scale_o"] for _, _, out, a in nodes if out == name) if name in "acsp" else None
        codes = y if name == "out" else y * (scale or {"q": 32.0}.get(name) or scale_of(nodes, name))
        np.testing.assert_array_equal(codes, expected[name], err_msg=name)


@pytest.mark.parametrize("shift", range(1, 10))
def test_the_runtime_computes_what_the_vendors_does(tmp_path: Path, shift: int) -> None:
    """Converted and run on the host library: tolerance 0."""
    nodes, constants = net(shift)
    x = RNG.uniform(-5, 5, (1, 4, 6, 6)).astype(np.float32)
    expected = interpret(nodes, {"x": x}, constants)["out"]
    np.testing.assert_array_equal(on_host(tmp_path, model(nodes, x.shape, constants, rank=2), x), expected)


def on_host(path: Path, proto: onnx.ModelProto, x: Array) -> Array:
    """The output of the model that magik makes, by its own runtime."""
    (path / "m.onnx").write_bytes(proto.SerializeToString())
    result = magik.convert(path / "m.onnx", path / "net")
    (y,) = load_net(result.outputs[1]).run({"x": x}).values()
    return y


def scale_of(nodes: Sequence[Node], name: str) -> float:
    """The scale of a tensor that an operator without scales makes: that of its input."""
    made = {out: (inputs[0], a) for _, inputs, out, a in nodes}
    while "scale_o" not in made[name][1]:
        name = made[name][0]
    return float(made[name][1]["scale_o"])


def test_the_net_meets_ties_and_both_ends() -> None:
    """What the test above would miss otherwise."""
    ties, ends = set(), set()
    for shift in range(1, 10):
        nodes, constants = net(shift)
        x = RNG.uniform(-5, 5, (1, 4, 6, 6)).astype(np.float32)
        values = interpret(nodes, {"x": x}, constants)
        unrounded = (*nodes[1][:3], {**nodes[1][3], "scale_o": 2048.0, "o_bits": 32})
        acc = interpret([nodes[0], unrounded], {"x": x}, constants)["a"]
        half = 1 << (shift - 1)
        ties |= {np.sign(v) for v in acc[acc % (2 * half) == half]}
        ends |= {int(v) for v in values["a"].flat} & {-128, 127}
    assert ties == {-1, 1} and ends == {-128, 127}


# ---- operators that are exact ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_an_operator_computes_what_the_vendors_does(tmp_path: Path, name: str) -> None:
    nodes, constants, shape = EXACT[name]
    domain = "linger" if nodes[-2][0].startswith("Q") else "thinker"
    x = RNG.uniform(-9, 9, shape).astype(np.float32)
    x.flat[:8] = np.arange(-4, 4) / 16 + 1 / 32  # ties
    expected = interpret(nodes, {"x": x}, constants)["out"]
    loaded = load(tmp_path, model(nodes, shape, constants, domain=domain, rank=expected.ndim))
    np.testing.assert_array_equal(evaluate(loaded, {"x": x})[0], expected)


OTHER = frozenset({"iqDiv"})  # by constants it is a product with the codes of their reciprocals


@pytest.mark.parametrize("name", sorted(EXACT.keys() - OTHER))
def test_an_operator_runs_as_the_vendors_does(tmp_path: Path, name: str) -> None:
    """Converted and run on the host library: tolerance 0."""
    nodes, constants, shape = EXACT[name]
    domain = "linger" if nodes[-2][0].startswith("Q") else "thinker"
    x = RNG.uniform(-9, 9, shape).astype(np.float32)
    expected = interpret(nodes, {"x": x}, constants)["out"]
    proto = model(nodes, shape, constants, domain=domain, rank=expected.ndim)
    np.testing.assert_array_equal(on_host(tmp_path, proto, x).reshape(expected.shape), expected)


@pytest.mark.parametrize(("op", "domain"), [("Gather", "thinker"), ("QEmbedding", "linger")])
def test_an_embedding(tmp_path: Path, op: str, domain: str) -> None:
    w, i = s8(10, 3), np.array([[3, 9, 0]], np.int64)
    nodes = [node(op, "w x", "e", scale_w=32.0), node("Dequant", "e", "y", scale_x=32.0)]
    loaded = load(tmp_path, model(nodes, (1, 3), {"w": w}, domain=domain, dtype=TensorProto.INT64, rank=3))
    np.testing.assert_array_equal(evaluate(loaded, {"x": i})[0], w[i] / 32)


def test_what_32_bits_hold_is_not_rounded(tmp_path: Path) -> None:
    w, x = s8(3, 4, 1, 1), RNG.uniform(-2, 2, (1, 4, 2, 2)).astype(np.float32)
    conv = node("Conv2dInt", "q w", "a", scale_x=16.0, scale_w=32.0, scale_o=512.0, o_bits=32, kernel_shape=[1, 1])
    nodes = [QUANT, conv, node("Relu", "a", "r"), node("Dequant", "r", "y", scale_o=512.0)]
    loaded = load(tmp_path, model(nodes, x.shape, {"w": w}))
    assert [n.op_type for n in loaded.graph].count("QuantizeLinear") == 1
    expected = interpret(nodes, {"x": x}, {"w": w})["y"]
    np.testing.assert_array_equal(evaluate(loaded, {"x": x})[0], expected)


# ---- operators that are the real function, rounded once ----------------------------------------------------


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def softmax(v: Array, axis: int) -> Array:
    e = np.exp(v - v.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def normal(v: Array) -> Array:
    return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)


W, B = s8(6), s32(6, span=1 << 20)
CURVES: dict[str, tuple[Callable[[Array], Array], Node]] = {
    "iqSigmoid": (sigmoid, node("iqSigmoid", "q", "y", scale_x=16.0, scale_o=128.0)),
    "QSigmoid": (sigmoid, node("QSigmoid", "q", "y", scale_x=16.0, scale_o=32768.0, o_bits=16)),
    "iqTanh": (np.tanh, node("iqTanh", "q", "y", scale_x=16.0, scale_o=128.0)),
    "QTanh": (np.tanh, node("QTanh", "q", "y", scale_x=16.0, scale_o=128.0, o_bits=8)),
    "QSwish": (lambda v: v * sigmoid(v), node("QSwish", "q", "y", scale_x=16.0, scale_o=16.0)),
    "SoftmaxInt": (lambda v: softmax(v, 1), node("SoftmaxInt", "q", "y", scale_x=16.0, scale_o=128.0, dim=1)),
    "QSoftmax": (lambda v: softmax(v, -1), node("QSoftmax", "q", "y", scale_x=16.0, scale_o=128.0, axis=-1)),
    "LogSoftmaxInt": (
        lambda v: np.log(softmax(v, 2)),
        node("LogSoftmaxInt", "q", "y", scale_x=16.0, scale_o=8.0, dim=2),
    ),
    "QGLU": (
        lambda v: v[:, :2] * sigmoid(v[:, 2:]),
        node("QGLU", "q", "y", scale_x=16.0, scale_o=16.0, dim=1),
    ),
    "LayerNormInt": (
        lambda v: normal(v) * W / 64 + B / (32768 * 64),
        node("LayerNormInt", "q w b", "y", scale_x=16.0, scale_w=64.0, scale_o=16.0),
    ),
    "QGlobalAveragePool2d": (
        lambda v: v.mean((2, 3), keepdims=True),
        node("QGlobalAveragePool2d", "q", "y", scale_x=16.0, scale_o=16.0),
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_a_function_is_rounded_once(tmp_path: Path, name: str) -> None:
    function, of = CURVES[name]
    domain = "linger" if name.startswith("Q") else "thinker"
    scale, bits = of[3]["scale_o"], of[3].get("o_bits", 8)
    nodes = [QUANT, of, node("Dequant", "y", "out", scale_o=scale)]
    x = (RNG.integers(-140, 140, (1, 4, 5, 6)) / 16 + 1 / 64).astype(np.float32)  # no ties: onnxruntime rounds others
    constants = {"w": W, "b": B} if "w" in of[1] else {}
    loaded = load(tmp_path, model(nodes, x.shape, constants, domain=domain))
    q = interpret(nodes[:1], {"x": x}, {})["q"] / 16
    exact = np.clip(function(q), -(1 << (bits - 1)) / scale, ((1 << (bits - 1)) - 1) / scale)
    for found in (evaluate(loaded, {"x": x})[0], graphs.run(loaded, {"x": x})[0]):
        np.testing.assert_allclose(found, exact, atol=0.501 / scale)


def test_gelu(tmp_path: Path) -> None:
    nodes = [QUANT, node("QGelu", "q", "y", scale_x=16.0, scale_o=16.0), node("Dequant", "y", "out", scale_o=16.0)]
    loaded = load(tmp_path, model(nodes, (1, 3), {}, domain="linger"))
    found = graphs.run(loaded, {"x": np.array([[-1, 0, 2]], np.float32)})[0]
    np.testing.assert_allclose(found, [[-0.158655, 0, 1.954500]], atol=0.501 / 16)


# ---- recurrent ---------------------------------------------------------------------------------------------

HIDDEN, SIZE, STEPS = 3, 4, 5


def lstm_of_pytorch(x: Array, w: Array, r: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    h = s = np.zeros((x.shape[1], HIDDEN))
    out = []
    for step in x:
        i, f, g, o = np.split(step @ w.T + b + h @ r.T + c, 4, axis=1)
        s = sigmoid(f) * s + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(s)
        out.append(h)
    return np.stack(out), h, s


def gru_of_pytorch(x: Array, w: Array, r: Array, b: Array, c: Array) -> tuple[Array, Array]:
    h, out = np.zeros((x.shape[1], HIDDEN)), []
    for step in x:
        (xr, xz, xn), (hr, hz, hn) = np.split(step @ w.T + b, 3, axis=1), np.split(h @ r.T + c, 3, axis=1)
        z = sigmoid(xz + hz)
        h = (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h
        out.append(h)
    return np.stack(out), h


@pytest.mark.parametrize("batch_first", [0, 1])
@pytest.mark.parametrize("forward", [0, 1])
@pytest.mark.parametrize(("op", "domain", "gates"), [("LSTMInt", "thinker", 4), ("QLSTM", "linger", 4),
                                                     ("GRUInt", "thinker", 3), ("QGRU", "linger", 3)])  # fmt: skip
def test_recurrent(tmp_path: Path, op: str, domain: str, gates: int, batch_first: int, forward: int) -> None:
    rows = gates * HIDDEN
    constants = {"w": s8(rows, SIZE), "r": s8(rows, HIDDEN), "b": s32(rows), "c": s32(rows)}
    scales = {"scale_i" if domain == "thinker" else "scale_x": 16.0, "scale_h": 128.0, "scale_c": 4096.0}
    of = node(op, "q w r b c", "y h" + (" s" if gates == 4 else ""), **scales, scale_iw=64.0, scale_hw=64.0,
              scale_o=64.0, o_bits=8, hidden_size=HIDDEN, input_size=SIZE, num_layers=1, batch_first=batch_first,
              go_forward=forward)  # fmt: skip
    nodes = [QUANT, of, node("Dequant", "y", "out", scale_o=64.0)]
    shape = (2, STEPS, SIZE) if batch_first else (STEPS, 2, SIZE)
    x = (RNG.integers(-32, 32, shape) / 16 + 1 / 64).astype(np.float32)
    loaded = load(tmp_path, model(nodes, shape, constants, domain=domain))
    assert {"LSTM", "GRU"} & {n.op_type for n in loaded.graph}
    q = interpret(nodes[:1], {"x": x}, {})["q"] / 16
    q = q.transpose(1, 0, 2) if batch_first else q
    weights = constants["w"] / 64, constants["r"] / 64, constants["b"] / 1024, constants["c"] / 8192
    exact = (lstm_of_pytorch if gates == 4 else gru_of_pytorch)(q if forward else q[::-1], *weights)[0]
    exact = exact if forward else exact[::-1]
    exact = exact.transpose(1, 0, 2) if batch_first else exact
    np.testing.assert_allclose(graphs.run(loaded, {"x": x})[0], exact, atol=0.51 / 64)


@pytest.mark.parametrize(("op", "gates", "kernel", "warnings"), [
    ("GRUInt", 3, "gru_u8", ()),
    ("LSTMInt", 4, "lstm_f32", ("1 step stays in f32: LSTMInt_y/lstm",)),
])  # fmt: skip
def test_programs_of_recurrent_nodes(
    tmp_path: Path, op: str, gates: int, kernel: str, warnings: tuple[str, ...]
) -> None:
    """Nothing says the range of an LSTM's cell state; with data it has one."""
    rows = gates * HIDDEN
    constants = {"w": s8(rows, SIZE), "r": s8(rows, HIDDEN), "b": s32(rows), "c": s32(rows)}
    of = node(op, "q w r b c", "y h", scale_i=16.0, scale_h=128.0, scale_c=4096.0, scale_iw=64.0, scale_hw=64.0,
              scale_o=64.0, o_bits=8, hidden_size=HIDDEN, input_size=SIZE, num_layers=1, go_forward=1)  # fmt: skip
    nodes, shape = [QUANT, of, node("Dequant", "y", "out", scale_o=64.0)], (STEPS, 1, SIZE)
    x = (RNG.integers(-32, 32, shape) / 16).astype(np.float32)
    loaded = load(tmp_path, model(nodes, shape, constants, domain="thinker"))
    result = magik.convert(loaded, tmp_path / "net.mgk")
    runner = load_net(tmp_path / "net.mgk")
    assert kernel in runner.kernels and result.warnings == warnings
    (y,), (exact,) = runner.run({"x": x}).values(), graphs.run(loaded, {"x": x})
    np.testing.assert_allclose(y, exact, atol=1.01 / 64)
    np.save(tmp_path / "x.npy", x)
    assert magik.convert(loaded, calibration=tmp_path / "x.npy").float_steps == 0


def test_the_last_states_of_a_recurrent_node(tmp_path: Path) -> None:
    rows = 4 * HIDDEN
    constants = {"w": s8(rows, SIZE), "r": s8(rows, HIDDEN), "b": s32(rows), "c": s32(rows)}
    of = node("QLSTM", "q h0 c0 w r b c", "y h s", scale_x=16.0, scale_h=128.0, scale_c=4096.0, scale_iw=64.0,
              scale_hw=64.0, scale_o=64.0, hidden_size=HIDDEN, batch_first=0, has_hidden=1, has_cell=1)  # fmt: skip
    nodes = [QUANT, of, node("Dequant", "h", "out", scale_x=128.0)]
    shapes = {"x": (STEPS, 2, SIZE), "h0": (1, 2, HIDDEN), "c0": (1, 2, HIDDEN)}
    loaded = load(tmp_path, model(nodes, (), constants, domain="linger", inputs=shapes, rank=3))
    feeds = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    feeds["x"] = RNG.uniform(-2, 2, shapes["x"]).astype(np.float32)
    q = interpret(nodes[:1], feeds, {})["q"] / 16
    weights = constants["w"] / 64, constants["r"] / 64, constants["b"] / 1024, constants["c"] / 8192
    exact = lstm_of_pytorch(q, *weights)[1][None]
    np.testing.assert_allclose(graphs.run(loaded, feeds)[0], exact, atol=0.51 / 128)


# ---- form ----------------------------------------------------------------------------------------------------


def test_values_and_nodes_keep_their_names(tmp_path: Path) -> None:
    nodes, constants = net(4)
    loaded = load(tmp_path, model(nodes, (1, 4, 6, 6), constants, rank=2))
    names = {str(v.name) for n in loaded.graph for v in n.outputs}
    assert {out for _, _, out, _ in nodes} - names == {"y"}  # the codes that Dequant reads: y/codes
    assert {"Conv2dInt_a", "LinearInt_y", "iqAdd_s"} <= {n.name for n in loaded.graph}
    assert {n.domain for n in loaded.graph} == {""} and dict(loaded.graph.opset_imports) == {"": 24}
    types = [n.op_type for n in loaded.graph]
    assert types.count("QuantizeLinear") == 10  # of eight tensors, and of both inputs of the sum


def test_a_graph_without_its_quant_and_dequant(tmp_path: Path) -> None:
    """As the vendor's packer leaves it: codes go in and come out; here they are floats."""
    nodes, constants = net(4)
    proto = model(nodes[1:-1], (), constants, dtype=TensorProto.INT8, out_type=TensorProto.INT8,
                  inputs={"q": (1, 4, 6, 6)}, rank=2)  # fmt: skip
    loaded = load(tmp_path, proto)
    x = RNG.uniform(-5, 5, (1, 4, 6, 6)).astype(np.float32)
    assert [v.dtype for v in (*loaded.graph.inputs, *loaded.graph.outputs)] == [ir.DataType.FLOAT] * 2
    expected = interpret(nodes, {"x": x}, constants)["out"]
    np.testing.assert_array_equal(evaluate(loaded, {"q": x})[0], expected)


def test_a_constant_behind_quant(tmp_path: Path) -> None:
    c = RNG.uniform(-1, 1, (1, 3)).astype(np.float32)
    nodes = [QUANT, node("Quant", "c", "k", scale_x=64.0),
             node("iqMul", "q k", "y", scale_x=16.0, scale_y=64.0, scale_o=16.0),
             node("Dequant", "y", "out", scale_o=16.0)]  # fmt: skip
    x = RNG.uniform(-5, 5, (1, 3)).astype(np.float32)
    found = evaluate(load(tmp_path, model(nodes, (1, 3), {"c": c})), {"x": x})[0]
    np.testing.assert_array_equal(found, interpret(nodes, {"x": x}, {"c": c})["out"])


def test_every_operator_of_both_domains_is_tested() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("*thinker*.py"))
    missing = {op for domain, op in table() if domain in ("thinker", "linger") and f'"{op}' not in text}
    assert missing <= SAME_FUNCTION, missing - SAME_FUNCTION


SAME_FUNCTION = {  # other names of what is tested
    "ConvTranspose1dInt", "EmbeddingInt", "GLUInt", "GluInt",
    "MatMulInt", "MaxPool2d", "MaxPool2dInt", "QAvgPool1d", "QBatchNorm1d", "QConvBN1d", "QConvBN2d",
    "QConvTranspose1d", "QConvTransposeBN1d", "QConvTransposeBN2d", "QLayerNorm", "QMatmul",
    "QMaxPool1d", "QReLU", "ReQuant", "softmaxInt",
}  # fmt: skip
