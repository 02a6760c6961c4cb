"""Keras files that nobody should trust: damaged, hostile, or of another kind; each gives a message and no crash."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from magik_frontend_tf import keras_files
from magik_frontend_tf.keras_files import builder, hdf5, reader

from magik_core.errors import MagikError, ModelError, Problem, UsageError
from magik_core.hookspecs import Request
from tests.frontends import keras_files as files
from tests.frontends.test_keras import DATA

DAMAGED = "the file is no HDF5, or a damaged one"
KERNEL = {"layers/dense/vars/0": np.ones((4, 2), np.float32), "layers/dense/vars/1": np.zeros(2, np.float32)}
DENSE = files.sequential(("Dense", {"units": 2}))


def load(path: Any, **options: Any) -> Any:
    return keras_files.load(path, Request(options=options))


def problem_of(call: Callable[[], Any]) -> Problem:
    with pytest.raises(ModelError) as caught:
        call()
    (problem,) = caught.value.problems
    return problem


# ---- files ---------------------------------------------------------------------------------------------------


def test_files_that_are_none(tmp_path: Path) -> None:
    assert problem_of(lambda: load(tmp_path / "net.h5")).what == "there is no such model"
    assert problem_of(lambda: load(tmp_path)).what == "the model is not a file"


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BYTES", 100)
    assert problem_of(lambda: load(DATA / "chain.h5")).what == "the model is too large"


def test_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fails)
    problem = problem_of(lambda: load(DATA / "chain.h5"))
    assert (problem.what, problem.found) == ("the model cannot be read", "Input/output error")


def test_weights_only() -> None:
    problem = problem_of(lambda: load(DATA / "chain.weights.h5"))
    assert (problem.what, problem.found) == (
        "the Keras file holds weights only, no layers",
        "layers/dense, layers/dense_1",
    )
    assert "architecture=model.json" in problem.hint


def test_another_hdf5_file(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    path.write_bytes(files.hdf5({"table/x": np.zeros(3)}))
    problem = problem_of(lambda: load(path))
    assert (problem.what, problem.found) == ("the HDF5 file is no Keras model", "groups: table")


@pytest.mark.parametrize(("given", "what"), [
    ("missing.json", "there is no such architecture"),
    ("{", "the architecture is no JSON, or truncated"),
    ("{}", "the architecture is no model of layers"),
])  # fmt: skip
def test_an_architecture_that_is_none(given: str, what: str) -> None:
    assert problem_of(lambda: load(DATA / "chain.weights.h5", architecture=given)).what == what


def test_an_architecture_that_is_not_needed() -> None:
    with pytest.raises(UsageError) as caught:
        load(DATA / "chain.h5", architecture=str(DATA / "chain.json"))
    (problem,) = caught.value.problems
    assert (problem.what, problem.found) == ("an option does not fit the model", "architecture")
    assert problem.need == "of a file with an architecture of its own: none"


@pytest.mark.skipif(os.name != "posix", reason="devices of POSIX")
def test_an_architecture_without_end() -> None:
    problem = problem_of(lambda: load(DATA / "chain.weights.h5", architecture="/dev/zero"))
    assert (problem.what, problem.found) == ("the architecture is not a file", "a device")


def test_an_architecture_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_bytes(b"{\xff")
    problem = problem_of(lambda: load(DATA / "chain.weights.h5", architecture=str(tmp_path / "net.json")))
    assert problem.what == "the architecture cannot be read" and "codec can't decode" in problem.found


def test_an_architecture_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_JSON_BYTES", 100)
    problem = problem_of(lambda: load(DATA / "chain.weights.h5", architecture=str(DATA / "chain.json")))
    assert problem.what == "the architecture is too large"


def test_h5py_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5.importlib.util, "find_spec", lambda name: None)
    problem = problem_of(lambda: load(DATA / "chain.h5"))
    assert (problem.what, problem.hint) == ("h5py is not installed, which reads Keras files", "pip install h5py")


# ---- archives ------------------------------------------------------------------------------------------------


def test_a_truncated_archive(tmp_path: Path) -> None:
    path = files.archive(tmp_path / "net.keras", DENSE, KERNEL)
    path.write_bytes(path.read_bytes()[:-30])
    assert problem_of(lambda: load(path)).what == "the file is no Keras archive, or a damaged one"


def test_a_part_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(DENSE))
        file.writestr("metadata.json", "{}")
        file.writestr("model.weights.json", "{}")
    problem = problem_of(lambda: load(path))
    assert (problem.what, problem.need) == ("a part of the Keras archive is missing", "model.weights.h5")


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = files.archive(tmp_path / "net.keras", b" " * (16 << 20), KERNEL)
    assert path.stat().st_size < 1 << 20
    assert problem_of(lambda: load(path)).what == "a part of the Keras archive is too large"


ARCHITECTURES = [
    (b"", "the architecture is no JSON, or truncated"),
    (b"[" * 100_000, "the architecture is no JSON, or truncated"),
    (b"[]", "the architecture is no Keras model"),
    (b'{"class_name": "Mine", "config": {}}', "the architecture is no model of layers"),
    (b'{"class_name": "Functional", "config": {"layers": 3}}', "the architecture is damaged"),
    (b'{"class_name": "Sequential", "config": {"layers": []}}', "the architecture is damaged"),
    (b'{"class_name": "Sequential", "config": {"layers": [7]}}', "the architecture is damaged"),
    (json.dumps(files.functional([files.input_layer([4])], "x")).replace('["x", 0, 0]', '["x", -1, 0]').encode(),
     "the architecture is damaged"),
    (json.dumps(files.functional([files.input_layer([4])] * 2, "x")).encode(), "the architecture is damaged"),
    (json.dumps(files.functional([files.input_layer([4])])).encode(), "the architecture is damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "what"), ARCHITECTURES, ids=lambda v: repr(v)[:40])
def test_damaged_architectures(text: bytes, what: str, tmp_path: Path) -> None:
    assert problem_of(lambda: load(files.archive(tmp_path / "net.keras", text, KERNEL))).what == what


def test_models_in_models_without_end(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "class_name": "TimeDistributed",
        "config": {"name": "t", "layer": {"class_name": "Dense", "config": {}}},
    }
    for _ in range(40):
        config = {"class_name": "TimeDistributed", "config": {"name": "t", "layer": config}}
    net = {"class_name": "Sequential", "config": {"name": "n", "layers": [files.input_layer([None, 4]), config]}}
    problem = problem_of(lambda: load(files.archive(tmp_path / "net.keras", net, {})))
    assert (problem.what, problem.found) == (
        "the architecture is damaged",
        "more than 16 models and wrappers in each other",
    )


def test_a_model_that_is_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten calls of ten calls of ten: each level is small, all of them together are not."""
    monkeypatch.setattr(builder, "MAX_NODES", 1000)
    inner = files.sequential(*[("Activation", {"name": f"a{i}", "activation": "tanh"}) for i in range(10)])
    for _ in range(6):
        calls = [[["x", 0, 0, {}]], *([["m", i, 0, {}]] for i in range(1, 10))]
        layers = [files.input_layer([None, 4]), {**inner, "name": "m", "inbound_nodes": calls}]
        inner = files.functional(layers, "m")
        inner["config"]["output_layers"] = [["m", 10, 0]]
    with pytest.raises(MagikError) as caught:
        load(files.archive(tmp_path / "net.keras", inner, {}, version="2.4.0"))
    assert caught.value.problems[0].what == "the model has too many layers"


