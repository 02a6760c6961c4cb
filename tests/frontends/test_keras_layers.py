"""Every layer of Keras 3 that is read: its graph computes what Keras does, from each kind of file and from memory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from magik_frontend_tf import keras_files, load, takes  # noqa: E402
from magik_frontend_tf.keras_files import layers  # noqa: E402
from magik_frontend_tf.keras_files.layers.registry import LAYERS  # noqa: E402

from magik_core.errors import ModelError  # noqa: E402
from magik_core.hookspecs import Request  # noqa: E402
from magik_core.prepare import prepare  # noqa: E402
from tests.core.graphs import run  # noqa: E402
from tests.frontends import keras_files as files  # noqa: E402
from tests.frontends.keras_cases import CASES  # noqa: E402

TOLERANCE = 1e-5  # of the largest value
SAVED = (".keras", ".h5")


def randomize(model: Any, rng: np.random.Generator) -> None:
    """Give every weight a value that matters; variances stay above 0."""
    for weight in model.weights:
        values = rng.uniform(-1, 1, weight.shape).astype(np.float32)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)


def leaves(value: Any) -> list[np.ndarray]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else None
    return [np.asarray(value)] if items is None else [leaf for item in items for leaf in leaves(item)]


def samples(model: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    out = {}
    for x in leaves_of(model.inputs):
        shape = [n or 2 for n in x.shape]
        is_integer = "int" in str(x.dtype)
        out[x.name] = (
            rng.integers(0, 9, shape).astype(np.int32) if is_integer else rng.normal(size=shape).astype(np.float32)
        )
    return out


def leaves_of(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else None
    return [value] if items is None else [leaf for item in items for leaf in leaves_of(item)]


def assert_same(graph: Any, feeds: dict[str, np.ndarray], wanted: list[np.ndarray]) -> None:
    got = run(graph, {v.name: feeds[v.name] for v in graph.graph.inputs})
    for y, w in zip(got, wanted, strict=True):
        assert y.shape == w.shape
        np.testing.assert_allclose(y, w, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(w).max())))


def source(model: Any, suffix: str, folder: Path) -> Any:
    if not suffix:
        return model
    model.save(folder / f"net{suffix}")
    return folder / f"net{suffix}"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_layer_computes_what_keras_does(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    keras.backend.clear_session()
    model = CASES[name]()
    randomize(model, rng)
    feeds = samples(model, rng)
    values = list(feeds.values())
    wanted = leaves(model(feeds if name == "dictionaries" else values if len(values) > 1 else values[0]))
    number = list(CASES).index(name)
    for suffix in ("", SAVED[number % 2]):
        graph = keras_files.load(source(model, suffix, tmp_path), Request())
        assert_same(graph, feeds, wanted)
        bound = prepare(graph, input_shapes=[feeds[v.name].shape for v in graph.graph.inputs])
        assert_same(bound, feeds, wanted)


def test_every_layer_is_held_against_keras() -> None:
    """Itself, or under another of its names; here or, where Keras 3 has it no more, in the files of Keras 2."""
    layers.families()
    used: set[str] = set()
    for make in CASES.values():
        used |= {one["class_name"] for one in configs(json.loads(make().to_json()))}
    reached = {id(made) for name, made in LAYERS.items() if name in used}
    assert [name for name in sorted(LAYERS) if id(LAYERS[name]) not in reached] == ["ThresholdedReLU"]


def configs(value: Any) -> list[dict[str, Any]]:
    """Everything in a configuration that has a class."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict) and isinstance(value.get("class_name"), str) else []
    return [*own, *(found for item in items for found in configs(item))]


def test_a_model_in_memory_is_taken() -> None:
    model = CASES["sequential"]()
    assert takes(model) and not takes(object()) and not takes("net.keras")
    assert [v.name for v in load(model, Request()).graph.inputs] == ["x"]


def test_a_model_that_cannot_say_its_layers() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ModelError) as caught:
        load(Own(), Request())
    (problem,) = caught.value.problems
    assert problem.what in ("the model cannot say what its layers are", "the architecture is no model of layers")


def test_a_model_in_memory_that_lies() -> None:
    class Model:
        """Called as Keras's own class: it says that it has layers, and has none."""

        name, layers = "net", ()

        def to_json(self) -> str:
            return json.dumps(files.sequential(("Dense", {"units": 2})))

    with pytest.raises(ModelError) as caught:
        keras_files.load(Model(), Request())
    (problem,) = caught.value.problems
    assert (problem.what, problem.found) == ("the weights of the model cannot be read", "KeyError: 'dense'")


@pytest.mark.parametrize("suffix", SAVED)
def test_a_model_that_is_in_two_places(suffix: str, tmp_path: Path) -> None:
    """Its weights are stored once in an archive, twice in an .h5."""
    rng = np.random.default_rng(4)
    model = CASES["nested"]()
    randomize(model, rng)
    feeds = samples(model, rng)
    assert_same(load(source(model, suffix, tmp_path), Request()), feeds, leaves(model(list(feeds.values()))))
