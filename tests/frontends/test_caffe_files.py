"""Caffe's two files: recognition, finding one beside the other, both forms, and files that nobody should trust."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from magik_frontend_caffe import files, load, reader, schema, wire
from magik_frontend_caffe.text import Text
from magik_frontend_caffe.wire import Wire

from magik_core.errors import MagikError, ModelError, Problem
from magik_core.hookspecs import Request
from tests.frontends import caffe_reference as ref
from tests.frontends.caffe_files import blob, caffemodel, field, inputs_text, layer_text, outputs, varint, write

SHAPE = (1, 2, 4, 4)
PARAM = "convolution_param { num_output: 3 kernel_size: 2 }"
TEXT = 'name: "n"\n' + inputs_text({"x": SHAPE}) + layer_text("Convolution", PARAM)
RNG = np.random.default_rng(0)
W, B = RNG.normal(size=(3, 2, 2, 2)).astype(np.float32), RNG.normal(size=3).astype(np.float32)
X = RNG.normal(size=SHAPE).astype(np.float32)


def problem_of(path: Path, **options: str) -> Problem:
    with pytest.raises(ModelError) as caught:
        load(path, Request(options=options))
    (problem,) = caught.value.problems
    return problem


# ---- recognition and pairs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "data", "answer"), [
    ("a.prototxt", b"", True), ("a.caffemodel", b"\0", True), ("A.CAFFEMODEL", b"x", True),
    ("a.txt", TEXT.encode(), True), ("a.txt", b"# net\nlayers{", True), ("a.txt", b"name: 'x' node {", False),
    ("a.bin", caffemodel({"l": [W]}), True), ("a.bin", field(2, field(2, "x") + field(3, "y")), True),
    ("a.bin", field(3, "data") + varint(4 << 3) + b"\1" + field(100, field(1, "l")), True),
    ("graph.pb", field(1, field(1, "x") + field(2, "Placeholder")), False), ("a.onnx", b"\x08\x07\x12\x04test", False),
    ("a.params", struct.pack("<QQ", 0x112, 0), False), ("a.h5", b"\x89HDF\r\n\x1a\n", False), ("a.txt", b"", False),
    ("a.tflite", b"\x1c\0\0\0TFL3", False), ("a.bin", b"\xff" * 99, False), ("a.bin", b"\xa2\x06", False),
])  # fmt: skip
def test_sniff(tmp_path: Path, name: str, data: bytes, answer: bool) -> None:
    (tmp_path / name).write_bytes(data)
    assert files.sniff(tmp_path / name) is answer


def test_sniff_of_what_cannot_be_read(tmp_path: Path) -> None:
    assert files.sniff(tmp_path) is False
    assert files.sniff(tmp_path / "missing.prototxt") is False


def test_either_file_names_the_model(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT, {"l": [W, B]})
    wanted = ref.conv(X, W, B)
    for name in (path, path.with_suffix(".caffemodel")):
        np.testing.assert_allclose(outputs(name, {"x": X})["y"], wanted, rtol=1e-4, atol=1e-5)


def test_the_other_file_may_have_another_name(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT, {"l": [W, B]})
    weights = path.with_suffix(".caffemodel").rename(tmp_path / "trained_iter_1000.caffemodel")
    assert files.find(path, {}) == files.Files(path, weights)
    other = weights.rename(tmp_path / "other.weights")
    assert files.find(path, {}) == files.Files(path, None)
    assert files.find(path, {"weights": str(other)}) == files.Files(path, other)
    assert files.find(other, {"weights": str(path)}) == files.Files(path, other)


def test_of_several_nets_the_one_for_deployment_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT, {"l": [W, B]})
    weights = path.with_suffix(".caffemodel")
    for name in ("train_val", "solver"):
        path.rename(tmp_path / f"{name}.prototxt")
        write(tmp_path, TEXT)
    path.rename(tmp_path / "deploy.prototxt")
    assert files.find(weights, {}).net.name == "deploy.prototxt"


def test_several_files_that_could_be_the_other(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    for name in ("a", "b"):
        (tmp_path / f"{name}.caffemodel").write_bytes(caffemodel({"l": [W, B]}))
    problem = problem_of(path)
    assert problem.what == "it is not clear which .caffemodel belongs to the model"
    assert problem.found == "a.caffemodel, b.caffemodel"
    assert problem.hint == "rename the right one to net.caffemodel"


def test_a_caffemodel_alone_is_read_by_its_own_layers(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    shape = b"".join(field(1, n) for n in SHAPE)  # not packed, as Caffe writes it
    param = field(1, 3) + field(4, 2)
    layer = field(1, "c") + field(2, "Convolution") + field(3, "x") + field(4, "y") + field(106, param)
    layer += field(7, blob(W)) + field(7, blob(B))
    path.write_bytes(field(1, "own") + field(3, "x") + field(8, shape) + field(100, layer))
    np.testing.assert_allclose(outputs(path, {"x": X})["y"], ref.conv(X, W, B), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", ["is_packed", "is_old", "is_double"])
def test_forms_of_blobs(tmp_path: Path, how: str) -> None:
    path = write(tmp_path, TEXT)
    path.with_suffix(".caffemodel").write_bytes(caffemodel({"l": [W, B]}, **{how: how != "is_packed"}))
    np.testing.assert_allclose(outputs(path, {"x": X})["y"], ref.conv(X, W, B), rtol=1e-4, atol=1e-5)


def test_only_blobs_are_read_of_weights_beside_a_net(tmp_path: Path) -> None:
    """Numbers of parameters mean other things in other forks."""
    path = write(tmp_path, TEXT, {"l": [W, B]})
    weights = path.with_suffix(".caffemodel")
    other = field(100, field(1, "roi") + field(147, field(1, 7)) + field(121, field(1, 99)))
    weights.write_bytes(weights.read_bytes() + other)
    np.testing.assert_allclose(outputs(path, {"x": X})["y"], ref.conv(X, W, B), rtol=1e-4, atol=1e-5)


# ---- text -------------------------------------------------------------------------------------------------------


def test_text_in_every_spelling() -> None:
    net = Text(
        "# a comment\n"
        "name: 'a' \"b\\\"\\n\" ; layer: < type: 'T', top: [ 'p', 'q' ] blobs { num: 0x10 } >\n"
        "layer { type: 'U' foo { bar: 1 baz < a: [] > } convolution_param { stride: [2, 3] bias_term: f pad: 1.0 } }"
    ).net()
    assert net["name"] == 'ab"\n'
    one, two = net["layer"]
    assert (one["type"], one["top"], one["blobs"][0]["num"]) == ("T", ["p", "q"], 16)
    assert two.unknown == [("foo", 3)]
    param = two["convolution_param"]
    assert (param["stride"], param["bias_term"], param["pad"], param["group"]) == ([2, 3], False, [1], 1)


@pytest.mark.parametrize(("text", "found"), [
    ("layer {", "line 1: the end of the file in the place of a field or '}'"),
    ("layer }", "line 1: '}' in the place of ':' and a value"),
    ("layer: 3", "line 1: '3' in the place of the '{' of layer"),
    ("name 'x'", "line 1: \"'x'\" in the place of ':' and a value"),
    ("name:\n}", "line 2: '}' in the place of a value of name"),
    ("name { }", "line 1: a message in the place of a value of name"),
    ("\n\nlayer { top: ['a' 'b' }", "line 3: '}' in the place of ',' or ']'"),
    ("\x7f", "line 1: '\\x7f' in the place of a name, a value or a brace"),
    ("'x'", "line 1: \"'x'\" in the place of a field"),
    ("a {" * 30, "line 1: messages nested deeper than 16"),
])  # fmt: skip
def test_text_that_is_none(tmp_path: Path, text: str, found: str) -> None:
    path = write(tmp_path, text)
    problem = problem_of(path)
    assert (problem.what, problem.where) == ("the model is no Caffe model, or a truncated one", str(path))
    assert problem.found == found


def test_values_that_do_not_fit_are_reported_together(tmp_path: Path) -> None:
    text = (
        "layer { pooling_param {\n pool: MEAN\n kernel_size: -1\n global_pooling: maybe }\n elu_param { alpha: nan } }"
    )
    with pytest.raises(ModelError) as caught:
        load(write(tmp_path, text), Request())
    what = "a value does not fit its field"
    assert [(p.what, p.where, p.found, p.need) for p in caught.value.problems] == [
        (what, "net.prototxt, line 2", "pool: MEAN", "one of: MAX, AVE, STOCHASTIC"),
        (what, "net.prototxt, line 3", "kernel_size: -1", "a whole number in [0, 4294967295]"),
        (what, "net.prototxt, line 4", "global_pooling: maybe", "true or false"),
        (what, "net.prototxt, line 5", "alpha: nan", "a finite number"),
    ]


# ---- the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "found"), [
    (b"\x0a", "the data ends at byte 1, in the middle of a number"),
    (b"\x0a\x05ab", "field 1 of 5 bytes at byte 0, 2 are left"),
    (b"\x0b", "wire type 3 at byte 0"),
    (b"\x02\x00", "field 0 of 0 bytes at byte 0, 0 are left"),
    (b"\x0a" + b"\xff" * 11, "a number of more than 64 bits at byte 11"),
    (b"\x08\x01", "name has wire type 0"),
    (field(100, field(7, varint(5 << 3 | 2) + b"\x03abc")), "data of 3 bytes, not a multiple of 4"),
    (field(100, field(7, varint(5 << 3) + b"\x01")), "data has wire type 0"),
    (field(100, field(121, field(1, 9))), "pool 9, not one of 0 to 2"),
    (field(100, field(121, varint(1 << 3 | 5) + b"1234")), "pool has wire type 5"),
])  # fmt: skip
def test_bytes_that_are_no_net(data: bytes, found: str) -> None:
    with pytest.raises(schema.FormatError) as caught:
        Wire(data).message("Net")
    assert str(caught.value) == found


def test_fields_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FIELDS", 5)
    with pytest.raises(schema.FormatError, match="more than 5 fields"):
        Wire(b"\x28\x00" * 6).message("Net")
    with pytest.raises(schema.FormatError, match="more than 5 fields"):
        Wire(field(8, field(1, b"\1" * 9))).message("Net")


def test_signed_numbers_and_fields_out_of_order() -> None:
    net = Wire(field(4, -1) + field(100, field(9999, "?") + field(2, "T")) + field(4, 2)).message("Net")
    assert net["input_dim"] == [-1, 2]
    assert net["layer"][0]["type"] == "T"


# ---- files that nobody should trust ----------------------------------------------------------------------------


def test_missing_and_odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem_of(tmp_path / "x.prototxt").what == "there is no such model"
    assert problem_of(tmp_path).found == "a directory"
    path = write(tmp_path, TEXT, {"l": [W, B]})
    assert problem_of(path, weights=str(tmp_path / "w")).where == str(tmp_path / "w")
    monkeypatch.setattr(files, "MOST_BYTES", {files.NET: 10, files.WEIGHTS: 1 << 20})
    assert (problem_of(path).what, problem_of(path).need) == ("the model is too large", "at most 10 bytes")


def test_a_solver_and_an_empty_file(tmp_path: Path) -> None:
    for text in ("", 'net: "train.prototxt"\nbase_lr: 0.1\n'):
        problem = problem_of(write(tmp_path, text))
        assert (problem.what, problem.found) == ("the model has no layers", "a solver or an empty net")


def test_layers_from_before_2014(tmp_path: Path) -> None:
    problem = problem_of(write(tmp_path, 'layers { layer { name: "c" type: "conv" } bottom: "x" top: "c" }'))
    assert problem.what == "the model is of a format from before 2014"
    assert "upgrade_net_proto_text" in problem.hint


def test_too_many_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_LAYERS", 1)
    problem = problem_of(write(tmp_path, TEXT + layer_text("ReLU")))
    assert (problem.what, problem.found, problem.need) == ("the model has too many layers", "2", "at most 1")


def test_every_truncation_of_the_weights_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT, {"l": [W, B]})
    weights = path.with_suffix(".caffemodel")
    data = weights.read_bytes()
    for size in range(len(data)):
        weights.write_bytes(data[:size])
        with pytest.raises(ModelError):
            load(path, Request())


def test_every_truncation_of_the_net_is_an_error_or_a_net(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT, {"l": [W, B]})
    for size in range(len(TEXT.rstrip())):
        path.write_text(TEXT[:size])
        with pytest.raises(ModelError):
            load(path, Request())


ALL = "".join([
    inputs_text({"x": (1, 4, 6, 6)}),
    layer_text("Convolution", PARAM, ["x"], ["a"]),
    layer_text("Pooling", "pooling_param { kernel_size: 2 stride: 2 pad: 1 }", ["a"], ["b"]),
    layer_text("Reshape", "reshape_param { shape { dim: 0 dim: -1 } axis: 0 }", ["b"], ["c"]),
    layer_text("Slice", "slice_param { axis: 1 slice_point: 9 }", ["c"], ["d", "e"]),
    layer_text("Tile", "tile_param { axis: 1 tiles: 2 }", ["d"], ["f"]),
    layer_text("LRN", "lrn_param { local_size: 3 alpha: 1e-4 }", ["b"], ["g"]),
    layer_text("Interp", "interp_param { height: 9 width: 9 }", ["g"], ["h"]),
    layer_text("PriorBox", "prior_box_param { min_size: 30 aspect_ratio: 2 }", ["b", "x"], ["p"]),
    layer_text("Crop", "crop_param { axis: 2 offset: 1 }", ["h", "g"], ["i"]),
])  # fmt: skip


@pytest.mark.parametrize("kind", ["net", "weights"])
def test_mutated_files_are_refused_or_read(tmp_path: Path, kind: str) -> None:
    rng, weights = random.Random(0), caffemodel({"l": [np.ones((3, 4, 2, 2), np.float32), B]})
    path = write(tmp_path, ALL)
    target = path if kind == "net" else path.with_suffix(".caffemodel")
    path.with_suffix(".caffemodel").write_bytes(weights)
    load(path, Request())
    data, refused, started = target.read_bytes(), 0, time.monotonic()
    tokens = [b"0", b"-1", b"9999999999", b"{", b"}", b"4294967295", b"65535", b"[", b"]", b":", b"nan", b"2147483647"]
    for _ in range(400):
        mutated = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(mutated))
            if kind == "net" and rng.random() < 0.7:
                spots = [i for i in range(at, min(at + 60, len(mutated))) if chr(mutated[i]).isdigit()] or [at]
                mutated[spots[0] : spots[0] + 1] = rng.choice(tokens)
            else:
                mutated[at] = rng.randrange(256)
        target.write_bytes(mutated)
        try:
            load(path, Request())
        except MagikError:
            refused += 1
    assert 0 < refused < 400
    assert time.monotonic() - started < 60


def test_nothing_heavy_is_imported() -> None:
    heavy = ("onnx", "onnxruntime", "google.protobuf")
    code = f"import sys, magik_frontend_caffe; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
