"""What a user can do wrong: each costs a clear error and the exit code, and leaves no file behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from magik_core import pack
from tests.cli.conftest import Done
from tests.cli.models import DIGITS, FLOAT, files, one, samples, weights, write

Refused = Callable[..., str]


@pytest.fixture
def refused(magik: Callable[..., Done], tmp_path: Path) -> Refused:
    """Run a command line that must fail: returns stderr; no file may appear, vanish or change."""

    def run(*args: object, code: int = 1) -> str:
        before = files(tmp_path)
        done = magik(*args)
        assert (done.code, "Traceback" in done.err) == (code, False), done.err
        assert done.err.startswith("error: ") and done.out == ""
        assert files(tmp_path) == before
        return done.err

    return run


@pytest.fixture
def calib(tmp_path: Path) -> Path:
    return samples(tmp_path / "calib.npy")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits model, converted."""
    from magik_core import convert

    folder = tmp_path_factory.mktemp("digits")
    convert(DIGITS, folder / "digits.bin", calibration=samples(folder / "calib.npy"), mean=[127], normal=[128])
    return folder / "digits.bin"


# ---- models --------------------------------------------------------------------------------------


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _cyclic(path: Path) -> None:
    nodes = [helper.make_node("Relu", ["b"], ["a"], "n1"), helper.make_node("Relu", ["a"], ["b"], "n2")]
    write(path, nodes, [("x", FLOAT, [1, 3])], [("b", FLOAT, [1, 3])])


def _nan(path: Path) -> None:
    model = onnx.load(DIGITS)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
    array = numpy_helper.to_array(weight).copy()
    array.flat[3] = np.nan
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(model, path)


def _dynamic(path: Path) -> None:
    one(path, "Conv", [weights(4, 3, 3, 3)], shape=["n", 3, "h", "w"])


def _condition(path: Path) -> None:
    def branch(op: str, name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, FLOAT, [1, 3])
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [out])

    node = helper.make_node("If", ["c"], ["y"], "n", then_branch=branch("Relu", "t"), else_branch=branch("Neg", "e"))
    write(path, [node], [("x", FLOAT, [1, 3]), ("c", TensorProto.BOOL, [])], [("y", FLOAT, [1, 3])])


MODELS: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "missing": (_missing, ("there is no such model",)),
    "directory": (Path.mkdir, ("the model is not a file", "found: a directory")),
    "truncated": (
        lambda p: p.write_bytes(DIGITS.read_bytes()[:5000]),
        ("the model is no ONNX file, or a truncated one", "found: 5000 bytes"),
    ),
    "text": (lambda p: p.write_text("hello"), ("the model is no ONNX file, or a truncated one",)),
    "empty": (lambda p: p.write_bytes(b""), ("the model is no ONNX file, or a truncated one", "found: 0 bytes")),
    "cyclic": (_cyclic, ("the graph has a cycle", "found: 'n1', 'n2'")),
    "nan": (_nan, ("a weight is not a number", "where: initializer '0.weight' in m.onnx", "found: 1 NaN")),
    "dynamic": (_dynamic, ("the size of an input is not known", "hint: INPUT_SHAPE: [[1, 3, ?, ?]]")),
    "condition": (_condition, ("control flow depends on a value", "where: If 'n'", "--constant NAME=VALUE")),
}


@pytest.mark.parametrize("kind", MODELS)
def test_models_that_are_none(refused: Refused, tmp_path: Path, calib: Path, kind: str) -> None:
    make, texts = MODELS[kind]
    make(tmp_path / "m.onnx")
    for command in (("convert", "-o", tmp_path / "out", "--calib", calib), ("check",)):
        err = refused(command[0], tmp_path / "m.onnx", *command[1:])
        assert all(text in err for text in texts), err


def test_a_file_of_no_known_kind(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("hello")
    for command, *flags in (("convert", "--float"), ("check",), ("inspect",)):
        assert "no frontend knows this format" in refused(command, tmp_path / "m.txt", *flags)


WINDOWS = [
    ("Conv", {"strides": [1025, 1]}, "Conv: strides are too large"),
    ("Conv", {"dilations": [1025, 1]}, "Conv: dilations are too large"),
    ("Conv", {"pads": [1025, 0, 0, 0]}, "Conv: pads are too large"),
    ("ConvTranspose", {"strides": [1, 1025]}, "ConvTranspose: strides are too large"),
    ("ConvTranspose", {"output_shape": [4000, 8]}, "ConvTranspose: pads are too large"),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [1025, 1]}, "MaxPool: strides are too large"),
    ("MaxPool", {"kernel_shape": [2, 2], "dilations": [1025, 1]}, "MaxPool: dilations are too large"),
    ("AveragePool", {"kernel_shape": [1200, 2], "pads": [1100, 0, 0, 0]}, "AveragePool: pads are too large"),
]


