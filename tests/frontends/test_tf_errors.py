"""What cannot be read of TensorFlow, said in full; and files that nobody should trust."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magik_core.errors import MagikError, ModelError, Problem, UsageError
from magik_core.hookspecs import Request
from tests.conftest import ROOT

pytest.importorskip("tensorflow")
from magik_frontend_tf import graphs, load
from magik_frontend_tf.graphs import convert as process

from tests.frontends.test_tf import DATA, convert, path_of


def problems_of(call: Callable[[], Any], kind: type[MagikError] = ModelError) -> tuple[Problem, ...]:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return caught.value.problems


def test_operators_that_cannot_be_converted_are_named_all_at_once() -> None:
    problems = problems_of(lambda: convert("audio"))
    assert {p.found for p in problems} == {"DecodeWav", "AudioSpectrogram", "Mfcc"}
    assert {p.where for p in problems} >= {"Mfcc 'Mfcc' in audio.pb"}
    assert problems[-1].hint == "begin behind them, by INPUT or --inputs: Mfcc"


def test_a_loop_that_is_no_layer_is_named() -> None:
    (problem,) = problems_of(lambda: convert("odd_loop"))
    assert problem.what == "a loop is no recurrent layer"
    assert "no LSTM, GRU or simple cell" in problem.found


def test_unknown_names_have_a_neighbor() -> None:
    first, second = problems_of(lambda: convert("cnn", inputs=["imagg"], outputs=["score"]), UsageError)
    assert {first.what, second.what} == {"the model has no tensor of this name"}
    assert (first.where, first.hint) == ("INPUT: imagg", "did you mean 'image'?")
    assert (second.where, second.hint) == ("OUTPUT: score", "did you mean 'scores'?")
    assert second.need == "a tensor of the model, such as its outputs: scores"


def test_unknown_signatures_and_tags_are_listed() -> None:
    (problem,) = problems_of(lambda: convert("saved", options={"signature": "other"}), UsageError)
    assert (problem.found, problem.need) == ("other", "one of: running, serving_default")
    assert problem.hint == "pass --frontend-option signature=serving_default"
    (problem,) = problems_of(lambda: convert("saved", options={"tag": "gpu"}), UsageError)
    assert (problem.found, problem.need) == ("gpu", "one of: serve")


def test_variables_without_values(tmp_path: Path) -> None:
    shutil.copytree(path_of("saved"), tmp_path / "saved")
    shutil.rmtree(tmp_path / "saved/variables")
    (problem,) = problems_of(lambda: convert("saved", path=str(tmp_path / "saved")))
    assert problem.what == "the variables cannot be read"
    assert problem.found == f"no variables.index in {tmp_path / 'saved/variables'}"
    assert problem.need.startswith("variables.index and its .data files")


def test_a_truncated_file(tmp_path: Path) -> None:
    data = path_of("cnn").read_bytes()
    path = tmp_path / "cut.pb"
    path.write_bytes(data[: len(data) // 2])
    assert graphs.sniff(path)
    (problem,) = problems_of(lambda: convert("cnn", path=str(path)))
    assert problem.what == "the file is truncated, or no graph"
    assert problem.found == f"{len(data) // 2} bytes"


def edited(tmp_path: Path, edit: Callable[[Any], None], name: str = "cnn") -> str:
    """The path of a frozen graph with a change."""
    from tensorflow.core.framework import graph_pb2

    graph = graph_pb2.GraphDef.FromString(path_of(name).read_bytes())
    edit(graph)
    path = tmp_path / "edited.pb"
    path.write_bytes(graph.SerializeToString())
    return str(path)


def test_two_nodes_of_one_name_and_a_node_that_is_missing(tmp_path: Path) -> None:
    def edit(graph: Any) -> None:
        graph.node.add(name="image", op="Placeholder")
        graph.node.add(name="lost", op="Relu", input=["nowhere"])

    problems = problems_of(lambda: convert("cnn", path=edited(tmp_path, edit)))
    assert [p.what for p in problems] == ["a name stands for two nodes", "a node reads what no node makes"]
    assert problems[1].found == "nowhere"


def test_an_operator_of_somebodys_own(tmp_path: Path) -> None:
    def edit(graph: Any) -> None:
        next(node for node in graph.node if node.name == "first").op = "MyRelu"

    (problem,) = problems_of(lambda: convert("cnn", path=edited(tmp_path, edit)))
    assert (problem.found, problem.where) == ("MyRelu", "MyRelu 'first' in edited.pb")


def test_sizes_that_do_not_fit() -> None:
    (problem,) = problems_of(lambda: convert("cnn", input_shapes=[[1, 8, 8, 5]]))
    assert problem.what == "the inputs of a node do not fit it"
    assert "5" in problem.found and "{{" not in problem.found and "in cnn.pb" in problem.where
    assert problem.hint.startswith("INPUT_SHAPE has its sizes in the source's order")


def test_sizes_in_another_order_of_axes() -> None:
    (problem,) = problems_of(lambda: convert("cnn", input_shapes=[[1, 3, 8, 9]]), UsageError)
    assert (problem.what, problem.where) == ("INPUT_SHAPE does not fit an input", "input 'image'")
    assert problem.hint == "sizes are in the source's order, e.g. 1,8,9,3"


def test_what_lies_before_an_operator_that_cannot_be_converted(tmp_path: Path) -> None:
    def edit(graph: Any) -> None:
        last = next(node for node in graph.node if node.name == "scores")
        last.op, last.name = "MyTop", "top"
        graph.node.add(name="scores", op="Identity", input=["top"]).attr["T"].type = 1

    (problem,) = problems_of(lambda: convert("cnn", path=edited(tmp_path, edit)))
    before = problem.hint.removeprefix("end before them, by OUTPUT or --outputs: ")
    assert before != problem.hint
    assert convert("cnn", path=edited(tmp_path, edit), outputs=before.split(","))


@pytest.mark.parametrize(("option", "path", "need"), [
    ("signature", "cnn", "of a frozen graph: none"), ("rounding", "saved", "of a SavedModel: signature, tag"),
])  # fmt: skip
def test_options_of_other_kinds_of_files(option: str, path: str, need: str) -> None:
    (problem,) = problems_of(lambda: load(path_of(path), Request(options={option: "x"})), UsageError)
    assert (problem.what, problem.found, problem.need) == ("an option does not fit the model", option, need)


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    shutil.copytree(path_of("saved"), tmp_path / "saved")
    path = tmp_path / "saved/saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for body in model.meta_graphs[0].graph_def.library.function:
        for node in body.node_def:
            if "f" in node.attr:
                node.attr["f"].func.name = body.signature.name
    path.write_bytes(model.SerializeToString())
    problems = problems_of(lambda: convert("saved", path=str(tmp_path / "saved")))
    assert problems[0].what in ("functions call each other without an end", "the graph is too large")


def test_complex_numbers_without_a_rule(tmp_path: Path) -> None:
    def edit(graph: Any) -> None:
        next(node for node in graph.node if node.op == "Exp").op = "Tan"

    (problem, *_) = problems_of(lambda: convert("spectrum", path=edited(tmp_path, edit, "spectrum")))
    assert problem.what == "complex numbers are used in a way that is not known"
    assert problem.where.startswith("Tan ")


def test_tensorflow_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    (problem,) = problems_of(lambda: load(path_of("cnn"), Request()))
    assert problem.what == "TensorFlow is needed to read this model"
    assert problem.hint == "pip install tensorflow-cpu tf2onnx"


def test_a_process_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LIMIT_SECONDS", 0.01)
    (problem,) = problems_of(lambda: load(path_of("cnn"), Request()))
    assert problem.found == "no end after 0.01 seconds"


@pytest.mark.parametrize("text, found", [("kill -ABRT $$", "SIGABRT"), ("echo no more >&2; exit 3", "no more")])
def test_a_process_that_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, found: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(program))
    (problem,) = problems_of(lambda: load(path_of("cnn"), Request()))
    assert (problem.what, problem.found) == ("TensorFlow stopped while it read the model", found)


def test_problems_come_back_from_the_process() -> None:
    problems = problems_of(lambda: load(path_of("saved"), Request(options={"signature": "no"})), UsageError)
    assert problems[0].found == "no"


def test_a_path_of_no_format(tmp_path: Path) -> None:
    (tmp_path / "x.pb").write_bytes(b"\x0a\x00")
    (problem,) = problems_of(lambda: load(tmp_path / "x.pb", Request()))
    assert problem.what == "the model is of no format of TensorFlow"
    assert problem.found == "2 bytes that begin with 0a 00"


@pytest.mark.slow
def test_no_change_of_a_file_does_worse_than_an_error() -> None:
    """Each mutant is read in a process of its own; see tf_mutants.py."""
    command = [sys.executable, str(ROOT / "tests/frontends/tf_mutants.py"), "24"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert sum(counts.values()) == 24 * 3
    assert set(counts) <= {"converted", "refused", "stopped"}, counts
    assert counts.get("stopped", 0) <= 3, counts  # TensorFlow's own; `load` says so, with the signal


def test_data_is_there() -> None:
    assert sum(1 for _ in DATA.glob("*.pb")) == 9
