"""The folder of a debug run: its files, their bytes, and when it is left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from magik_core import numerics
from magik_core.debugging.dump import Dump, check_folder
from magik_core.debugging.measure import measure
from magik_core.dump_info import safe
from magik_core.errors import PackError, UsageError
from magik_core.float_session import FloatSession
from magik_core.program import QuantParams, Tensor
from magik_core.quantized import Quantized
from tests.cli.models import files
from tests.core.test_lower import model, node
from tests.debugging.nets import SHAPE, Feeds, branches, chain, feeds, quantized


def dumped(folder: Path, subject: Quantized, samples: list[Feeds]) -> None:
    with Dump(folder, subject.graph) as dump:
        measure(subject, samples, parts=("accumulated",), look=dump)


def read(path: Path, dtype: str, *shape: int) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), dtype).reshape(shape)


def test_every_layer_of_the_first_sample(tmp_path: Path) -> None:
    samples, folder = feeds(3), tmp_path / "dump"
    subject = quantized(chain(), samples)
    dumped(folder, subject, samples)
    names = ["first", "second", "third", "act"]
    layers = {f"{kind}/{name}.bin" for kind in ("float_model", "ptq_model", "ptq_model_dequantize") for name in names}
    assert set(files(folder)) == {*layers, "input.bin", "input_uint8.bin", "model_node_info.json", "tensors.json"}
    want = FloatSession(subject.graph, ["d", "x"]).run(samples[0])
    image, q = want["x"].transpose(0, 2, 3, 1), subject.quantization.values
    np.testing.assert_array_equal(read(folder / "input.bin", "<f4", 1, 6, 6, 3), image)
    np.testing.assert_array_equal(read(folder / "input_uint8.bin", "u1", 1, 6, 6, 3), numerics.quantize(image, q["x"]))
    np.testing.assert_array_equal(
        read(folder / "float_model/second.bin", "<f4", 1, 6, 6, 4), want["d"].transpose(0, 2, 3, 1)
    )
    codes = read(folder / "ptq_model/second.bin", "u1", 1, 6, 6, 4)
    reals = read(folder / "ptq_model_dequantize/second.bin", "<f4", 1, 6, 6, 4)
    np.testing.assert_array_equal(reals, numerics.dequantize(codes, q["d"]))
    assert np.abs(reals - want["d"].transpose(0, 2, 3, 1)).max() < 4 * q["d"].scale
    tensors = json.loads((folder / "tensors.json").read_text())
    assert [t["layer"] for t in tensors] == ["x", *names]
    assert tensors[2] == {
        "file": "second.bin", "layer": "second", "shape": [1, 6, 6, 4], "axes": [0, 2, 3, 1], "dtype": "u8",
        "scale": q["d"].scale, "zero_point": q["d"].zero_point, "bits": 8,
    }  # fmt: skip


def test_node_info_names_what_skips_know(tmp_path: Path) -> None:
    samples = feeds(1)
    dumped(tmp_path / "dump", quantized(chain(), samples), samples)
    found = json.loads((tmp_path / "dump/model_node_info.json").read_text())
    assert list(found) == ["all_type", "Conv", "HardSwish", "Relu"]
    assert found["all_type"] == ["Conv", "HardSwish", "Relu"]
    assert found["Conv"] == ["first", "second", "third"] and found["Relu"] == ["first/relu", "second/relu"]


def test_names_as_files(tmp_path: Path) -> None:
    assert safe("a/b:c*d") == "a_b_c_d" and len(safe("x" * 999)) == 200
    samples = feeds(1)
    subject = quantized(branches(), samples)
    t = Tensor("t", "u8", (2,), QuantParams(0.5), None, (0,))
    with Dump(tmp_path / "dump", subject.graph) as dump:
        for name in ("a/b", "a_b", "a:b"):
            dump.add_layer(name, t, np.array([1, 2], np.uint8), np.float32([0.5, 1]))
    assert sorted(p.name for p in (tmp_path / "dump/ptq_model").iterdir()) == ["a_b.bin", "a_b_1.bin", "a_b_2.bin"]


def test_wide_pixels_are_bytes_too_and_other_inputs_are_not(tmp_path: Path) -> None:
    subject = quantized(chain(), feeds(1))
    wide = Tensor("x", "u16", (1, 1, 1, 3), QuantParams(1.0, 0.0, 10), None, (0, 2, 3, 1))
    pixels = np.float32([[[[0, 7, 255]]]])
    for n, x in enumerate((pixels, pixels + 0.5, pixels - 1)):
        with Dump(tmp_path / str(n), subject.graph) as dump:
            dump.add_input("x", wide, x.astype(np.uint16), x)
        assert ((tmp_path / str(n) / "input_uint8.bin").exists()) == (n == 0)
    assert (tmp_path / "0/input_uint8.bin").read_bytes() == bytes([0, 7, 255])


def test_numbers_that_could_be_pixels_are_none_outside_of_a_picture(tmp_path: Path) -> None:
    """As the zeros that a state starts with."""
    graph = model([node("Relu", "x", "y", "n")], (1, 3, 1, 2), ["y"])
    row = Tensor("x", "u16", (1, 6), QuantParams(0.5, 8.0, 16), None, (0, 1))
    with Dump(tmp_path / "row", graph) as dump:
        dump.add_input("x", row, np.full((1, 6), 8, np.uint16), np.zeros((1, 6), np.float32))
    map_ = Tensor("x", "u16", (1, 1, 2, 3), QuantParams(0.5, 8.0, 16), None, (0, 2, 3, 1))
    graph.metadata_props["magik.states"] = '{"x": "y"}'
    with Dump(tmp_path / "state", graph) as dump:
        dump.add_input("x", map_, np.full((1, 1, 2, 3), 8, np.uint16), np.zeros((1, 1, 2, 3), np.float32))
    for folder, name in (("row", "input.bin"), ("state", "x_input.bin")):
        assert [file for file in files(tmp_path / folder) if file.endswith(".bin")] == [name]


def test_several_inputs_are_named_as_a_sample(tmp_path: Path) -> None:
    graph = model([node("Relu", "x", "y", "n")], (1, 4), ["y"])
    graph.graph.inputs.append(graph.graph.inputs[0].__class__(name="state/in"))
    t = Tensor("t", "u8", (4,), QuantParams(0.5), None, (0,))
    with Dump(tmp_path / "dump", graph) as dump:
        for name in ("x", "state/in"):
            dump.add_input(name, t, np.arange(4, dtype=np.uint8), np.arange(4, dtype=np.float32) / 2)
    found = {name for name in files(tmp_path / "dump") if name.endswith(".bin")}
    assert found == {"x_input.bin", "x_input_uint8.bin", "state_in_input.bin", "state_in_input_uint8.bin"}


def test_an_input_beside_states_is_named_as_one_that_is_alone(tmp_path: Path) -> None:
    graph = model([node("Relu", "x", "y", "n")], (1, 4), ["y"])
    graph.graph.inputs.append(graph.graph.inputs[0].__class__(name="state/in"))
    graph.metadata_props["magik.states"] = '{"state/in": "y"}'
    t = Tensor("t", "u8", (4,), QuantParams(0.5), None, (0,))
    with Dump(tmp_path / "dump", graph) as dump:
        for name in ("x", "state/in"):
            dump.add_input(name, t, np.arange(4, dtype=np.uint8), np.arange(4, dtype=np.float32) / 2)
    found = {name for name in files(tmp_path / "dump") if name.endswith(".bin")}
    assert found == {"input.bin", "input_uint8.bin", "state_in_input.bin", "state_in_input_uint8.bin"}
    check_folder(tmp_path / "dump")


def test_a_layer_may_have_the_name_of_an_input(tmp_path: Path) -> None:
    samples, folder = feeds(1), tmp_path / "dump"
    dumped(folder, quantized(model([node("Relu", "x", "y", "x")], SHAPE, ["y"]), samples), samples)
    np.testing.assert_array_equal(read(folder / "input.bin", "<f4", 1, 6, 6, 3), samples[0]["x"].transpose(0, 2, 3, 1))
    assert (folder / "float_model/x.bin").exists()
    assert [t["file"] for t in json.loads((folder / "tensors.json").read_text())] == ["input.bin", "x.bin"]


def test_inputs_that_differ_by_a_slash_have_files_of_their_own(tmp_path: Path) -> None:
    graph = model([node("Relu", "x", "y", "n")], (1, 4), ["y"])
    graph.graph.inputs[0].name = "a/b"
    graph.graph.inputs.append(graph.graph.inputs[0].__class__(name="a_b"))
    t = Tensor("t", "u8", (1,), QuantParams(0.5), None, (0,))
    with Dump(tmp_path / "dump", graph) as dump:
        for code, name in enumerate(("a/b", "a_b")):
            dump.add_input(name, t, np.array([code], np.uint8), np.float32([code]))
    for code, name in enumerate(("a_b_input", "a_b_1_input")):
        assert (tmp_path / f"dump/{name}_uint8.bin").read_bytes() == bytes([code])
        assert (tmp_path / f"dump/{name}.bin").read_bytes() == np.float32(code).tobytes()


def test_an_older_dump_is_replaced_and_an_error_leaves_it(tmp_path: Path) -> None:
    folder, samples = tmp_path / "dump", feeds(1)
    dumped(folder, quantized(branches(), samples), samples)
    before = files(tmp_path)
    with pytest.raises(RuntimeError), Dump(folder, chain()) as dump:
        dump.add_layer("late", Tensor("t", "f32", (1,), axes=(0,)), np.zeros(1, np.float32), np.zeros(1, np.float32))
        raise RuntimeError
    assert files(tmp_path) == before
    dumped(folder, quantized(chain(), samples), samples)
    assert sorted(p.name for p in (folder / "ptq_model").iterdir()) == [
        "act.bin",
        "first.bin",
        "second.bin",
        "third.bin",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["dump"]


def test_a_link_is_refused_and_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    for is_there in (False, True):
        with pytest.raises(UsageError) as e:
            check_folder(tmp_path / "link")
        assert str(e.value) == (
            f"error: the dump's place is a link\nwhere: {tmp_path / 'link'}\nfound: to elsewhere\n"
            " need: a folder that can be replaced, or none\n\n hint: name another folder, or pass --no-dump"
        )
        if not is_there:
            (tmp_path / "elsewhere").mkdir()

    def full(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Dump, "_json", full)
    with pytest.raises(OSError), Dump(tmp_path / "dump", chain()):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "link"]


def test_other_files_are_not_lost(tmp_path: Path) -> None:
    check_folder(tmp_path / "none")
    check_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError) as e:
        check_folder(tmp_path)
    assert str(e.value) == (
        f"error: the dump's folder holds other files\nwhere: {tmp_path}\nfound: notes.txt\n need: nothing but what the "
        "tensors.json of an older dump lists\n\n hint: name another folder, or pass --no-dump"
    )
    with pytest.raises(UsageError, match="the dump's place is a file"):
        check_folder(tmp_path / "notes.txt")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The folder of a dump."""
    samples, folder = feeds(1), tmp_path / "dump"
    dumped(folder, quantized(chain(), samples), samples)
    return folder