@pytest.mark.parametrize(("op", "attributes", "text"), WINDOWS)
def test_windows_above_the_loaders_limits(
    refused: Refused, tmp_path: Path, op: str, attributes: dict[str, Any], text: str
) -> None:
    path = one(
        tmp_path / "m.onnx", op, [weights(3, 3, 2, 2)] * op.startswith("Conv"), shape=(1, 3, 1500, 8), **attributes
    )
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert text in err and "where: node 'n'" in err and "need: at most 1024" in err


def test_a_window_at_the_limit_is_taken(magik: Callable[..., Done], tmp_path: Path) -> None:
    path = one(
        tmp_path / "m.onnx",
        "Conv",
        [weights(3, 3, 2, 2)],
        shape=(1, 3, 1500, 8),
        strides=[1024, 1],
        dilations=[1024, 1],
        pads=[1024, 0, 0, 0],
    )
    np.save(tmp_path / "x.npy", np.ones((1, 3, 1500, 8), np.float32))
    assert magik("convert", path, "--float", "-o", tmp_path / "out").code == 0
    assert magik("run", tmp_path / "out.bin", tmp_path / "x.npy").code == 0


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_other_floats_are_refused_by_name(refused: Refused, tmp_path: Path, dtype: int) -> None:
    name = TensorProto.DataType.Name(dtype)
    err = refused("convert", one(tmp_path / "m.onnx", "Relu", dtype=dtype), "--float", "-o", tmp_path / "out")
    assert "an input has a type that no kernel reads\nwhere: input 'x'" in err and f"found: {name}" in err
    nodes = [helper.make_node("Cast", ["x"], ["h"], "n", to=dtype), helper.make_node("Cast", ["h"], ["y"], "m", to=1)]
    path = write(tmp_path / "m.onnx", nodes, [("x", FLOAT, [1, 3])], [("y", FLOAT, [1, 3])])
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert f"Cast: to {name}" in err and f"Cast: from {name}" in err and "hint: export the model in float32" in err


def test_sizes_that_no_tensor_has(refused: Refused, tmp_path: Path) -> None:
    def convert(path: Path) -> str:
        return refused("convert", path, "--float", "-o", tmp_path / "out")

    assert "found: 9 axes\n need: at most 8" in convert(one(tmp_path / "m.onnx", "Relu", shape=[1] * 9))
    wide = one(tmp_path / "m.onnx", "Expand", [np.array([1 << 20, 1 << 12])], shape=(1, 1))
    assert "Expand: its output is too large\nwhere: node 'n'\nfound: 4294967296 elements" in convert(wide)
    none = one(tmp_path / "m.onnx", "Slice", [np.array([4]), np.array([4])], shape=(4, 4))
    assert "a tensor has no elements\nwhere: Slice 'n'" in convert(none)


def test_what_has_to_be_constant(refused: Refused, tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "n")
    inputs = [("x", FLOAT, [1, 3, 8, 8]), ("b", FLOAT, [4])]
    path = write(tmp_path / "m.onnx", [node], inputs, [("y", FLOAT, [1, 4, 6, 6])], {"w": weights(4, 3, 3, 3)})
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert "Conv needs a constant bias\nwhere: node 'n'" in err
    inputs = [("x", FLOAT, [1, 3, 8, 8]), ("w", FLOAT, [4, 3, 3, 3])]
    path = write(
        tmp_path / "m.onnx", [helper.make_node("Conv", ["x", "w"], ["y"], "n")], inputs, [("y", FLOAT, [1, 4, 6, 6])]
    )
    assert "Conv needs a constant weight\nwhere: node 'n'" in refused("check", path)


@pytest.mark.parametrize("op", ["Add", "Concat", "Greater"])
def test_arithmetic_on_bytes(refused: Refused, tmp_path: Path, op: str) -> None:
    other = np.ones((1, 3, 8, 8), np.uint8)
    result = TensorProto.BOOL if op == "Greater" else TensorProto.UINT8
    path = one(
        tmp_path / "m.onnx",
        op,
        [other],
        dtype=TensorProto.UINT8,
        result=result,
        **{"axis": 1} if op == "Concat" else {},
    )
    err = refused("convert", path, "--float", "-o", tmp_path / "out")
    assert f"{op}: arithmetic on UINT8\nwhere: node 'n'" in err