GRAPHS = [
    ([["y", 0, 0, {}]], "a tensor is made by no layer", "call 0 of 'y'"),
    ([["r", 0, 0, {}]], "a tensor is made by no layer", "r"),
]


@pytest.mark.parametrize(("inbound", "what", "found"), GRAPHS, ids=["nobody", "itself"])
def test_tensors_from_nowhere(inbound: list[Any], what: str, found: str, tmp_path: Path) -> None:
    layer = {"class_name": "ReLU", "name": "r", "config": {"name": "r"}, "inbound_nodes": [inbound]}
    with pytest.raises(MagikError) as caught:
        load(files.archive(tmp_path / "net.keras", files.functional([files.input_layer([None, 4]), layer], "r"), {}))
    assert (caught.value.problems[0].what, caught.value.problems[0].found) == (what, found)


INPUTS = [
    ({"batch_shape": None}, "the model is not built: its input has no shape"),
    ({"batch_shape": [None, -3]}, "the shape of an input is not known"),
    ({"dtype": "string"}, "an input is of a type that is not read"),
    ({"sparse": True}, "an input is sparse or ragged"),
]


@pytest.mark.parametrize(("config", "what"), INPUTS, ids=lambda v: str(v)[:30])
def test_inputs_that_are_refused(config: dict[str, Any], what: str, tmp_path: Path) -> None:
    layer = {"class_name": "ReLU", "name": "r", "config": {"name": "r"}, "inbound_nodes": [[["x", 0, 0, {}]]]}
    net = files.functional([files.input_layer([None, 4], **config), layer], "r")
    with pytest.raises(MagikError) as caught:
        load(files.archive(tmp_path / "net.keras", net, {}))
    assert caught.value.problems[0].what == what


# ---- HDF5 ------------------------------------------------------------------------------------------------------