def refused(folder: Path, *data: str | Path) -> str:
    """What is found in a folder that must not be replaced."""
    with pytest.raises(UsageError) as e:
        check_folder(folder, data)
    (problem,) = e.value.problems
    assert problem.where == str(folder) and problem.hint == "name another folder, or pass --no-dump"
    return problem.found


@pytest.mark.parametrize("name", [
    "input_0.bin", "x_input.bin", "first.bin", "first_uint8.bin", "mine", "mine/first.bin", "float_model/notes.txt",
    "float_model/input_uint8.bin", "ptq_model/own.bin", "ptq_model_dequantize/mine/first.bin", "ptq_model/.hidden",
])  # fmt: skip
def test_a_file_beside_those_of_an_older_dump_is_not_lost(older: Path, name: str) -> None:
    check_folder(older)
    (older / name).parent.mkdir(exist_ok=True)
    (older / name).write_bytes(b"mine")
    assert refused(older) in (name, str(Path(name).parent))


@pytest.mark.parametrize("name", ["input.bin", "tensors.json", "float_model/first.bin", "ptq_model", "more"])
def test_a_link_in_an_older_dump_is_refused(older: Path, tmp_path: Path, name: str) -> None:
    place = older / name
    if place.exists():
        place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert refused(older) == name and place.is_symlink()