def test_everything_missing_is_told_before_calibration(refused: Refused, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Det", ["q"], ["d"], "n_det"),
        helper.make_node("GridSample", ["x", "g"], ["s"], "n_grid"),
        helper.make_node("Conv", ["x", "w"], ["c"], "n_conv", strides=[2000, 1]),
        helper.make_node("Relu", ["c"], ["r"], "n_relu"),
    ]
    inputs = [
        ("x", FLOAT, [1, 3, 8, 8]),
        ("q", FLOAT, [1, 3, 3]),
        ("g", FLOAT, [1, 2, 2, 2]),
        ("h", TensorProto.STRING, [1]),
    ]
    nodes.append(helper.make_node("Identity", ["h"], ["i"], "n_identity"))
    outputs = [
        ("d", FLOAT, [1]),
        ("s", FLOAT, [1, 3, 2, 2]),
        ("r", FLOAT, [1, 4, 1, 6]),
        ("i", TensorProto.STRING, [1]),
    ]
    path = write(tmp_path / "m.onnx", nodes, inputs, outputs, {"w": weights(4, 3, 3, 3)})
    (tmp_path / "empty").mkdir()
    err = refused("convert", path, "-o", tmp_path / "out", "--calib", tmp_path / "empty")
    for text in ("node 'n_det'", "node 'n_grid'", "node 'n_conv'", "input 'h'", "calibration folder is empty"):
        assert text in err, text
    assert "calibrate:" not in err


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


def test_no_calibration(refused: Refused, tmp_path: Path) -> None:
    err = refused("convert", DIGITS, "-o", tmp_path / "out", code=2)
    assert "calibration data is missing" in err and "--float" in err


# ---- calibration data ----------------------------------------------------------------------------


def test_calibration_folders(refused: Refused, tmp_path: Path) -> None:
    folder = tmp_path / "calib"
    command = ("convert", DIGITS, "-o", tmp_path / "out", "--calib", folder)
    assert "calibration data not found" in refused(*command)
    folder.mkdir()
    assert "calibration folder is empty" in refused(*command)
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
    assert "Conv: sums do not fit 32 bits\nwhere: node 'node_Conv_175'" in done.err
    assert list(files(tmp_path)) == ["calib.npy"]


