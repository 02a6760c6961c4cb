"""magik compare on the command line: table, JSON and exit codes."""

from __future__ import annotations

import json
import os
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


def test_a_layer_that_b_has_not_is_a_difference(magik, tmp_path: Path) -> None:
    a, b = folders(tmp_path)
    (b / "ptq_model/conv2.bin").unlink()
    done = magik("compare", a, b)
    assert done.code == 1 and "missing in B: 1 layer of A: conv2\n" in done.err and "equal:" not in done.err
    found = json.loads(magik("compare", a, b, "--json").out)
    assert (found["equal"], found["missing"], found["only_a"]) == (False, ["conv2"], ["conv2"])
    done = magik("compare", b, a)
    assert done.code == 1 and "missing in B: 1 layer of A: more\n" in done.err
    board = tmp_path / "board"
    (b / "ptq_model").rename(board)
    (board / "conv1.bin").rename(board / "conv1_out.bin")
    (board / "more.bin").rename(board / "conv1_weight.bin")
    done = magik("compare", board, a)
    assert done.code == 0 and "only in A: conv1 (weight)\nonly in B: conv2\n" in done.err, "a board has its weights"


def test_dumps_that_are_no_files(magik, tmp_path: Path) -> None:
    a, b = folders(tmp_path)
    for folder, name in ((a, "conv1"), (b, "conv2"), (b, "more")):
        (folder / f"ptq_model/{name}.bin").unlink()
    (a / "ptq_model/conv1.bin").mkdir()
    os.mkfifo(b / "ptq_model/conv2.bin")
    (b / "ptq_model/more.bin").symlink_to("nowhere")
    done = magik("compare", a, b)
    said = [(a, "conv1", "a folder"), (b, "conv2", "a pipe or a device"), (b, "more", "a link to nothing")]
    lines = (
        f"error: a dump is no file\nwhere: {f / 'ptq_model' / name}.bin\nfound: {kind}\n" for f, name, kind in said
    )
    assert done.code == 1 and done.err == "\n".join(lines)


def test_both_folders_are_looked_for(refused, tmp_path: Path) -> None:
    said = refused("compare", tmp_path / "x", tmp_path / "y")
    assert f"where: {tmp_path / 'x'}\n" in said and f"where: {tmp_path / 'y'}\n" in said


def test_names_that_are_no_text_are_escaped(magik, tmp_path: Path) -> None:
    a, b = folders(tmp_path)
    CODES.tofile(os.fsdecode(os.fsencode(b) + b"/ptq_model/\xff\xfe.bin"))
    assert "only in B: more, \\xff\\xfe\n" in magik("compare", a, b).err
