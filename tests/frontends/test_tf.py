"""Graphs of TensorFlow: what small ones compute, which loops are layers, where transposes are left."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from magik_core.graph import fingerprint
from magik_core.hookspecs import Request
from magik_core.prepare import prepare
from magik_core.read import read
from tests.conftest import ROOT, repository
from tests.core.graphs import run

pytest.importorskip("tensorflow")
from magik_frontend_tf import graphs
from magik_frontend_tf.graphs import worker

DATA = ROOT / "tests/data/tf"
LAYERS = {"basic_lstm": "LSTM", "gru_cell": "GRU", "gru_after": "GRU", "basic_rnn": "RNN", "keras_gru": "GRU"}


@cache
def recorded() -> dict[str, np.ndarray]:
    with np.load(DATA / "ref.npz") as file:
        return dict(file)


def path_of(name: str) -> Path:
    folder = DATA / name
    return folder if folder.is_dir() else folder.with_suffix(".pb")


def convert(name: str, **job: object) -> ir.Model:
    """As `load`, but in this process."""
    empty = {"path": str(path_of(name)), "inputs": [], "outputs": [], "input_shapes": [], "options": {}}
    return ir.from_proto(onnx.load_model_from_string(worker.run({**empty, **job})))


def ops(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def names(values: object) -> list[str | None]:
    return [value.name for value in values]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["cnn", "upscale", "spectrum", "saved", "saved_v1", *LAYERS])
def test_it_computes_what_tensorflow_does(name: str) -> None:
    x, y = recorded()[f"{name}/x"], recorded()[f"{name}/y"]
    model = prepare(convert(name, input_shapes=[list(x.shape)]))
    (got,) = run(model, {str(model.graph.inputs[0].name): x})
    assert got.shape == y.shape
    np.testing.assert_allclose(got, y, rtol=0, atol=1e-5 * np.ptp(y))


@pytest.mark.parametrize("name", LAYERS)
def test_a_loop_is_one_layer(name: str) -> None:
    found = ops(convert(name))
    assert found[LAYERS[name]] == 1
    assert not {"Loop", "Scan", "Sigmoid", "Tanh"} & set(found)


def test_a_gru_says_where_it_resets() -> None:
    for name, is_after in (("gru_cell", 0), ("gru_after", 1), ("keras_gru", 1)):
        (layer,) = (node for node in convert(name).graph if node.op_type == "GRU")
        assert layer.attributes["linear_before_reset"].as_int() == is_after, name


def test_the_activation_of_a_layer_is_kept() -> None:
    (layer,) = (node for node in convert("basic_rnn").graph if node.op_type == "RNN")
    assert layer.attributes["activations"].as_strings() == ("Relu",)


def test_weights_of_a_cell_are_exact() -> None:
    """They are found by computing, and are the very numbers of the file."""
    (layer,) = (node for node in convert("gru_cell").graph if node.op_type == "GRU")
    found = {v.name: v.const_value.numpy() for v in layer.inputs[1:4] if v is not None and v.const_value is not None}
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework import tensor_util

    proto = graph_pb2.GraphDef.FromString(path_of("gru_cell").read_bytes())
    stored = {tensor_util.MakeNdarray(n.attr["value"].tensor).tobytes() for n in proto.node if n.op == "Const"}
    w, r = (array[0] for key, array in found.items() if not str(key).endswith("/b"))
    candidate = np.ascontiguousarray(np.concatenate([w[12:].T, r[12:].T]))
    gates = np.concatenate([w[:12].T, r[:12].T])  # z, r; TensorFlow has r, u
    assert candidate.tobytes() in stored
    assert np.ascontiguousarray(np.concatenate([gates[:, 6:], gates[:, :6]], 1)).tobytes() in stored


def test_one_transpose_is_left_and_it_is_at_the_input() -> None:
    model = convert("cnn", input_shapes=[[1, 13, 10, 3]])
    assert ops(model)["Transpose"] == 1
    (first,) = (node for node in model.graph if node.op_type == "Transpose")
    assert names(first.inputs) == ["image"]


def test_names_are_the_sources() -> None:
    model = convert("cnn")
    assert (names(model.graph.inputs), names(model.graph.outputs)) == (["image"], ["scores"])
    assert {"first", "split", "concat", "pooled", "scores"} <= {node.name for node in model.graph}
    made = [name for node in model.graph for name in names(node.outputs)]
    assert not [name for name in made if name and name.endswith((":0", "/nchw"))]
    assert names(convert("saved").graph.inputs) == ["x"]
    assert names(convert("saved").graph.outputs) == ["y"]


def test_open_sizes_stay_open_but_for_the_batch() -> None:
    image = convert("cnn").graph.inputs[0]
    assert image.shape is not None
    assert (image.shape[0], image.shape[3]) == (1, 3)
    assert not isinstance(image.shape[1], int)
    luma = convert("upscale").graph.inputs[0].shape  # the file says nothing; the convolution does
    assert luma is not None and len(luma) == 4 and luma[3] == 1


@pytest.mark.parametrize("begin", ["Mfcc", "Mfcc:0"])
def test_it_begins_where_it_is_asked_to(begin: str) -> None:
    x, y = recorded()["audio/x"], recorded()["audio/y"]
    model = prepare(convert("audio", inputs=[begin], input_shapes=[list(x.shape)]), inputs=[begin])
    assert names(model.graph.inputs) == [begin]
    np.testing.assert_allclose(run(model, {begin: x})[0], y, rtol=0, atol=1e-6)


def test_it_ends_where_it_is_asked_to() -> None:
    model = convert("cnn", outputs=["first", "pooled:0"])
    assert names(model.graph.outputs) == ["first", "pooled:0"]
    assert "Softmax" not in ops(model)


def test_a_state_that_is_written_goes_in_and_out() -> None:
    model = prepare(convert("saved", options={"signature": "running"}))
    assert names(model.graph.inputs) == ["x", "sum"]
    assert names(model.graph.outputs) == ["y", "sum/next"]
    state, rows = np.zeros((1, 3), np.float32), []
    for x in recorded()["saved/x"]:
        y, state = run(model, {"x": x[None], "sum": state})
        rows.append(y)
    np.testing.assert_allclose(np.concatenate(rows), recorded()["running/y"], rtol=0, atol=1e-6)


def test_a_phase_needs_no_angle() -> None:
    found = ops(convert("spectrum"))
    assert not {"Atan", "Cos", "Sin", "Exp", "DFT", "STFT"} & set(found)
    assert found["MatMul"] == 5  # two for each transform, one of the model's own


def test_attributes_with_their_defaults_may_be_left_out(tmp_path: Path) -> None:
    from tensorflow.core.framework import graph_pb2

    whole = graph_pb2.GraphDef.FromString(path_of("spectrum").read_bytes())
    for node in whole.node:
        if node.op in ("ComplexAbs", "Angle", "RFFT", "IRFFT"):
            for key in [key for key in node.attr if node.attr[key].type]:
                del node.attr[key]
    path = tmp_path / "spectrum.pb"
    path.write_bytes(whole.SerializeToString())
    assert ops(convert("spectrum", path=str(path))) == ops(convert("spectrum"))


@pytest.mark.parametrize("name, layer", [("gru_cell", "GRU"), ("keras_gru", "sequential_1/gru_1")])
def test_a_layer_has_the_name_of_its_scope(name: str, layer: str) -> None:
    (node,) = (node for node in convert(name).graph if node.op_type == "GRU")
    assert node.name == layer


@pytest.mark.usefixtures("everything")
def test_the_frontend_gives_the_same_bytes_and_no_words(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = (read(path_of("gru_cell")) for _ in range(2))
    assert fingerprint(first) == fingerprint(second)
    assert ops(first)["GRU"] == 1
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.usefixtures("everything")
def test_a_conversion_reads_the_request() -> None:
    model = read(path_of("audio"), request=Request(inputs=("Mfcc",), input_shapes=((1, 25, 13),)))
    assert names(model.graph.inputs) == ["Mfcc"]


def test_every_format_is_known_to_one_frontend() -> None:
    installed = repository()
    for name in ("cnn", "saved", "saved_v1", "keras_gru"):
        assert installed.sniff(path_of(name)).name == "tf"
    assert installed.sniff(DATA / "saved/saved_model.pb").name == "tf"
    assert not graphs.sniff(ROOT / "examples/digits/digits.onnx")
    assert not graphs.sniff(DATA / "ref.npz")
    assert not graphs.sniff(DATA)
    assert not graphs.sniff(DATA / "missing.pb")
