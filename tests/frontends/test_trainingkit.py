"""Graphs of the training kit, those of older kits too, by what their nodes say; without PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import magik_core as magik
from magik_core.builtin.onnx_quantized.table import table
from magik_core.builtin.trainingkit import DOMAIN, OPERATORS, adopt
from magik_core.builtin.trainingkit.arithmetic import Grid, feature_grid, input_grid, weight_codes
from magik_core.errors import MagikError
from magik_core.net import load

RNG = np.random.default_rng(4)
W = RNG.normal(size=(4, 2, 3, 3)).astype(np.float32)
FEATURE = {"output_bitwidth": 4, "clip_min_value": -1.0, "clip_max_value": 2.0, "target_device": "T40"}
PARAMS: Mapping[str, Any] = {
    "input_bitwidth": 8, "output_bitwidth": 8, "weight_bitwidth": 8, "clip_min_value": 0.0, "clip_max_value": 2.0,
    "weight_factor": 3.0, "epsilon": 0.0, "target_device": "T40", "input_min_value": 0.0,
    "conv_param": {"strides": [1, 1], "dilations": [1, 1], "groups": 1, "padding": "VALID"},
}  # fmt: skip


def model(nodes: list[Any], shape: tuple[int, ...], *tensors: tuple[str, np.ndarray]) -> Any:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"d{i}" for i in range(4)])
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(a, n) for n, a in tensors])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])


def node(op: str, inputs: list[str], out: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [out], op.lower(), **attributes)


def conv(x: str = "x", out: str = "y", **given: Any) -> onnx.NodeProto:
    return node("QuantizeConv2DInference", [x, "w", "b"], out, param_str=json.dumps({**PARAMS, **given}))


CONV = (("w", W), ("b", np.zeros(4, np.float32)))


def run(path: Path, proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    (path / "m.onnx").write_bytes(proto.SerializeToString())
    (y,) = load(magik.convert(path / "m.onnx", path / "net.bin").outputs[1]).run({"x": x}).values()
    return y


def rounded(x: np.ndarray, grid: Grid) -> np.ndarray:
    code = np.clip(np.floor(x.astype(np.float64) / grid.scale + grid.zero_point + 0.5), 0, grid.top)
    return (grid.scale * (code - grid.zero_point)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 9, 11])
def test_a_feature_is_rounded_whatever_kit_has_written_it(tmp_path: Path, count: int) -> None:
    x = RNG.uniform(-2.5, 2.5, (1, 2, 5, 5)).astype(np.float32)
    more = [(f"c{i}", np.zeros(2, np.float32)) for i in range(count - 1)]
    proto = model([node("QuantizeFeature", ["x", *(n for n, _ in more)], **FEATURE)], x.shape, *more)
    expected = rounded(x / np.float32(2), feature_grid(4, True, "T40"))
    np.testing.assert_allclose(run(tmp_path, proto, x), expected, atol=1e-6)


@pytest.mark.parametrize(("mean", "var"), [(0.0, 255.0), (128.0, 128.0), (127.5, 127.5), (100.0, 60.0)])
def test_pixels_get_the_codes_they_are(tmp_path: Path, mean: float, var: float) -> None:
    pixels = RNG.integers(0, 256, (1, 2, 6, 6))
    x = ((pixels - mean) / var).astype(np.float32)
    text = json.dumps({"op_type": "Preprocess", "attr": {"mean": mean, "var": var, "output_bitwidth": 8}})
    marks = [node("NOp", ["x"], "i", op_target="input", op_attr='{"op_type":"Prelu","attr":{"kernel":alpha}}'),
             node("NOp", ["i"], "p", op_target="preprocess_end", op_attr=text)]  # fmt: skip
    layer = conv("p", is_input=True, feature_var=var, input_min_value=-1.0 if mean else 0.0)
    y = run(tmp_path, model([*marks, layer], x.shape, *CONV), x)
    grid = input_grid(mean, var)
    np.testing.assert_allclose(rounded(x, grid), x, atol=1e-5)
    assert len(np.unique(y)) > 8
    program = magik.convert(tmp_path / "m.onnx", tmp_path / "net.bin").program
    q = program.tensors[program.inputs[0]].quant
    assert (q.zero_point, q.scale) == (mean, grid.scale)
    if mean in (0.0, 127.5, 128.0):  # then older graphs, without marks, mean the same
        older = model([conv(is_input=True, feature_var=var, input_min_value=-1.0 if mean else 0.0)], x.shape, *CONV)
        np.testing.assert_array_equal(run(tmp_path, older, x), y)


@pytest.mark.parametrize(
    "slopes", [[0.25] * 4, [-0.5, 0.0, 1.0, 0.5], [1.5, 1.0, 2.0, 4.0], [2.0, 0.5, 1.0, 0.0], [0.25]]
)
@pytest.mark.parametrize("device", ["T40", "Txx"])
def test_slopes_are_rounded_once(tmp_path: Path, slopes: list[float], device: str) -> None:
    """In integers where all slopes are on one side of 1; each code is the nearest to the exact result."""
    x = RNG.uniform(0, 1, (1, 2, 5, 5)).astype(np.float32)
    alpha = np.array(slopes, np.float32)
    unsigned = {**FEATURE, "clip_min_value": 0.0, "output_bitwidth": 8, "clip_max_value": 1.0}
    given = {**PARAMS, "clip_min_value": -2.0, "with_negtive_alpha": True, "target_device": device}
    none = [np.ones(4, np.float32), *[np.zeros(4, np.float32)] * 2, np.ones(4, np.float32)]
    constants = [
        ("w", W),
        ("b", np.linspace(-1, 1, 4, dtype=np.float32)),
        *zip("gmvs", none, strict=True),
        ("a", alpha),
    ]
    names, text = [name for name, _ in constants], json.dumps(given)
    feature, layer = node("QuantizeFeature", ["x"], "q", **unsigned), "QuantizeConv2DInference"
    nodes = [feature, node(layer, ["q", *names], param_str=text)]
    y = run(tmp_path, model(nodes, x.shape, *constants), x)
    codes, scales = weight_codes(W, 8, 3.0, device)
    real = rounded(x, feature_grid(8, False, device)).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(real, (3, 3), axis=(2, 3))
    sums = np.einsum("nihwkl,oikl->nohw", windows, codes * scales.reshape(-1, 1, 1, 1))
    v = sums + np.linspace(-1, 1, 4).reshape(-1, 1, 1)
    v = np.where(v < 0, v * alpha.astype(np.float64).reshape(-1, 1, 1), v) / 2
    grid = feature_grid(8, True, device)
    place = v / grid.scale + grid.zero_point
    expected = np.clip(np.floor(place + 0.5), 0, 255)
    certain = np.abs(place % 1 - 0.5) > 1e-3
    np.testing.assert_array_equal((y / grid.scale + grid.zero_point).round()[certain], expected[certain])
    program = magik.convert(tmp_path / "m.onnx", tmp_path / "net.bin").program
    kernels = {s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps}
    is_mixed = max(slopes) > 1 > min(slopes)
    assert ("prelu_f32" in kernels, "extremum_u8" in kernels) == (is_mixed, not is_mixed)


def test_weights_of_a_float_layer_keep_their_codes(tmp_path: Path) -> None:
    x = RNG.uniform(-1, 1, (1, 2, 5, 5)).astype(np.float32)
    given = {"weight_bitwidth": 2, "factor": 3.0, "target_device": "T40"}
    nodes = [node("QuantizeWeight", ["w", "w"], "q", **given), node("Conv", ["x", "q"])]
    weights = RNG.uniform(-1, 1, (1, 2, 1, 1)).astype(np.float32)
    y = run(tmp_path, model(nodes, x.shape, ("w", weights)), x)
    most = np.abs(weights).max()
    thirds = np.array([-1.0, -1 / 3, 1 / 3, 1.0]) * most
    real = thirds[np.abs(weights.reshape(-1, 1) - thirds).argmin(1)]
    np.testing.assert_allclose(y[:, 0], np.tensordot(real, x[0], 1)[None], atol=1e-5)


def test_weights_have_the_codes_of_the_chip_that_is_said_of_them(tmp_path: Path) -> None:
    x, four = RNG.uniform(0, 1, (1, 2, 5, 5)).astype(np.float32), {"weight_bitwidth": 4}
    feature = node("QuantizeFeature", ["x"], "q", **{**FEATURE, "clip_min_value": 0.0})
    found = []
    for given in ({"is_dwconv": True}, {"weight_target_device": "Txx"}, {"weight_target_device": "T40"}, {}):
        found.append(run(tmp_path, model([feature, conv("q", **four, **given)], x.shape, *CONV), x))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert not np.array_equal(found[1], found[2])


def test_the_least_gain_and_a_larger_image(tmp_path: Path) -> None:
    x = RNG.uniform(-1, 1, (1, 2, 3, 3)).astype(np.float32)
    nodes = [
        node("aweight", ["g"], "a"),
        node("Mul", ["x", "a"], "s"),
        node("QuantizeFeature", ["s"], "q", **{**FEATURE, "output_bitwidth": 8}),
        node("NOp", ["q"], "n", op_target="output"),
        node("Upsample", ["n", "scales"], mode="nearest"),
    ]
    gain = np.array([0.001, 2], np.float32).reshape(1, 2, 1, 1)
    proto = model(nodes, x.shape, ("g", gain), ("scales", np.array([1, 1, 2, 3], np.float32)))
    expected = rounded(x * np.maximum(gain, np.float32(0.01)) / np.float32(2), feature_grid(8, True, "T40"))
    np.testing.assert_allclose(run(tmp_path, proto, x), expected.repeat(2, axis=2).repeat(3, axis=3), atol=1e-6)


def test_a_larger_image_of_the_standard_has_its_mode(tmp_path: Path) -> None:
    """Which old versions of PyTorch write at opset 9, also into graphs of the kit."""
    x = RNG.uniform(0, 1, (1, 2, 3, 4)).astype(np.float32)
    eight = {**FEATURE, "clip_min_value": 0.0, "clip_max_value": 1.0, "output_bitwidth": 8}
    nodes = [node("QuantizeFeature", ["x"], "q", **eight), node("Upsample", ["q", "scales"], mode="linear")]
    proto = model(nodes, x.shape, ("scales", np.array([1, 1, 1, 2], np.float32)))
    proto.opset_import[0].version = 9
    q = rounded(x, feature_grid(8, False, "T40"))
    expected = np.empty((1, 2, 3, 8), np.float32)
    expected[..., ::2], expected[..., 1::2] = q, (q + np.concatenate([q[..., 1:], q[..., -1:]], 3)) / 2
    np.testing.assert_allclose(run(tmp_path, proto, x), expected, atol=0.51 / 255)


@pytest.mark.parametrize(("device", "clip_min"), [("T40", -1.0), ("T40", 0.0), ("Txx", -1.0)])
@pytest.mark.parametrize("is_moved", [False, True])
def test_an_image_with_empty_pixels(tmp_path: Path, device: str, clip_min: float, is_moved: bool) -> None:
    """They are what a convolution pads with: -1, the real of code 0, where no code is zero."""
    x = RNG.uniform(-1, 1, (1, 2, 3, 3)).astype(np.float32)
    given = {**FEATURE, "output_bitwidth": 8, "clip_max_value": 1.0, "clip_min_value": clip_min}
    nodes = [node("QuantizeFeature", ["x"], "q", **{**given, "target_device": device})]
    if is_moved:
        nodes += [node("MaxPool", ["q"], "m", kernel_shape=[1, 1]), node("NOp", ["m"], "q2")]
    nodes.append(node("Upsample", [nodes[-1].output[0], "scales"], mode="zero"))
    proto = model(nodes, x.shape, ("scales", np.array([1, 1, 2, 3], np.float32)))
    expected = np.full((1, 2, 6, 9), -1.0 if (device, clip_min) == ("T40", -1.0) else 0.0, np.float32)
    expected[:, :, ::2, ::3] = rounded(x, feature_grid(8, clip_min < 0, device))
    np.testing.assert_allclose(run(tmp_path, proto, x), expected, atol=1e-6)


def test_nodes_have_the_names_of_their_layers() -> None:
    """The node that computes a layer, where the graph says what the layer is called."""
    x = RNG.uniform(-1, 1, (1, 4, 6, 6)).astype(np.float32)
    rounds = {**FEATURE, "output_bitwidth": 8, "clip_max_value": 1.0, "tensor_name": "pool"}
    named = {"quantize_feature_tensor_name": "stem.conv/QuantizeFeature"}
    inner = [conv("p", "c", **named), conv("d", "e", quantize_feature_tensor_name=3), conv("e", "y", **named)]
    inner[1].input[1], inner[2].input[1] = "v", "v"
    nodes = [
        node("MaxPool", ["x"], "m", kernel_shape=[1, 1]),
        node("QuantizeFeature", ["m"], "p", **rounds),
        inner[0],
        node("QuantizeFeature", ["c"], "d", **{**rounds, "clip_max_value": 2.0, "tensor_name": "half"}),
        *inner[1:],
    ]
    for i, one in enumerate(nodes):
        one.name = f"node{i}"
    wide = RNG.normal(size=(4, 4, 1, 1)).astype(np.float32)
    proto = model(nodes, x.shape, ("w", np.concatenate([W, W], 1)), ("v", wide), ("b", np.zeros(4, np.float32)))
    adopt(proto)
    names = [one.name for one in proto.graph.node]
    assert names == ["pool", "node1", "stem.conv", "half", "node4", "node5"]


def test_constants_that_are_written_once_are_found(tmp_path: Path) -> None:
    x = RNG.uniform(0, 1, (1, 2, 5, 5)).astype(np.float32)
    given = node("QuantizeFeature", ["x"], "q", **{**FEATURE, "clip_min_value": 0.0, "output_bitwidth": 8})
    ends = conv("q")
    plain = run(tmp_path, model([given, ends], x.shape, *CONV), x)
    ends.input[2] = "again"
    nodes = [given, node("Identity", ["b"], "once"), node("Identity", ["once"], "again"), ends]
    np.testing.assert_array_equal(run(tmp_path, model(nodes, x.shape, *CONV), x), plain)


def test_every_operator_is_converted_or_in_a_list() -> None:
    converted = {op for domain, op in table() if domain == DOMAIN}
    assert converted - {"Upsample"} == OPERATORS


# ---- QuantizeLSTMV2 ------------------------------------------------------------------------------------------

LSTM = {"quantize": 1, "input_bitwidth": 8, "weight_bitwidth": 8, "output_bitwidth": 8, "batch_first": 1,
        "num_layers": 1, "hidden_size": 3, "target_device": "T40", "layout": 1, "direction": "forward"}  # fmt: skip
ROWS = RNG.normal(size=(12, 2 + 3)).astype(np.float32)
STARTS = (("h", np.full((1, 2, 3), -1, np.float32)), ("c", np.full((1, 2, 3), -1, np.float32)))
MATRIX, BIAS = ("w", ROWS), ("b", np.linspace(-0.5, 0.5, 12, dtype=np.float32))


def lstm(*inputs: str, out: str = "y", **given: Any) -> list[onnx.NodeProto]:
    signed = {"output_bitwidth": 8, "clip_min_value": -1.0, "clip_max_value": 1.0, "target_device": "T40"}
    return [node("QuantizeFeature", ["x"], "q", **signed),
            node("QuantizeLSTMV2", ["q", *(inputs or ("w", "b", "h", "c"))], out, **{**LSTM, **given})]  # fmt: skip


def of_three(nodes: list[Any], *tensors: tuple[str, np.ndarray]) -> Any:
    proto = model(nodes, (2, 4, 2), *tensors)
    del proto.graph.output[0].type.tensor_type.shape.dim[3]
    return proto


def test_an_lstm_keeps_the_codes_of_its_weights(tmp_path: Path) -> None:
    """W and R are parts of one matrix, with one scale for each row; its gates are i, f, g, o."""
    proto = of_three(lstm(), MATRIX, BIAS, *STARTS)
    x = RNG.uniform(-1, 1, (2, 4, 2)).astype(np.float32)
    y = run(tmp_path, proto, x)
    program = magik.convert(tmp_path / "m.onnx", tmp_path / "net.bin").program
    (step,) = (s for s in program.steps if type(s.op).__name__ == "LSTM")
    _, w, r, *_ = program.reads(step)
    codes, scales = weight_codes(ROWS, 8, 3.0, "T40")
    order = np.concatenate([np.arange(3) + 3 * gate for gate in (0, 3, 1, 2)])
    for part, columns in ((w, slice(0, 2)), (r, slice(2, None))):
        factor = np.array(part.quant.scales) / scales[order]
        np.testing.assert_allclose(factor, factor[0], rtol=1e-6)
        np.testing.assert_array_equal(np.rint(part.data * factor[0]), codes[order, columns])
    kernel = step.op.kernel(program.reads(step), program.writes(step))
    assert kernel == "lstm_u8" and len(np.unique(y)) > 8
    h, c = (t.quant for t in program.writes(step)[1:])
    assert (h.zero_point, h.bits) == (127.5, 8) and (c.zero_point, c.bits) == (32768, 16)


def test_fields_that_an_older_lstm_lacks_have_defaults(tmp_path: Path) -> None:
    x = RNG.uniform(-1, 1, (2, 4, 2)).astype(np.float32)
    y = run(tmp_path, of_three(lstm(clip_max_value=6.0, weight_factor=3.0), MATRIX, BIAS, *STARTS), x)
    older = {k: v for k, v in LSTM.items() if k not in ("batch_first", "num_layers", "direction", "layout")}
    nodes = [lstm()[0], node("QuantizeLSTMV2", ["q", "w", "b", "h", "c"], **older)]
    np.testing.assert_array_equal(run(tmp_path, of_three(nodes, MATRIX, BIAS, *STARTS), x), y)


BAD_LSTM = [
    (lstm(direction="sideways"), "sideways", "forward, bidirectional"),
    (lstm(num_layers=2), "num_layers 2", "a whole number in [1, 1]"),
    (lstm(hidden_size=0), "hidden_size 0", "a whole number in [1, 16777216]"),
    (lstm(direction="bidirectional"), "5", "7: bidirectional"),
    (lstm("b", "b", "h", "c"), "[12] for hidden_size 3", "12 rows, more than 3 columns"),
    (lstm("w", "h", "h", "c"), "6 numbers", "12"),
    (lstm("w", "b", "b5", "c"), "[5]", "f32 of 1 directions, N sequences and 3 units"),
    (lstm("q", "b", "h", "c"), "'q'", "f32 numbers that are part of the model"),
    (lstm(weight_bitwidth=9), "weight_bitwidth 9", "a whole number in [2, 8]"),
]


@pytest.mark.parametrize(("nodes", "found", "need"), BAD_LSTM)
def test_what_no_lstm_is_is_refused(tmp_path: Path, nodes: list[Any], found: str, need: str) -> None:
    with pytest.raises(MagikError) as error:
        run(tmp_path, of_three(nodes, MATRIX, BIAS, *STARTS, ("b5", np.zeros(5, np.float32))), np.zeros(1))
    assert [(p.found, p.need) for p in error.value.problems] == [(found, need)]


def test_a_step_of_an_older_lstm_is_refused_by_name(tmp_path: Path) -> None:
    nodes = [node("LSTMUntilFunction", ["x", "w"], out) for out in ("a", "y")]
    with pytest.raises(MagikError) as error:
        run(tmp_path, model(nodes, (1, 2, 5, 5), *CONV), np.zeros(1))
    assert len(error.value.problems) == 2
    for p in error.value.problems:
        assert p.what == "a step of an LSTM says too little to be computed"
        assert (p.found, p.need) == ("LSTMUntilFunction", "QuantizeLSTMV2, the whole LSTM")
        assert "export the network again" in p.hint and "LSTMUntilFunction" in p.where


NAN = {"clip_max_value": float("nan")}
BAD = [
    ([conv(clip_max_value=0)], "clip_max_value 0.0", "a number above 0"),
    ([conv(weight_bitwidth=9)], "weight_bitwidth 9", "a whole number in [2, 8]"),
    ([conv(weight_bitwidth=32)], "weight_bitwidth 32", "2 to 8"),
    ([conv(target_device="T99")], "target_device 'T99'", "one of: Txx, Xs1, Xs2, T40, T41, A1, X2500, T02"),
    ([conv(weight_target_device="T99")], "weight_target_device 'T99'",
     "one of: Txx, Xs1, Xs2, T40, T41, A1, X2500, T02"),
    ([conv(conv_param={"strides": 1, "dilations": [1, 1]})], "strides 1", "2 whole numbers in [1, 65536]"),
    ([conv(epsilon=1e-5)], "''", "f32 numbers that are part of the model"),
    ([node("QuantizeConv2DInference", ["x", "w", "b"], param_str="{")], "param_str '{'", "a JSON object"),
    ([node("QuantizeConv2DInference", ["x", "x", "b"], param_str=json.dumps(dict(PARAMS)))], "'x'",
     "f32 numbers that are part of the model"),
    ([node("QuantizeConv2DInference", ["x", "w", "w"], param_str=json.dumps(dict(PARAMS)))],
     "weights [4, 2, 3, 3], 72 biases", ""),
    ([node("QuantizeFeature", ["x"], **{**FEATURE, **NAN})], "clip_max_value nan", "finite attributes"),
    ([node("QuantizeFeature", ["x"], **FEATURE, is_fixpoint=1)], "is_fixpoint 1", "is_fixpoint 0"),
    ([node("NOp", ["x"], op_attr='{"op_type": "Preprocess", "attr": {"mean": 0.3}}')], "mean 0.3",
     "a whole number or a half in [0, 255]"),
    ([node("NOp", ["x"], "n"), node("Upsample", ["n", "b"], mode="bilinear")], "mode 'bilinear'", "zero or nearest"),
    ([node("NOp", ["x"], "n"), node("Upsample", ["n", "b"], mode="zero")], "[0.0, 0.0, 0.0, 0.0]",
     "[1, 1, height, width]"),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "found", "need"), BAD)
def test_fields_without_a_sensible_value_are_refused(tmp_path: Path, nodes: list[Any], found: str, need: str) -> None:
    with pytest.raises(MagikError) as error:
        run(tmp_path, model(nodes, (1, 2, 5, 5), *CONV), np.zeros((1, 2, 5, 5), np.float32))
    problems = [p for p in error.value.problems if (p.found, p.need) == (found, need)]
    assert problems and "in m.onnx" in problems[0].where
