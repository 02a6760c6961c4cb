"""Names, options and data that are wrong: each costs a clear error and the exit code, and leaves no file behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Done, Refused
from tests.cli.models import DIGITS, files, samples

# ---- names and options ---------------------------------------------------------------------------

USAGE = [
    (("--soc", "t4"), ("there is no SoC 't4'", "did you mean T41?")),
    (("--set", "QUANT_DATASET_PTH=3"), ("unknown config key", "did you mean QUANT_DATASET_PATH?")),
    (("--frontend", "onx"), ("there is no frontend 'onx'", "did you mean onnx?")),
    (("--feature-method", "KLL"), ("there is no quantizer 'KLL'", "did you mean KL?")),
    (
        ("--weight-method", "PERCENTILE"),
        ("PERCENTILE is no method for weights", "where: QUANT_WEIGHT_METHOD", "KL, MAX_ABS"),
    ),
    (("--inputs", "imag"), ("no tensor of this name\nwhere: INPUT: imag", "did you mean 'image'")),
    (("--outputs", "probabilites,x9"), ("where: OUTPUT: probabilites", "did you mean 'probabilities'?", "OUTPUT: x9")),
    (("--inputs", "image", "--outputs", "image,image"), ("a tensor is named twice\nwhere: OUTPUT: image",)),
    (("--inputs", "0.weight"), ("a constant cannot be an input\nwhere: INPUT: 0.weight",)),
    (("--input-shape", "3,32,32"), ("INPUT_SHAPE does not fit an input\nwhere: input 'image'",)),
    (("--mean", "1,2"), ("MEAN does not fit the channels", "need: 1 or 3 values")),
    (("--normal", "0"), ("wrong value of a config key\nwhere: NORMAL",)),
    (("--color", "RBG"), ("wrong value of a config key\nwhere: COLOR",)),
    (("--bogus",), ("no such option: --bogus", "magik convert --help")),
    (("--threads", "0"), ("invalid value for '--threads'",)),
    (("--set", "SOC"), ("--set wants a key and a value",)),
    (("--constant", "sr"), ("--constant wants an input and a number", "found: sr")),
    (
        ("--constant", "sr=NaN", "--constant", 'sr="x"', "--constant", "sr=[[1],2]"),
        ("found: sr=NaN", 'sr="x"', "sr=[[1],2]"),
    ),
    (("--constant", "imag=1"), ("a constant names no input of the model", "did you mean 'image'?")),
    (("--constant", "image=[1]"), ("a constant does not fit its input", "need: FLOAT [1, 3, 32, 32]")),
]


@pytest.mark.parametrize(("options", "texts"), USAGE, ids=[" ".join(o) for o, _ in USAGE])
def test_wrong_usage(
    refused: Refused, tmp_path: Path, calib: Path, options: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    err = refused("convert", DIGITS, "-o", tmp_path / "out", "--calib", calib, *options, code=2)
    assert all(text in err for text in texts), err


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{nope", "the config file is not JSON"),
        ('{"SOC": 3, "INPTU": []}', "did you mean INPUT?"),
        ("[]", "holds no keys"),
    ],
)
def test_config_files(refused: Refused, tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "magik.cfg").write_text(text)
    assert found in refused("convert", DIGITS, "--config", tmp_path / "magik.cfg", code=2)
    assert "cannot read the config file" in refused("convert", DIGITS, "--config", tmp_path, code=2)


def test_everything_that_was_asked_wrongly_is_told_at_once(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    err = refused(
        "convert",
        tmp_path / "m.onnx",
        "--soc",
        "T99",
        "--calib",
        tmp_path / "none",
        "-o",
        tmp_path / "file/out",
        "--feature-method",
        "KLL",
        code=2,
    )
    for text in ("SoC 'T99'", "quantizer 'KLL'", "calibration data not found", "no such model", "file is no folder"):
        assert text in err, text


def test_data_for_the_biases_is_looked_at_before_calibration(
    refused: Refused, tmp_path: Path, calib: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magik_core.calibrate.calibrate", None)
    (tmp_path / "a").mkdir()
    command = "convert", DIGITS, "-o", tmp_path / "out", "--calib", calib
    paths = "--set", f"WEIGHT_CORRECT_PATH={tmp_path}/a/b", "--set", f"FEATURE_CORRECT_PATH={tmp_path}/c"
    err = refused(*command, *paths)
    need = "\n need: a folder or file of images, .npy, .npz or .bin\n"
    assert (
        f"data of WEIGHT_CORRECT_PATH not found\nwhere: {tmp_path}/a/b\nfound: no file b in {tmp_path}/a{need}" in err
    )
    assert f"data of FEATURE_CORRECT_PATH not found\nwhere: {tmp_path}/c\nfound: no file c in {tmp_path}{need}" in err
    (tmp_path / "a/b").mkdir()
    (tmp_path / "c").touch()
    err = refused(*command, *paths)
    assert f"{tmp_path}/a/b" in err and f"{tmp_path}/c" in err and err.count("error: ") == 2


def test_no_calibration(refused: Refused, tmp_path: Path) -> None:
    err = refused("convert", DIGITS, "-o", tmp_path / "out", code=2)
    assert "calibration data is missing" in err and "--float" in err


# ---- calibration data ----------------------------------------------------------------------------


def test_calibration_folders(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / "calib"
    command = ("convert", DIGITS, "-o", tmp_path / "out", "--calib", folder)
    assert "calibration data not found" in refused(*command)
    folder.mkdir()
    assert "the folder has no calibration data" in refused(*command)
    (folder / "a.png").write_bytes(b"not a picture")
    (folder / "b.txt").write_text("hello")
    Image.new("RGB", (40, 40)).save(folder / "c.png")
    (folder / "c.png").write_bytes((folder / "c.png").read_bytes()[:-30])
    np.save(folder / "d.npy", np.zeros((1, 3, 31, 32), np.float32))
    np.save(folder / "e.npy", np.array(["text"]))
    (folder / "f.npy").write_text("hello")
    (folder / "g.bin").write_bytes(b"12")
    err = refused(*command)
    for name in ("a.png", "b.txt", "d.npy", "e.npy", "f.npy", "g.bin"):
        assert f"where: {folder / name}" in err, name
    assert "found: 1x3x31x32\n need: 1x3x32x32 of input 'image'" in err
    for path in folder.iterdir():
        if path.name != "c.png":
            path.unlink()
    assert "c.png" in refused(*command)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_calibration_folder(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "calib").mkdir(mode=0)
    assert "calib" in refused("convert", DIGITS, "-o", tmp_path / "out", "--calib", tmp_path / "calib")


def test_an_unreadable_calibration_folder_by_any_user(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, iterdir = tmp_path / "calib", Path.iterdir
    folder.mkdir()

    def listing(path: Path) -> Any:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", listing)
    done = refused("convert", DIGITS, "-o", tmp_path / "out", "--calib", folder)
    assert "Permission denied" in done and str(folder) in done


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_calibration_that_is_not_finite(refused: Refused, tmp_path: Path, value: float, magik: Any) -> None:
    path = samples(tmp_path / "bad.npy", value=value)
    err = refused("convert", DIGITS, "-o", tmp_path / "out", "--calib", path)
    assert f"data are not finite\nwhere: {path}, sample 0\nfound: 3072 of 3072" in err


def test_numbers_that_no_integer_arithmetic_holds(magik: Callable[..., Done], tmp_path: Path, calib: Path) -> None:
    done = magik("convert", DIGITS, "-o", tmp_path / "out", "--calib", calib, "--mean", "1e30")
    assert done.code == 1 and "Traceback" not in done.err
    assert "a rescale factor is out of range\nwhere: node 'image/mean'" in done.err
    assert list(files(tmp_path)) == ["calib.npy"]
