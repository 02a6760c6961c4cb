"""The sample programs of magik build: YOLO, tables of boxes, labels, and faces under QEMU, with zig alone too."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import magik_core
from magik_core import board_sample, build, net, toolchain
from magik_core.board_sample import Sample
from magik_core.errors import UsageError
from tests.cli.models import samples
from tests.cli.test_build import PROGRAM, ROOT, Magik, digit, picture, run

SHARED = ROOT.parent / "shared"
__all__ = ["digit"]  # a fixture


# ---- samples ---------------------------------------------------------------------------------------------------


def test_labels(magik: Magik, digits: Path, digit, tmp_path: Path) -> None:
    names = ["null", "eins", 'z"w\\ei', "drei %d", '??/"}; int stray = oops(); //', "\u00e9 \U0001f600", "\t7\a7"]
    (tmp_path / "labels.txt").write_text("\n".join(names))
    done = magik("build", digits, "-o", tmp_path / "b", "--target", "host", "--labels", tmp_path / "labels.txt")
    assert done.code == 0, done.err
    for line in run(tmp_path / "b" / PROGRAM, "digits.bin", picture(tmp_path / "a.ppm", digit)):
        _, index, *label = line.rpartition(" ")[0].split(" ", 2)
        assert label == ([names[int(index)]] if int(index) < len(names) else [""])


def test_which_sample_fits(digits: Path) -> None:
    loaded = net.load(digits)
    assert board_sample.choose(loaded) == "classification"
    assert board_sample.choose(loaded, Sample("raw")) == "raw"


def head(path: Path, channels: int) -> Path:
    """A model of an image with one convolution, whose output has `channels` channels; converted."""
    from onnx import helper

    from tests.cli.models import FLOAT, weights, write

    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[8, 8])
    ports = ([("x", FLOAT, (1, 3, 64, 48))], [("y", FLOAT, (1, channels, 8, 6))])
    model = write(path.with_suffix(".onnx"), [node], *ports, {"w": weights(channels, 3, 8, 8) / 8})
    calibration = samples(path.with_name("c.npy"), shape=(3, 64, 48))
    magik_core.convert(model, path.with_suffix(".bin"), calibration=calibration, mean=[128], normal=[64])
    return path.with_suffix(".bin")


def counted(boxes: int) -> str:
    """The last line of a detector."""
    return f"{boxes} box{'' if boxes == 1 else 'es'}"


def test_yolo_heads(magik: Magik, tmp_path: Path) -> None:
    """Decoded as the formula says, in pixels of a picture of the network's size."""
    model = head(tmp_path / "yolo", 14)
    done = magik(
        "build", model, "-o", tmp_path / "b", "--target", "host", "--anchors", "10,13,16,30", "--threshold", 0.3
    )
    assert done.code == 0, done.err
    pixels = np.random.default_rng(1).integers(0, 256, (64, 48, 3))
    lines = run(tmp_path / "b/venus_yolo_bin_glibc_release", "yolo.bin", picture(tmp_path / "a.ppm", pixels))
    (y,) = net.load(model).run(pixels.transpose(2, 0, 1)[None].astype(np.float32)).values()
    v = 1 / (1 + np.exp(-y.reshape(2, 7, 8, 6).astype(np.float64)))
    best = v[:, 4] * v[:, 5:].max(1)
    boxes = [[float(word) for word in line.split()[1:6]] for line in lines[:-1]]
    assert boxes and lines[-1] == counted(len(boxes))
    assert all(abs(best - score).min() < 1e-4 for *_, score in boxes)
    a, row, column = np.unravel_index(best.argmax(), best.shape)
    wide = (2 * v[a, 2, row, column]) ** 2 * (10, 16)[a]
    x = (2 * v[a, 0, row, column] - 0.5 + column) * 8
    top = max(boxes, key=lambda box: box[4])
    assert top[4] == pytest.approx(best.max(), abs=1e-3)
    assert top[0] == pytest.approx(max(x - wide / 2, 0), abs=0.06)


def test_sample_constants_of_a_table_of_boxes() -> None:
    """Both orders of the outputs, and an output that is stored with its last two axes swapped."""
    from magik_core.net import Port

    image = Port("x", (1, 3, 8, 16), (1, 8, 16, 3), "u8", 1.0, 0.0, 8, (0, 2, 3, 1), "BGR")
    boxes = Port("boxes", (1, 50, 4), (1, 4, 50), "u8", 1.0, 0.0, 8, (0, 2, 1))
    scores = Port("scores", (1, 50, 21), (1, 50, 21), "u8", 1.0, 0.0, 8, (0, 1, 2))

    class Fake:
        inputs, outputs = (image,), (boxes, scores)

    fake: net.Net = Fake()  # type: ignore[assignment]
    assert board_sample.choose(fake) == "detection"
    text = board_sample.source(fake, Sample("detection", background=0, threshold=1), "m", "p")
    assert "BOX_OUTPUT = 0, SCORE_OUTPUT = 1, ROWS = 50, COLUMNS = 21" in text
    assert "BOX_ROW = 1, BOX_COLUMN = 50, SCORE_ROW = 21, SCORE_COLUMN = 1" in text
    assert "CLASSES = 20, BACKGROUND = 0" in text and "THRESHOLD = 1.0f" in text
    assert "THRESHOLD = 1e-07f" in board_sample.source(fake, Sample("detection", threshold=1e-7), "m", "p")
    assert "LAYOUT = ChannelLayout::BGRA" in text and "WIDTH = 16, HEIGHT = 8" in text
    for background in (21, 10**30, -2):
        with pytest.raises(UsageError) as caught:
            board_sample.choose(fake, Sample(background=background))
        (problem,) = caught.value.problems
        assert (problem.where, problem.found) == ("--background", str(background))
        assert problem.need == "-1, or a class of output 'scores': 0 to 20"
    with pytest.raises(UsageError) as caught:
        board_sample.check(Sample("poem", detector="ssd", anchors=(8, float("nan")), threshold=float("nan")))
    assert [p.where for p in caught.value.problems] == ["--sample", "--detector", "--anchors", "--threshold"]
    assert caught.value.problems[3].what == "a threshold is no score"
    assert board_sample.choose(fake, Sample(background=20)) == "detection"
    assert "BACKGROUND = -1" in board_sample.source(fake, Sample("detection"), "m", "p")