def written(write: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


def _circle(file: Any) -> None:
    group = file.create_group("a")
    group["b"] = group


HOSTILE = [
    (lambda f: f.__setitem__("w", h5py.ExternalLink("other.h5", "/w")), "a link leads out of the model"),
    (lambda f: f.__setitem__("w", h5py.SoftLink("/v")), "a link leads out of the model"),
    (_circle, "the groups of the file are nested in a circle, or too deep"),
    (lambda f: f.create_dataset("w", (4,), "f4", external=[("other.bin", 0, 16)]), "weights lie in another file"),
    (lambda f: f.create_dataset("w", (1 << 40, 1 << 20), "f4", chunks=(1, 1 << 10)),
     "a weight is larger than what is stored of it"),
    (lambda f: f.create_dataset("w", data=["text"]), "a weight is of a type that is not read"),
    (lambda f: f.create_dataset("w", data=np.zeros(2, [("a", "f4"), ("b", "i4")])),
     "a weight is of a type that is not read"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "what"), HOSTILE, ids=lambda v: v if isinstance(v, str) else "")
def test_hostile_hdf5(write: Callable[[Any], Any], what: str, tmp_path: Path) -> None:
    assert problem_of(lambda: load(files.archive(tmp_path / "net.keras", DENSE, written(write)))).what == what


def test_a_weight_that_is_compressed(tmp_path: Path) -> None:
    data = written(lambda f: [f.create_dataset(k, data=v, compression="gzip") for k, v in KERNEL.items()])
    assert len(load(files.archive(tmp_path / "net.keras", DENSE, data)).graph.initializers) == 2


def test_hdf5_that_is_none(tmp_path: Path) -> None:
    assert problem_of(lambda: load(files.archive(tmp_path / "net.keras", DENSE, b"no HDF5"))).what == DAMAGED
    path = tmp_path / "net.h5"
    path.write_bytes((DATA / "chain.h5").read_bytes()[:900])
    assert problem_of(lambda: load(path)).what == DAMAGED


def test_a_library_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "SECONDS", 0.01)
    problem = problem_of(lambda: load(DATA / "chain.h5"))
    assert (problem.what, problem.found) == (DAMAGED, "no end after 0.01 seconds")


def test_a_library_that_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(hdf5, "WORKER", worker)
    problem = problem_of(lambda: load(DATA / "chain.h5"))
    assert (problem.what, problem.found) == (DAMAGED, "the HDF5 library ended with status -11")


def test_a_library_that_writes_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text('print(\'{"attributes": {}, "arrays": [["w", "<f4", [4]]]}\')\n')
    monkeypatch.setattr(hdf5, "WORKER", worker)
    problem = problem_of(lambda: load(DATA / "chain.h5"))
    assert (problem.what, problem.found) == (DAMAGED, "0 bytes left for w")


# ---- mutations ---------------------------------------------------------------------------------------------------

VALUES = [None, -1, 0, 1 << 70, [], {}, "", "same", [0, 0], True, 1e400, ["x", 0, 0]]


def mutated(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        out[rng.randrange(len(out))] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(out[: rng.randrange(len(out))] if rng.random() < 0.2 else out)


def mutate_json(data: Any, rng: random.Random) -> None:
    """Another value somewhere."""
    node = data
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(node[key], (dict, list)) and rng.random() < 0.9:
            node = node[key]
            continue
        node[key] = copy.deepcopy(rng.choice(VALUES))
        return


@pytest.mark.parametrize("seed", range(4))
def test_mutated_hdf5_gives_a_model_or_an_error(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library crashes and hangs on some of them, in its own process."""
    monkeypatch.setattr(hdf5, "SECONDS", 5.0)
    rng, outcomes = random.Random(seed), {"model": 0, "error": 0}
    data, path = (DATA / "chain.h5").read_bytes(), tmp_path / "net.h5"
    for _ in range(25):
        path.write_bytes(mutated(data, rng))
        try:
            load(path)
            outcomes["model"] += 1
        except MagikError:
            outcomes["error"] += 1
    assert outcomes["model"] > 2 and outcomes["error"] > 2, outcomes


@pytest.mark.parametrize("name", ["chain", "functions", "image", "models", "sound"])
def test_mutated_architectures_give_a_model_or_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are read once; every mutant sees the same."""
    path = DATA / f"{name}.h5"
    held = hdf5.read(path, "net")
    rng, outcomes = random.Random(name), {"model": 0, "error": 0}
    for _ in range(150):
        config = json.loads(held.text("", "model_config"))
        for _ in range(rng.randint(1, 3)):
            mutate_json(config, rng)
        attributes = {**held.attributes, "": {**held.attributes[""], "model_config": json.dumps(config)}}
        monkeypatch.setattr(hdf5, "read", lambda *_, a=attributes: hdf5.Contents(a, held.arrays))
        try:
            load(path)
            outcomes["model"] += 1
        except MagikError:
            outcomes["error"] += 1
    assert min(outcomes.values()) > 10, outcomes
