"""Nets with memory through the command line: how states are named, and runs over frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magik_core import net
from tests import streams


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the LSTM, and its frames in one file and in several."""
    out = tmp_path_factory.mktemp("stream")
    _, x = streams.convert(out, "lstm")
    (out / "parts").mkdir()
    for name, rows in (("a", x[:5]), ("b", x[5]), ("c", x[6:])):
        np.save(out / "parts" / f"{name}.npy", rows)
    return out


def test_states_are_named_one_by_one(magik: Any, folder: Path, tmp_path: Path) -> None:
    options = ("--calib", folder / "frames.npy", "--state", "h0=h", "--state", "c0=c")
    assert magik("convert", folder / "lstm.onnx", "-o", tmp_path / "out", *options).code == 0
    assert (tmp_path / "out.bin").read_bytes() == (folder / "lstm.bin").read_bytes()
    assert magik("check", folder / "lstm.onnx", *options[2:]).code == 0
    shown = magik("inspect", tmp_path / "out.mgk", "--html", tmp_path / "page.html").out
    assert "state h0" in (tmp_path / "page.html").read_text()
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("state ")] == [
        ["state", "h0"],
        ["state", "c0"],
    ]


def test_states_that_are_no_pairs(magik: Any, folder: Path) -> None:
    done = magik("check", folder / "lstm.onnx", "--state", "h0", "--state", "h0=h", "--state", "h0=c", "--state", "=c")
    assert done.code == 2
    assert done.err.count("--state wants an input and an output") == 2 and "a state is given twice" in done.err


@pytest.mark.parametrize("given", ["frames.npy", "parts", "x=parts"])
def test_a_run_takes_frames_in_order(magik: Any, folder: Path, tmp_path: Path, given: str) -> None:
    name, _, path = given.rpartition("=")
    text = f"{name}={folder / path}" if name else folder / path
    done = magik("run", folder / "lstm.bin", text, "-o", tmp_path / "z.npy")
    assert done.code == 0 and "12x1x1x1x2" in done.out
    loaded, x = net.load(folder / "lstm.bin"), np.load(folder / "frames.npy")
    assert np.array_equal(np.load(tmp_path / "z.npy"), np.stack([loaded.run(frame[None])["z"] for frame in x]))


@pytest.mark.parametrize("given", ["frames.npy", "parts"])
def test_a_proof_takes_frames_one_by_one(magik: Any, folder: Path, given: str) -> None:
    options = ("--target", "host", "--isa", "portable", "--isa", "fp64")
    done = magik("verify", folder / "lstm.bin", "-i", folder / given, *options)
    assert done.code == 0 and done.out.count("layers agree on 12 inputs") == 2


def test_a_run_of_codes(magik: Any, folder: Path, tmp_path: Path) -> None:
    assert magik("run", folder / "lstm.bin", folder / "frames.npy", "-o", tmp_path, "--quantized").code == 0
    assert np.load(tmp_path / "z.npy").dtype == np.uint8


def test_inputs_have_as_many_frames(magik: Any, folder: Path, tmp_path: Path) -> None:
    """A state that is left to the caller is an input like any other."""
    streams.convert(tmp_path, "lstm", states={"h0": "h"}, is_float=True)
    np.save(tmp_path / "c.npy", np.zeros((11, 1, streams.HIDDEN), np.float32))
    model, x = tmp_path / "lstm.bin", f"x={tmp_path / 'frames.npy'}"
    done = magik("run", model, x, f"c0={tmp_path / 'c.npy'}")
    assert done.code == 1 and "inputs have different numbers of frames" in done.err and "x: 12, c0: 11" in done.err
    done = magik("run", model, x)
    assert done.code == 1 and "an input is missing" in done.err and "add c0=PATH" in done.err
    np.savez(tmp_path / "both.npz", x=np.load(tmp_path / "frames.npy")[:11], c0=np.load(tmp_path / "c.npy"))
    assert "11x1x1x1x2" in magik("run", model, tmp_path / "both.npz").out


def test_an_unreadable_frame(magik: Any, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.zeros((1, 1, 7), np.float32))
    done = magik("run", folder / "lstm.bin", tmp_path / "bad.npy")
    assert done.code == 1 and "array has the wrong shape" in done.err