@pytest.mark.parametrize("text", [
    None, "", "[", "[]", "{}", "null", "[1]", '[{"file": 1}]', '[{"file": "input.bin"}]', "[" * 100_000, "\ud800",
    '[{"file": "../notes.txt", "layer": "x", "shape": [1], "dtype": "u8"}]',
    '[{"file": "float_model", "layer": "x", "shape": [1e999], "dtype": "u8"}]',
])  # fmt: skip
def test_without_a_list_of_its_files_nothing_is_an_older_dump(older: Path, text: str | None) -> None:
    (older.parent / "tensors.json").write_bytes((older / "tensors.json").read_bytes())
    (older / "tensors.json").unlink()
    if text is not None:
        (older / "tensors.json").write_bytes(text.encode(errors="surrogatepass"))
    assert refused(older) == "input.bin"


@pytest.mark.parametrize("name", ["model_node_info.json", "tensors.json"])
def test_what_describes_a_dump_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[]")
    assert refused(tmp_path) == name


def test_a_folder_that_holds_what_is_in_use_is_refused(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(older / "input.bin")
    (tmp_path / "dumps").write_bytes(b"")
    check_folder(older, [tmp_path, tmp_path / "none", tmp_path / "dumps", tmp_path / "new"])
    check_folder(tmp_path / "new", [tmp_path / "new"])
    inside = [older / name for name in ("input.bin", "float_model", "ptq_model/../input.bin")]
    for used in (older, *inside, tmp_path / "link"):
        assert refused(older, tmp_path, used) == str(used)
    monkeypatch.chdir(older)
    assert refused(Path(".")) == refused(older) == "."
    monkeypatch.chdir("ptq_model")
    with pytest.raises(UsageError) as e:
        check_folder(older)
    assert str(e.value) == (
        f"error: the dump's folder holds what is in use\nwhere: {older}\nfound: .\n need: a folder apart from the data "
        "and the working directory\n\n hint: name another folder, or pass --no-dump"
    )


def test_a_place_that_takes_no_folder(older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PackError) as e:
        check_folder(tmp_path / "file/dump")
    assert str(e.value) == (
        f"error: an output cannot be written\nwhere: {tmp_path / 'file/dump'}\nfound: {tmp_path / 'file'} is no folder"
    )
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for name in (older, tmp_path / "new", tmp_path / "new/folder"):
        with pytest.raises(PackError) as e:
            check_folder(name)
        assert str(e.value) == (
            f"error: an output cannot be written\nwhere: {name}\nfound: {tmp_path}: Permission denied"
        )


def test_a_file_that_comes_while_the_dump_is_made_is_not_lost(older: Path) -> None:
    before = files(older)
    with pytest.raises(UsageError, match=r"found: notes\.txt"), Dump(older, chain()):
        (older / "notes.txt").write_text("mine")
    assert files(older) == {**before, "notes.txt": b"mine"} and [p.name for p in older.parent.iterdir()] == ["dump"]