def table(path: Path, corners: list[float]) -> Path:
    """A model of an image whose two boxes are these corners whatever the picture, and its scores 0.9."""
    from onnx import helper

    from tests.cli.models import FLOAT, write

    values = {
        "zero": np.zeros((4, 3, 1, 1), np.float32), "b": np.array(corners, np.float32),
        "none": np.zeros((1, 3, 1, 1), np.float32), "s": np.array([0.9], np.float32),
        "boxes_shape": np.array([1, 4, 2]), "scores_shape": np.array([1, 1, 2]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "zero", "b"], ["c"], strides=[8, 16]),
        helper.make_node("Reshape", ["c", "boxes_shape"], ["cr"]),
        helper.make_node("Transpose", ["cr"], ["boxes"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["x", "none", "s"], ["d"], strides=[8, 16]),
        helper.make_node("Reshape", ["d", "scores_shape"], ["dr"]),
        helper.make_node("Transpose", ["dr"], ["scores"], perm=[0, 2, 1]),
    ]
    values["none"] = np.zeros((1, 3, 1, 1), np.float32)
    ports = ([("x", FLOAT, (1, 3, 16, 16))], [("boxes", FLOAT, (1, 2, 4)), ("scores", FLOAT, (1, 2, 1))])
    model = write(path.with_suffix(".onnx"), nodes, *ports, values)
    calibration = samples(path.with_name("c.npy"), shape=(3, 16, 16))
    magik_core.convert(model, path.with_suffix(".bin"), calibration=calibration, mean=[128], normal=[64])
    return path.with_suffix(".bin")


@pytest.mark.parametrize(("corners", "left"), [([0.25, 0.25, 0.75, 0.5], 1), ([0.5, 0.25, -0.25, 0.75], 0)])
def test_boxes_without_an_area_are_dropped(tmp_path: Path, corners: list[float], left: int) -> None:
    built = build.build(table(tmp_path / "ssd", corners), tmp_path / "b", build.Options("host"))
    assert built.task == "detection" and built.program is not None
    file = picture(tmp_path / "a.ppm", np.zeros((16, 16, 3)))
    done = subprocess.run([built.program, tmp_path / "b/ssd.bin", file], capture_output=True, text=True, check=False)
    said = "sample: 2 boxes without an area dropped: the outputs look like offsets that need priors\n"
    assert (done.returncode, done.stderr) == (0, "" if left else said)
    assert done.stdout.splitlines()[-1] == counted(left)
    assert done.stdout.count("box:") == left


# ---- faces -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ultraface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SHARED.exists():
        pytest.skip("needs ../shared")
    out = tmp_path_factory.mktemp("ultraface") / "ultraface.bin"
    model = SHARED / "models/ultraface-rfb320/onnx/version-RFB-320.onnx"
    keys = {"mean": [127], "normal": [128], "quant_dataset_size": 20}
    magik_core.convert(model, out, calibration=SHARED / "data/faces/images", **keys)
    return out


def finds_faces(program: Path, tmp_path: Path) -> None:
    """Under QEMU, on pictures whose head boxes are known: each face is found, and next to nothing else."""
    from PIL import Image

    with (SHARED / "data/faces/boxes.csv").open() as file:
        rows = list(csv.DictReader(file))[::20]
    others = 0
    for row in rows:
        pixels = np.asarray(Image.open(SHARED / "data/faces" / row["file"]).convert("RGB"))
        lines = run(program, "ultraface.bin", picture(tmp_path / "face.ppm", pixels), is_mips=True)
        boxes = np.array([[float(word) for word in line.split()[1:5]] for line in lines[:-1]])
        x1, y1, x2, y2 = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = (middles > [x1, y1]).all(1) & (middles < [x2, y2]).all(1)
        assert inside.sum() == 1 and lines[-1] == counted(len(boxes)), (row["file"], lines)
        others += int((~inside).sum())
    assert others <= 1


@pytest.mark.shared
def test_faces_are_found(ultraface: Path, tmp_path: Path) -> None:
    built = build.build(ultraface, tmp_path / "board")
    assert built.task == "detection" and built.program is not None
    finds_faces(built.program, tmp_path)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.timeout(1800)  # zig builds its C library first
def test_faces_are_found_with_zig_alone(ultraface: Path, tmp_path: Path) -> None:
    """No compiler of the system: PATH holds qemu-mipsel alone."""
    (tmp_path / "bin").mkdir()
    (runner,) = toolchain.qemu()
    (tmp_path / "bin/qemu-mipsel").symlink_to(runner)
    cache = os.environ.get("ZIG_GLOBAL_CACHE_DIR", str(ROOT / "build/zig"))
    environment = {**os.environ, "PATH": str(tmp_path / "bin"), "ZIG_GLOBAL_CACHE_DIR": cache}
    environment.pop("CROSS_COMPILE", None)
    command = [sys.executable, "-m", "magik_core", "build", ultraface, "-o", tmp_path / "board", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["toolchain"] == "ziglang"
    program = Path(value["program"])
    assert program.name == "venus_ultraface_bin_musl_release" and toolchain.is_nan2008(program)
    finds_faces(program, tmp_path)
