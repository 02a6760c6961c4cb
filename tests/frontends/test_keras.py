"""Keras 2 files with what Keras 2 computed, names, options, and every message; no framework is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from magik_frontend_tf import keras_files

from magik_core.errors import MagikError, Problem
from magik_core.hookspecs import Request
from magik_core.prepare import prepare
from tests.conftest import repository
from tests.core.graphs import run
from tests.frontends import keras_files as files

DATA = Path(__file__).resolve().parents[1] / "data/keras"
NAMES = sorted(path.stem for path in DATA.glob("*.npz"))
TOLERANCE = 1e-5


def recorded(name: str) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    with np.load(DATA / f"{name}.npz") as held:
        feeds = {key.removeprefix("in:"): held[key] for key in held.files if key.startswith("in:")}
        return feeds, [held[f"out:{i}"] for i in range(len(held.files) - len(feeds))]


def assert_computes(graph: ir.Model, name: str) -> None:
    feeds, wanted = recorded(name)
    got = run(graph, {str(v.name): feeds[str(v.name)] for v in graph.graph.inputs})
    for y, w in zip(got, wanted, strict=True):
        assert y.shape == w.shape
        np.testing.assert_allclose(y, w, rtol=0, atol=TOLERANCE)


def load(path: Any, **options: Any) -> ir.Model:
    return keras_files.load(path, Request(options=options))


def problems_of(call: Callable[[], Any]) -> tuple[Problem, ...]:
    with pytest.raises(MagikError) as caught:
        call()
    return caught.value.problems


@pytest.mark.parametrize("name", NAMES)
def test_keras_2(name: str) -> None:
    graph = load(DATA / f"{name}.h5")
    assert_computes(graph, name)
    feeds, _ = recorded(name)
    assert_computes(prepare(graph, input_shapes=[feeds[str(v.name)].shape for v in graph.graph.inputs]), name)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_that_the_request_knows(name: str) -> None:
    """They are taken where they are needed; the result is the same."""
    feeds, _ = recorded(name)
    plain = load(DATA / f"{name}.h5")
    shapes = tuple(feeds[str(v.name)].shape for v in plain.graph.inputs)
    graph = keras_files.load(DATA / f"{name}.h5", Request(input_shapes=shapes))
    assert [tuple(v.shape or ()) for v in graph.graph.inputs] == list(shapes)
    assert_computes(graph, name)


@pytest.mark.parametrize("is_path", [True, False])
def test_weights_with_an_architecture(is_path: bool) -> None:
    path = DATA / "chain.json"
    assert_computes(load(DATA / "chain.weights.h5", architecture=str(path) if is_path else path.read_text()), "chain")
    assert_computes(load(DATA / "chain.weights.h5", architecture=json.loads(path.read_text())), "chain")


def test_names_are_kept() -> None:
    graph = load(DATA / "chain.h5")
    assert [(node.name, node.op_type, node.outputs[0].name) for node in graph.graph] == [
        ("dense/gemm", "Gemm", "dense/gemm"),
        ("dense", "Elu", "dense"),
        ("dense_1", "Gemm", "dense_1"),
    ]
    assert {"dense/kernel", "dense/bias", "dense_1/kernel"} <= set(graph.graph.initializers)
    (x,) = graph.graph.inputs
    assert x.name == "dense_input" and [d if isinstance(d, int) else d.value for d in x.shape or ()] == ["batch", 3]


def test_an_image_is_turned_once() -> None:
    """One Transpose behind the input, none in between, one before what Keras flattens."""
    graph = load(DATA / "image.h5")
    turns = [node for node in graph.graph if node.op_type == "Transpose"]
    assert [node.inputs[0].name for node in turns if node.inputs[0]][:1] == ["x"] and len(turns) == 2
    assert [node.op_type for node in graph.graph][-1] in ("Softmax", "Flatten")


def test_recognized_by_content(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes((DATA / "chain.h5").read_bytes())
    assert keras_files.sniff(path) and repository().sniff(path).name == "tf"
    archive = files.archive(tmp_path / "any", files.sequential(("Dense", {"units": 2})), {})
    assert keras_files.sniff(archive)
    (tmp_path / "zip").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "text").write_text("no model")
    assert not any(keras_files.sniff(p) for p in (tmp_path / "zip", tmp_path / "text", tmp_path, tmp_path / "missing"))


# ---- models by hand ----------------------------------------------------------------------------------------


def test_an_archive_by_hand(tmp_path: Path) -> None:
    kernel = np.float32([[1, 2], [3, 4], [5, 6]])
    config = files.sequential(("Dense", {"units": 2, "use_bias": False, "activation": "relu"}), shape=[None, 3])
    graph = load(files.archive(tmp_path / "net.keras", config, {"layers/dense/vars/0": kernel}))
    x = np.float32([[1, -1, 0.5]])
    np.testing.assert_allclose(run(graph, {"x": x})[0], np.maximum(x @ kernel, 0))


def test_stateful_layers_have_inputs_and_outputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays = {
        f"layers/lstm/cell/vars/{i}": rng.normal(size=s).astype(np.float32)
        for i, s in enumerate([(3, 8), (2, 8), (8,)])
    }
    config = files.sequential(("LSTM", {"units": 2, "stateful": True}), shape=[1, 4, 3])
    graph = load(files.archive(tmp_path / "net.keras", config, arrays))
    assert [v.name for v in graph.graph.inputs] == ["x", "lstm/h_in", "lstm/c_in"]
    x, zero = rng.normal(size=(1, 4, 3)).astype(np.float32), np.zeros((1, 2), np.float32)
    whole, h, c = run(graph, {"x": x, "lstm/h_in": zero, "lstm/c_in": zero})
    np.testing.assert_allclose(whole, h)
    again = run(graph, {"x": x, "lstm/h_in": h, "lstm/c_in": c})
    config = files.sequential(("LSTM", {"units": 2}), shape=[1, 8, 3])
    long = load(files.archive(tmp_path / "long.keras", config, arrays))
    np.testing.assert_allclose(run(long, {"x": np.concatenate([x, x], 1)})[0], again[0], atol=1e-6)


def test_a_node_of_tensorflows_graph(tmp_path: Path) -> None:
    """As tf.keras up to 2.3 stored functions."""
    node = {"name": "mul", "op": "Mul", "attr": {"T": {"type": "DT_FLOAT"}}}
    layer = {"class_name": "TensorFlowOpLayer", "name": "mul", "inbound_nodes": [[["x", 0, 0, {}]]],
             "config": {"name": "mul", "node_def": json.dumps(node), "constants": {"1": 3.0}}}  # fmt: skip
    mean = {"class_name": "TensorFlowOpLayer", "name": "mean", "inbound_nodes": [[["mul", 0, 0, {}]]],
            "config": {"name": "mean", "constants": {"1": [1]},
                       "node_def": {"op": "Mean", "attr": {"keep_dims": {"b": True}}}}}  # fmt: skip
    graph = load(
        files.archive(tmp_path / "net.keras", files.functional([files.input_layer([None, 4]), layer, mean], "mean"), {})
    )
    x = np.float32([[1, 2, 3, 6]])
    np.testing.assert_allclose(run(graph, {"x": x})[0], [[9]])


# ---- what is refused ---------------------------------------------------------------------------------------

LAYERS = [
    (("Lambda", {"function": "…"}), "a Lambda holds code, which is never run", "Lambda"),
    (("my>Own", {}), "a layer is a class of the model's own", "my>Own"),
    (("ConvLSTM2D", {}), "a layer is not supported", "ConvLSTM2D"),
    (("Activation", {"activation": "mine"}), "an activation is not supported", "mine"),
    (("Dense", {"units": 2}), "the layer has no weights in the file", "0 weights"),
    (("Dense", {"units": "2"}), "units of the layer is no sensible number", "'2'"),
    (("Dense", {"units": 1 << 40}), "units of the layer is no sensible number", str(1 << 40)),
    (("Conv2D", {"filters": 2, "kernel_size": 3}), "the layer does not fit its input", "['batch', 4]"),
    (("Reshape", {"target_shape": [3, 3]}), "the shape does not fit", "[4] to [3, 3]"),
    (("Reshape", {"target_shape": 3}), "target_shape of the layer is no list", "3"),
    (("Permute", {"dims": [2]}), "dims of the layer are no order of its axes", "[2]"),
    (("Softmax", {"axis": [0, 1]}), "a softmax runs along several axes", "[0, 1]"),
    (("Softmax", {"axis": 7}), "an axis does not exist", "axis 7 of ['batch', 4]"),
    (("LeakyReLU", {"alpha": "x"}), "alpha of the layer is no number", "'x'"),
    (("Activation", {"activation": {"class_name": "function", "config": "f"}}), "an activation is not supported", "f"),
    (("LSTM", {"units": 2}), "the layer has no weights in the file", "0 weights"),
    (("RNN", {"cell": {"class_name": "MyCell", "config": {}}}), "a cell is not supported", "MyCell"),
    (("Masking", {}), "a layer is not supported", "Masking"),
    (("Embedding", {"mask_zero": True}), "masks are not supported", "mask_zero True"),
    (("Add", {}), "the layer has another number of inputs", "1"),
    (("Dot", {"axes": 1}), "the layer does not fit its inputs", "[['batch', 4]]"),
    (("RepeatVector", {"n": 0}), "n of the layer is no sensible number", "0"),
    (("Rescaling", {"scale": [[1]]}), "scale and offset of the layer are no numbers", "[[1.]], 0.0"),
    (("Dense", {"units": 2, "dtype": {"class_name": "QuantizedDTypePolicy", "config": {}}}), "the layer is quantized",
     "QuantizedDTypePolicy"),
    (("Bidirectional", {"layer": {"class_name": "Dense", "config": {}}}), "a wrapped layer is not supported", "Dense"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "what", "found"), LAYERS, ids=lambda v: str(v)[:40])
def test_refused_layers(layer: tuple[str, dict[str, Any]], what: str, found: str, tmp_path: Path) -> None:
    path = files.archive(tmp_path / "net.keras", files.sequential(layer), {})
    (problem,) = problems_of(lambda: load(path))
    assert (problem.what, problem.found) == (what, found)
    assert problem.where == f"{layer[0]} '{layer[0].lower()}' in net.keras"


def test_everything_is_reported_at_once(tmp_path: Path) -> None:
    config = files.sequential(("Lambda", {}), ("Dense", {"units": 2}), ("ConvLSTM2D", {}))
    branch = {"class_name": "Masking", "name": "m", "config": {"name": "m"}, "inbound_nodes": [[["x", 0, 0, {}]]]}
    other = {"class_name": "Lambda", "name": "l", "config": {"name": "l"}, "inbound_nodes": [[["x", 0, 0, {}]]]}
    both = {
        "class_name": "Add",
        "name": "a",
        "config": {"name": "a"},
        "inbound_nodes": [[["m", 0, 0, {}], ["l", 0, 0, {}]]],
    }
    config = files.functional([files.input_layer([None, 4]), branch, other, both], "a")
    found = problems_of(lambda: load(files.archive(tmp_path / "net.keras", config, {})))
    assert [p.found for p in found] == ["Masking", "Lambda"]
    assert all("model.export('folder')" in p.hint for p in found)


FUNCTIONS = [
    ("math.asinh", {}, "a function is not supported", "math.asinh"),
    ("math.add", {}, "a function is called with other arguments", "math.add: missing a required argument: 'y'"),
    ("math.add", {"y": 1.0, "z": 2}, "a function is called with arguments that are not supported", "z"),
    ("math.add", {"y": "a"}, "a constant is no number", "'a'"),
    ("reshape", {"shape": [3, 4]}, "the batch is given another size", "[3, 4]"),
    ("reshape", {"shape": "x"}, "a tensor is given another shape that is not known", "'x'"),
    ("transpose", {"perm": [0, 0]}, "the order is no order of the axes", "[0, 0]"),
    ("cast", {"dtype": "int32"}, "a cast to integers is not supported", "int32"),
    ("pad", {"paddings": [[0, 0], [1, 1]], "mode": "SYMMETRIC"}, "a padding is not supported", "SYMMETRIC"),
    ("pad", {"pad_width": 1, "mode": "constant", "constant_values": 2}, "a padding is not supported",
     "constant_values 2"),
    ("split", {"num_or_size_splits": 3, "axis": 1}, "the parts do not fit", "3 of 4"),
    ("__operators__.getitem", {"slice_spec": [{"start": None, "stop": None, "step": 2}]},
     "a part of a tensor is not supported",
     "{'start': None, 'stop': None, 'step': 2}"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "what", "found"), FUNCTIONS, ids=lambda v: str(v)[:30])
def test_refused_functions(name: str, kwargs: dict[str, Any], what: str, found: str, tmp_path: Path) -> None:
    layer = {"class_name": "TFOpLambda", "name": "f", "config": {"name": "f", "function": name},
             "inbound_nodes": [["x", 0, 0, kwargs]]}  # fmt: skip
    config = files.functional([files.input_layer([None, 4]), layer], "f")
    (problem,) = problems_of(lambda: load(files.archive(tmp_path / "net.keras", config, {})))
    assert (problem.what, problem.found) == (what, found)


@pytest.mark.parametrize(("weights", "what", "found"), [
    ([np.zeros((4, 3), np.float32)], "the weights do not fit the layer", "[4, 3]"),
    ([np.zeros((5, 2), np.float32), np.zeros(2, np.float32)], "the inputs of the layer do not fit it", ""),
    ([np.full((4, 2), np.nan, np.float32)], "a weight is not a number", "8 NaN and 0 infinite of 8 values"),
], ids=["shape", "input", "nan"])  # fmt: skip
def test_weights_that_do_not_fit(weights: list[np.ndarray], what: str, found: str, tmp_path: Path) -> None:
    arrays = {f"layers/dense/vars/{i}": array for i, array in enumerate(weights)}
    (problem,) = problems_of(
        lambda: load(files.archive(tmp_path / "net.keras", files.sequential(("Dense", {"units": 2})), arrays))
    )
    assert problem.what == what and found in problem.found