# ---- outputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "code", "text"),
    [
        (".", 2, "the output is a folder"),
        ("folder", 2, "the output is a folder"),
        ("folder/", 2, "the output is a folder"),
        ("taken", 1, "taken.mgk\nfound: Is a directory"),
        ("calib.npy/out", 1, "calib.npy is no folder"),
        ("calib.npy/new/out", 1, "calib.npy is no folder"),
        ("x" * 300, 1, "File name too long"),
    ],
)
def test_outputs_that_cannot_be(
    refused: Refused, tmp_path: Path, calib: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int, text: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken.mgk").mkdir()
    monkeypatch.chdir(tmp_path)
    err = refused("convert", DIGITS, "-o", output, "--calib", calib, code=code)
    assert text in err and "calibrate:" not in err


def test_a_full_disk_leaves_the_old_files(
    magik: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file does not fit any more."""
    for suffix in (".bin", ".mgk", ".mk.h"):
        (tmp_path / f"out{suffix}").write_text("old")
    model = one(tmp_path / "m.onnx", "Relu")
    before, fdopen = files(tmp_path), os.fdopen
    opened: list[int] = []

    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            self.file = fdopen(handle, mode)
            opened.append(handle)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            self.file.write(data[:10])
            if len(opened) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pack.os, "fdopen", Full)
    for output in ("out", "new/folder/out"):
        opened.clear()
        done = magik("convert", model, "--float", "-o", tmp_path / output)
        assert done.code == 1
        assert f"error: an output cannot be written\nwhere: {tmp_path / output}.mgk\nfound: No space left" in done.err
        assert files(tmp_path) == before and not (tmp_path / "new").exists()


def test_a_really_full_disk(magik: Callable[..., Done], tmp_path: Path, digits: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        done = magik("convert", DIGITS, "--float", "-o", disk / "sub/out")
        assert done.code == 1 and "found: No space left on device" in done.err and "Traceback" not in done.err
        assert list(disk.iterdir()) == []
        (disk / "fill").write_bytes(bytes(56 << 10))
        np.save(tmp_path / "x.npy", np.zeros((1, 3, 32, 32), np.float32))
        done = magik("run", digits, tmp_path / "x.npy", "-o", disk / "y")
        assert done.code in (0, 1) and "Traceback" not in done.err
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_while_calibrating(tmp_path: Path) -> None:
    samples(tmp_path / "calib.npy", count=4000)
    (tmp_path / "out.bin").write_text("old")
    before = files(tmp_path)
    code = "import sys; from magik_core.cli import main; sys.exit(main())"
    args = [
        "convert",
        str(DIGITS),
        "-o",
        str(tmp_path / "out"),
        "--calib",
        str(tmp_path / "calib.npy"),
        "--threads",
        "2",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None and process.stdout is not None
    assert process.stderr.readline().startswith("calibrate: 1/4000")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert files(tmp_path) == before


# ---- run and inspect -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut", "damaged", "empty", "head", "onnx", "header", "npy", "missing", "folder"])
def test_model_files_that_are_none(refused: Refused, tmp_path: Path, digits: Path, kind: str) -> None:
    good, path = digits.read_bytes(), tmp_path / "m.bin"
    content = {
        "cut": good[:500],
        "damaged": good[:600] + bytes([good[600] ^ 255]) + good[601:],
        "empty": b"",
        "head": good[:8],
        "onnx": DIGITS.read_bytes(),
        "header": digits.with_name("digits.mk.h").read_bytes(),
        "npy": digits.with_name("calib.npy").read_bytes(),
    }
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "folder":
        path.mkdir()
    x = samples(tmp_path / "x.npy", count=1)
    text = "a model file is refused" if kind in content else "a model file cannot be read"
    assert f"{text}\nwhere: {path}" in refused("run", path, x)
    if kind != "onnx":
        refused("inspect", path)


def test_any_byte_changed_or_cut(digits: Path) -> None:
    """The fuzzer does this at length, under sanitizers; here it is through Python."""
    from magik_core.errors import LoadError
    from magik_core.net import Net

    good, rng = digits.read_bytes(), np.random.default_rng(0)
    x = np.zeros((1, 3, 32, 32), np.float32)
    for at in rng.integers(0, len(good), 60):
        for bad in (good[: int(at)], good[: int(at)] + bytes([good[at] ^ 1 << int(rng.integers(8))]) + good[at + 1 :]):
            try:
                Net(bad).run(x)
            except LoadError as error:
                assert error.problems[0].what == "a model file is refused"


def test_inputs_that_do_not_fit(refused: Refused, tmp_path: Path, digits: Path) -> None:
    x = samples(tmp_path / "x.npy", count=1)
    small = samples(tmp_path / "small.npy", count=1, shape=(3, 31, 32))
    (tmp_path / "x.txt").write_text("hello")
    assert "an input has another shape\nwhere: input 'image'" in refused("run", digits, small)
    assert "there is no such file" in refused("run", digits, tmp_path / "none.npy")
    assert "found: suffix '.txt'" in refused("run", digits, tmp_path / "x.txt")
    assert "which input is this file for?" in refused("run", digits, x, x)
    assert "an input is given twice" in refused("run", digits, f"image={x}", f"image={x}")
    err = refused("run", digits, f"imge={x}")
    assert "the model has no such input\nwhere: imge" in err and "an input is missing\nwhere: image" in err
    assert "there is no such channel order\nwhere: --color" in refused("run", digits, x, "--color", "RGBX", code=2)
    assert "missing argument" in refused("run", digits, code=2)
    assert "invalid value for '--threads'" in refused("run", digits, x, "--threads", "1000", code=2)


@pytest.mark.parametrize("output", ["x.npy/y", "taken.npy", "x.npy/y/z.npy"])
def test_outputs_of_run_that_cannot_be(refused: Refused, tmp_path: Path, digits: Path, output: str) -> None:
    x = samples(tmp_path / "x.npy", count=1)
    (tmp_path / "taken.npy").mkdir()
    assert "an output cannot be written" in refused("run", digits, x, "-o", tmp_path / output)


def test_inspect_writes_no_page_over_a_folder(refused: Refused, tmp_path: Path, digits: Path) -> None:
    (tmp_path / "page").mkdir()
    assert "found: Is a directory" in refused("inspect", digits.with_suffix(".mgk"), "--html", tmp_path / "page")


def test_an_error_is_no_json(refused: Refused, tmp_path: Path) -> None:
    err = refused("convert", tmp_path / "none.onnx", "--float", "--json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(err)
