"""magik compare on the command line: table, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

CODES = np.random.default_rng(2).integers(0, 200, (1, 8, 8, 4), dtype=np.uint8)


def folders(home: Path) -> tuple[Path, Path]:
    for name, second in (("a", CODES), ("b", CODES.transpose(0, 3, 1, 2))):
        (home / name / "ptq_model").mkdir(parents=True)
        CODES.tofile(home / name / "ptq_model/conv1.bin")
        second.tofile(home / name / "ptq_model/conv2.bin")
    (CODES + 1).tofile(home / "b/ptq_model/more.bin")
    return home / "a", home / "b"


def test_a_difference_is_named(magik, tmp_path: Path) -> None:
    done = magik("compare", *folders(tmp_path))
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[1].split() == ["conv1", "codes", "256", "0", "0", "equal"]
    assert lines[2].endswith("layout: A is NHWC where B is NCHW with 4 channels")
    assert "only in B: more\n" in done.err
    assert "1 of 2 layers differ; first: conv2, number 1: " in done.err
    assert "it looks like layout: A is NHWC where B is NCHW with 4 channels\n" in done.err


def test_equal_folders(magik, tmp_path: Path) -> None:
    a, _ = folders(tmp_path)
    done = magik("compare", a, a / "ptq_model")
    assert done.code == 0 and "equal: 2 layers" in done.err


def test_json(magik, tmp_path: Path) -> None:
    done = magik("compare", *folders(tmp_path), "--json")
    found = json.loads(done.out)
    assert done.code == 1 and done.err == ""
    assert (found["equal"], found["first_difference"], found["only_b"]) == (False, "conv2", ["more"])
    assert found["layers"][1]["guess"] == "layout"


def test_limits(magik, tmp_path: Path) -> None:
    a, b = folders(tmp_path)
    (b / "ptq_model/conv2.bin").write_bytes((CODES + 1).tobytes())
    assert magik("compare", a, b).code == 1
    assert magik("compare", a, b, "--codes", "1").code == 0
    for folder, array in ((a, CODES.astype("f")), (b, CODES.astype("f") * 1.01)):
        (folder / "ptq_model/conv2.bin").write_bytes(array.astype(np.float32).tobytes())
    assert magik("compare", a, b, "--codes", "1").code == 1
    assert magik("compare", a, b, "--tolerance", "0.02").code == 0


def test_reals_beside_codes_say_the_fit(magik, tmp_path: Path) -> None:
    a, b = folders(tmp_path)
    (a / "float_model").mkdir()
    (CODES.astype(np.float32) / 2).tofile(a / "float_model/conv1.bin")
    done = magik("compare", a / "float_model", b)
    assert done.code == 0 and "codes of conv1: best fit: 0.5 * code + 0" in done.err


def test_refusals(refused, tmp_path: Path) -> None:
    err = refused("compare", tmp_path / "x", tmp_path)
    assert "there is no such folder of dumps" in err
    assert f"found: no file x in {tmp_path}\n need: a folder of dumps, or one of them" in err
    assert "error: " in refused("compare", tmp_path, code=2)
