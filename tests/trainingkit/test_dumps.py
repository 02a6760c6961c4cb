"""Dumps of layers in eval(): what the packed program computes, in folders that `magik compare` reads."""

from __future__ import annotations

import json
from pathlib import Path

import magik_trainingkit as kit
import numpy as np
import pytest
import torch
from magik_trainingkit import dumps, ops
from torch import nn

from magik_core.compare import Comparison, compare
from magik_core.debug import debug
from tests.trainingkit.bodies import MORE
from tests.trainingkit.nets import BODIES, Net, converted, made_of

ALL = {**BODIES, **MORE}


def dumped(net: nn.Module, x: torch.Tensor, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "DUMP") -> None:
    """Run a network once with dumps."""
    monkeypatch.setenv("MAGIK_TRAININGKIT_PATH", str(folder))
    monkeypatch.setenv(f"MAGIK_TRAININGKIT_{kind}", "1")
    with torch.no_grad():
        net(x)
    monkeypatch.delenv(f"MAGIK_TRAININGKIT_{kind}")


def compared(net: Net, x: torch.Tensor, path: Path, monkeypatch: pytest.MonkeyPatch, *, dynamo: bool) -> Comparison:
    """Its dumps beside those of `magik debug` of its program."""
    kit.check(net)
    converted(net, x, path, dynamo=dynamo)
    dumped(net, x, path / "own", monkeypatch)
    np.save(path / "x.npy", x.numpy())
    debug(path / "net.onnx", data=path / "x.npy", output=path / "debug", tries_skips=False)
    return compare(path / "own", path / "debug")


CASES = [("shortcut", False, 8), ("padded average", True, 8), ("gated", True, 8), ("full", False, 8),
         ("batch norm", True, 4), ("squeezed", False, 8), ("soft attention", False, 8)]  # fmt: skip


@pytest.mark.parametrize("device", ["T40", "Txx"])
@pytest.mark.parametrize(("body", "dynamo", "bits"), CASES)
def test_no_layer_differs_from_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, dynamo: bool, bits: int, device: str
) -> None:
    net, x = made_of(ALL[body], bits, device, is_signed=True, mean=128.0)
    found = compared(net, x, tmp_path, monkeypatch, dynamo=dynamo)
    assert found.is_equal and found.only_a == () and found.order == "tensors.json"
    coded = {name for name, m in net.named_modules() if isinstance(m, ops.Conv2D) and not m.last_layer}
    assert coded <= {layer.name for layer in found.layers} and len(found.layers) > 1
    kinds = {layer.name: layer.kind for layer in found.layers}  # where a step is in f32 the program has reals there
    assert set(kinds.values()) <= {"codes", "codes, f32"} and {kinds[name] for name in coded} == {"codes"}


def test_a_difference_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = made_of(ALL["conv"], 8, "T40", is_signed=True, mean=128.0)
    kit.check(net)
    dumped(net, x, tmp_path / "a", monkeypatch)
    net.body[0].Conv2d.weight.data.neg_()
    dumped(net, x, tmp_path / "b", monkeypatch)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found.first is not None and found.first.name == "body.0"
    assert [layer.is_equal for layer in found.layers] == [True, False, False]


def test_codes_reals_and_inputs_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = made_of(ALL["full"], 4, "T40", is_signed=False)
    kit.check(net)
    dumped(net, x, tmp_path, monkeypatch)
    rows = {row["layer"]: row for row in json.loads((tmp_path / "tensors.json").read_text())}
    assert list(rows) == ["first", "body.1"] and rows["first"]["shape"] == [2, 4, 5, 32]
    codes = np.fromfile(tmp_path / "ptq_model/first.bin", np.uint8)
    reals = np.fromfile(tmp_path / "ptq_model_dequantize/first.bin", "<f4")
    np.testing.assert_array_equal(reals, np.float32(rows["first"]["scale"]) * codes)
    with torch.no_grad():
        y = net.first(net.pixels(x))[0].numpy()
    np.testing.assert_array_equal(reals.reshape(2, 4, 5, 32), y.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(np.fromfile(tmp_path / "inputs/body.1_0.bin", "<f4"), y.reshape(-1))
    np.testing.assert_array_equal(
        np.fromfile(tmp_path / "inputs/first_0.bin", "<f4"), x.permute(0, 2, 3, 1).reshape(-1)
    )


def test_every_layer_as_floats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = made_of(ALL["shuffled"], 4, "T40", is_signed=True, mean=128.0)
    kit.check(net)
    dumped(net, x, tmp_path, monkeypatch, "DEVP_DUMP")
    assert not (tmp_path / "ptq_model").exists()
    names = {file.stem for file in (tmp_path / "intermediate").glob("*.bin")}
    assert {"first", "first_in0", "body.split", "body.split1", "body.route", "body.route_in01", "body.shuffle"} <= names
    with torch.no_grad():
        y = net.first(net.pixels(x))[0].permute(0, 2, 3, 1).numpy()
    first = np.fromfile(tmp_path / "intermediate/first.bin", "<f4")
    np.testing.assert_array_equal(first, y.reshape(-1))
    assert compare(tmp_path / "intermediate", tmp_path / "intermediate").is_equal


def test_nothing_is_written_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = made_of(ALL["conv"], 4, "T40", is_signed=True, mean=128.0)
    monkeypatch.chdir(tmp_path)
    for value in ("0", ""):
        monkeypatch.setenv("MAGIK_TRAININGKIT_DUMP", value)
        net(x)
    monkeypatch.setenv("MAGIK_TRAININGKIT_DUMP", "1")
    net.train()(x)
    assert list(tmp_path.iterdir()) == []
    net.eval()(x)
    assert (tmp_path / "magik_trainingkit_dump/ptq_model/Conv2D.bin").exists()  # without check() a layer has no name


def test_the_dumps_of_an_earlier_process_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = made_of(ALL["conv"], 4, "T40", is_signed=True, mean=128.0)
    kit.check(net)
    dumped(net, x, tmp_path, monkeypatch)
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(dumps, "_ROWS", {})
    dumped(nn.Sequential(net.pixels, net.first), x, tmp_path, monkeypatch)
    assert [f.name for f in (tmp_path / "ptq_model").iterdir()] == ["first.bin"]
    assert (tmp_path / "notes.txt").exists()
