"""A .bin by its name and by what lies beside it: its type, its input, its axis order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from magik_core.data_files import InputSpec
from magik_core.errors import DataError, Problem
from magik_core.samples import load_file, open_samples

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
RGB = InputSpec("x", (1, 3, 4, 6))


def problem_of(path: Path, spec: InputSpec) -> Problem:
    with pytest.raises(DataError) as caught:
        load_file(path, spec)
    (problem,) = caught.value.problems
    return problem


def test_inputs_whose_names_end_like_a_type(tmp_path: Path) -> None:
    at = tmp_path / "0"
    at.mkdir()
    one, other = InputSpec("x", (1, 2)), InputSpec("x_u8", (1, 2))
    np.float32([-1, 2]).tofile(at / "x_u8.bin")
    (sample,) = open_samples(tmp_path, [other])
    assert sample["x_u8"].tolist() == [[-1, 2]], "the end is no type where the length is another's"
    np.uint8([3, 4]).tofile(at / "x_u8.bin")
    np.float32([5, 6]).tofile(at / "x_f32.bin")
    (sample,) = open_samples(tmp_path, [one, other])
    assert (sample["x"].tolist(), sample["x_u8"].tolist()) == ([[5, 6]], [[3, 4]])
    (at / "x_u8.bin").rename(at / "x_u8_u8.bin")
    (sample,) = open_samples(tmp_path, [one, other])
    assert sample["x_u8"].tolist() == [[3, 4]]


def test_what_magik_dumped_is_read_as_its_tensors_json_says(tmp_path: Path) -> None:
    hwc = PIXELS[None]
    hwc.tofile(tmp_path / "input_uint8.bin")
    hwc.astype("<f4").tofile(tmp_path / "input.bin")
    for name in ("input.bin", "input_uint8.bin"):
        assert load_file(tmp_path / name, RGB)[0, :, 0, 0].tolist() == PIXELS.reshape(-1)[[0, 24, 48]].tolist()
    row = {"file": "input.bin", "layer": "x", "shape": [1, 4, 6, 3], "axes": [0, 2, 3, 1], "dtype": "u8"}
    other = row | {"shape": [1, 72], "axes": [0, 1]}  # of a layer that is called input
    (tmp_path / "tensors.json").write_text(json.dumps([row, other]))
    for name in ("input.bin", "input_uint8.bin"):
        assert np.array_equal(load_file(tmp_path / name, RGB), hwc.transpose(0, 3, 1, 2))
    problem = problem_of(tmp_path / "input.bin", InputSpec("x", (1, 4, 6, 3)))
    assert (problem.what, problem.found) == ("the dump is of another input", "1x3x4x6")
    assert problem.need == "1x4x6x3 of input 'x'"
    for axes in ([0, 1, 2], [0, 2, 3, 3], [0, 2, 3, "1"], [0, 2, 3, []]):
        (tmp_path / "tensors.json").write_text(json.dumps([row | {"axes": axes}]))
        assert problem_of(tmp_path / "input.bin", RGB).found == f"axes is {json.dumps(axes)}"
    (tmp_path / "tensors.json").write_text("[]")
    assert load_file(tmp_path / "input.bin", RGB).shape == RGB.shape


@pytest.mark.parametrize("tag", ["f16", "u11", "s64"])
def test_types_of_elements_that_are_unknown(tmp_path: Path, tag: str) -> None:
    path = tmp_path / f"a_{tag}.bin"
    np.arange(5, dtype=np.float16).tofile(path)
    problem = problem_of(path, InputSpec("v", (1, 5)))
    known = "u8, s8, u10, u12, u14, u16, s16, s32, f32"
    assert (problem.what, problem.where, problem.found) == ("unknown type of elements", str(path), tag)
    assert problem.need == f"one of {known}, or a name that does not end like these"


@pytest.mark.parametrize("name", ["a_f1", "a_s001", "a_u99", "a.f12", "v_f16"])
def test_names_that_end_in_no_type(tmp_path: Path, name: str) -> None:
    """Numbers of frames, and an input's own name."""
    path = tmp_path / f"{name}.bin"
    np.arange(5, dtype="<f4").tofile(path)
    assert load_file(path, InputSpec("v_f16", (1, 5))).tolist() == [[0, 1, 2, 3, 4]]
