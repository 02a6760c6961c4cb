"""Boxes of the C++ API against numpy, the same bits on this machine, sanitized and on MIPS."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime import image_reference as ref
from tests.runtime.agreement import Boards
from tests.runtime.image_reference import BOX

THERE = np.array([(1, 2, 3, 4, 5, 6)], BOX)  # what the client's output holds before the call
STRIDES = [8, 16]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Boards:
    parts = ("postproc.cc", "tensor*.cc", "memory.cc", "say.cc")
    return Boards(tmp_path_factory.mktemp("boards"), parts)


def crowd(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.zeros(count, BOX)
    center, size = rng.uniform(0, 100, (2, count)), rng.uniform(5, 60, (2, count))
    out["x0"], out["y0"] = center - size / 2
    out["x1"], out["y1"] = center + size / 2
    out["score"], out["class_id"] = rng.uniform(0, 1, count), rng.integers(0, 3, count)
    return out


def suppressed(boards: Boards, boxes: np.ndarray, threshold: float, kind: int) -> np.ndarray:
    path = boards.folder / "in.bin"
    path.write_bytes(boxes.tobytes())
    said, out = boards.run("image_boxes", "nms", path, "OUT", threshold, kind)
    found = np.frombuffer(out, BOX)
    assert said == "0\n", "the input is as it was"
    assert found[:1].tobytes() == THERE.tobytes(), "the output is added to"
    return found[1:]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.65, 1.0])
@pytest.mark.parametrize("kind", [0, 1])
def test_nms_keeps_what_the_definition_keeps(boards: Boards, threshold: float, kind: int) -> None:
    boxes = crowd(120, seed=1)
    expected = ref.nms(boxes, threshold, kind == 1)
    assert suppressed(boards, boxes, threshold, kind).tobytes() == expected.tobytes()
    assert (len(expected) < 120) == (threshold < (1 if kind == 0 else 0.65))


def test_nms_of_nothing_and_of_equals(boards: Boards) -> None:
    assert len(suppressed(boards, np.zeros(0, BOX), 0.3, 0)) == 0
    twins = np.array([(0, 0, 10, 10, 0.5, n) for n in range(4)], BOX)
    assert suppressed(boards, twins, 0.3, 0)["class_id"].tolist() == [0]
    apart = np.array([(20 * n, 0, 20 * n + 10, 10, 0.5, n) for n in range(4)], BOX)
    assert suppressed(boards, apart, 0.3, 0)["class_id"].tolist() == [0, 1, 2, 3], "the order of equals stays"


def test_nms_threshold_itself_is_kept(boards: Boards) -> None:
    pair = np.array([(0, 0, 12, 4, 0.9, 0), (4, 0, 16, 4, 0.8, 1)], BOX)  # 32 of 64
    assert len(suppressed(boards, pair, 0.5, 0)) == 2
    assert suppressed(boards, pair, 0.5, 1).tobytes() == pair.tobytes()
    assert len(suppressed(boards, pair, 0.49, 0)) == 1


def test_soft_nms_weakens_and_then_drops(boards: Boards) -> None:
    boxes = np.array([(0, 0, 12, 4, 0.9, 0), (4, 0, 16, 4, 0.8, 1), (0, 0, 12, 4, 0.7, 2)], BOX)
    found = suppressed(boards, boxes, 0.3, 1)
    assert found["class_id"].tolist() == [0, 1] and np.allclose(found["score"], [0.9, 0.4])


def test_nms_drops_scores_that_are_no_numbers(boards: Boards) -> None:
    boxes = crowd(10, seed=2)
    boxes["score"][[1, 5]] = np.nan
    boxes["x0"][3] = np.nan
    assert len(suppressed(boards, boxes, 1.0, 0)) == 8


# ---- YOLO -----------------------------------------------------------------------------------------------------


def heads(classes: int, boxes: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(64 // s, 96 // s, boxes * (5 + classes)) for s in STRIDES]
    anchors = rng.uniform(4, 60, 2 * boxes * len(STRIDES)).astype(np.float32)
    return [rng.normal(0, 1.5, shape).astype(np.float32) for shape in shapes], anchors


def generated(boards: Boards, features: list[np.ndarray], anchors: np.ndarray, *words: object) -> np.ndarray:
    path = boards.folder / "in.bin"
    path.write_bytes(anchors.tobytes() + b"".join(f.tobytes() for f in features))
    said, out = boards.run("image_boxes", "yolo", path, "OUT", *words, 96, 64, *STRIDES)
    found = np.frombuffer(out, BOX)
    assert int(said) == len(found)
    return found


@pytest.mark.parametrize("detector", [0, 1])
@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("multiply", [-2, -1, 0, 1])
def test_generate_box_is_the_formula(boards: Boards, detector: int, classes: int, multiply: int) -> None:
    features, anchors = heads(classes, 3, seed=3)
    found = generated(boards, features, anchors, 0.5, detector, classes, 3, multiply)
    expected = ref.yolo(features, STRIDES, anchors, classes, 0.5, detector == 1, max(multiply, -1))
    assert len(found) == len(expected) > 20
    columns = np.array(expected).T
    for name, column in zip(BOX.names, columns, strict=True):
        assert np.allclose(found[name], column, rtol=2e-6, atol=1e-4), name


def test_generate_box_leaves_out_what_is_not_finite(boards: Boards) -> None:
    features, anchors = heads(1, 3, seed=4)
    for f in features:
        f[..., 4] = 9.0  # sure of an object
        f[..., [10, 16]] = -9.0
        f[0, 0, 2], f[0, 1, 0], f[1, 1, 4] = 89.0, np.nan, np.nan
    found = generated(boards, features, anchors, 0.5, 0, 1, 3, -1)
    assert len(found) == sum(f.shape[0] * f.shape[1] - 3 for f in features)
    assert all(np.isfinite(found[name]).all() for name in BOX.names)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((0.5, 7, 1, 3, -1), "detector_type is 7"),
        ((0.5, 0, 1, 3, 2), "multiply_class_score 2"),
        ((0.5, 0, 0, 3, -1), "0 classes, 3 boxes"),
    ],
)
def test_generate_box_says_what_is_wrong(boards: Boards, words: tuple[object, ...], said: str) -> None:
    features, anchors = heads(1, 3, seed=5)
    path = boards.folder / "in.bin"
    path.write_bytes(anchors.tobytes() + b"".join(f.tobytes() for f in features))
    for machine in boards.chains:
        arguments = ["yolo", path, boards.folder / "none.bin", *words, 96, 64, *STRIDES]
        done = boards.one("image_boxes", machine, *map(str, arguments))
        assert done.stdout == "0\n" and done.stderr.startswith("magik: generate_box: ") and said in done.stderr


def test_selected_rows_become_boxes(boards: Boards) -> None:
    rows = np.array([[1, 2, 3, 4, 0.5, 7], [0] * 6, [5, 6, 7, 8, 0.25, 1], [1, 1, 1, 1, 0.5, np.nan]], np.float32)
    path = boards.folder / "in.bin"
    path.write_bytes(rows.tobytes())
    said, out = boards.run("image_boxes", "rows", path, "OUT", len(rows))
    expected = np.array([(1, 2, 3, 4, 0.5, 7), (5, 6, 7, 8, 0.25, 1)], BOX)
    assert said == "2\n" and out == expected.tobytes()
