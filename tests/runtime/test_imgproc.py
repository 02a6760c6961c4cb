"""Image functions of the C++ API: every byte against numpy, the same on this machine, sanitized and on MIPS."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.runtime import image_reference as ref
from tests.runtime.agreement import Boards
from tests.runtime.image_reference import Picture

FACES = Path(__file__).resolve().parents[3] / "shared" / "data" / "faces" / "images"
HALF = [0.5, 0, 0, 0, 0.5, 0]
IDENTITY = [1, 0, 0, 0, 1, 0]
TILTED = [0.9, 0.25, 3.7, -0.3, 1.1, 12.2]
BENT = [0.8, 0.1, 4.0, 0.05, 0.9, 2.0, 0.002, 0.001, 1.0]
PARTS = ("image*.cc", "imgproc*.cc", "physical.cc", "transform.cc", "postproc.cc", "matmul.cc", "tensor*.cc",
         "memory.cc", "say.cc")  # fmt: skip


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Boards:
    return Boards(tmp_path_factory.mktemp("boards"), PARTS)


def resized(boards: Boards, how: str, p: Picture, layout: str, size: tuple[int, int], pad: int = -1, value: int = 0,
            boxes: tuple[tuple[float, ...], ...] = (), stride: int = 0) -> bytes:  # fmt: skip
    """What the client writes for `size` = (height, width); with a stride, rows of the input are that long."""
    path = boards.folder / "in.bin"
    planes = [x.reshape(x.shape[0], -1) for x in p.planes]
    path.write_bytes(b"".join(np.pad(x, ((0, 0), (0, max(0, stride - x.shape[1]))), constant_values=99).tobytes()
                              for x in planes))  # fmt: skip
    words = [path, p.layout, p.size[1], p.size[0], stride, "OUT", layout, size[1], size[0], pad, value]
    said, out = boards.run("image_resize", how, *words, *(v for box in boxes for v in box))
    assert said == "0\n"
    return out


# ---- resize ---------------------------------------------------------------------------------------------------

LAYOUTS = [("BGRA", "BGRA"), ("ARGB", "ARGB"), ("RGB", "RGB"), ("RGB", "ARGB"), ("RGB", "BGRA"), ("GRAY", "GRAY"),
           *(("NV12", to) for to in ("NV12", "BGRA", "RGBA", "ARGB", "RGB", "GRAY"))]  # fmt: skip


@pytest.mark.parametrize(("layout", "to"), LAYOUTS)
@pytest.mark.parametrize("size", [(24, 40), (60, 18), (2, 2), (38, 52)])
def test_resize_is_the_stated_rule(boards: Boards, layout: str, to: str, size: tuple[int, int]) -> None:
    p = ref.random_picture(layout, 52, 38, seed=1)
    assert resized(boards, "warp", p, to, size) == ref.resize(p, to, *size).bytes()


def test_resize_to_the_same_size_copies(boards: Boards) -> None:
    p = ref.random_picture("NV12", 34, 22, seed=2)
    assert resized(boards, "warp", p, "NV12", p.size) == p.bytes()


def test_resize_at_the_limits_of_size(boards: Boards) -> None:
    for wide, high in ((8192, 16), (16, 8192)):
        small, large = ref.random_picture("NV12", 6, 2, 3), ref.random_picture("NV12", wide, high, 4)
        for layout in ("NV12", "BGRA"):
            grown, shrunk = ref.resize(small, layout, high, wide), ref.resize(large, layout, 2, 4)
            assert resized(boards, "warp", small, layout, (high, wide)) == grown.bytes()
            assert resized(boards, "warp", large, layout, (2, 4)) == shrunk.bytes()


@pytest.mark.shared
@pytest.mark.parametrize("factor", [2, 0.8])
def test_resize_is_close_to_pillow(boards: Boards, factor: float) -> None:
    """Where Pillow, too, weighs about four pixels: when it shrinks by more, it averages over more."""
    from PIL import Image

    image = face()
    height, width = int(image.shape[0] * factor) // 2 * 2, int(image.shape[1] * factor) // 2 * 2
    out = resized(boards, "warp", Picture("RGB", (image,)), "RGB", (height, width))
    near = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    distance = np.abs(np.frombuffer(out, np.uint8).reshape(near.shape) - near).mean()
    assert distance <= 2, distance


def face() -> np.ndarray:
    """A photograph, even in size and within the limits."""
    from PIL import Image

    path = min(FACES.iterdir())
    image = Image.open(path).convert("RGB")
    image.thumbnail((400, 300))
    pixels = np.asarray(image)
    return np.ascontiguousarray(pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2])


@pytest.mark.shared
def test_a_photograph_comes_back_from_nv12(boards: Boards) -> None:
    image = face()
    smooth = image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2, 3).mean((1, 3)).repeat(2, 0).repeat(2, 1)
    p = ref.nv12_of(smooth)
    bgra = np.frombuffer(resized(boards, "covert", p, "BGRA", p.size), np.uint8).reshape(*p.size, 4)
    assert bgra.tobytes() == ref.color(ref.full(p), "BGRA").tobytes()
    assert np.abs(bgra[:, :, 2::-1] - smooth).max() <= 4 and not bgra[:, :, 3].any()
    letterbox = resized(boards, "warp", p, "RGBA", (384, 640), 1, 114)
    assert letterbox == ref.letterbox(p, "RGBA", 384, 640, 1, 114).bytes()


def test_given_colors_replace_the_usual(boards: Boards) -> None:
    p = ref.random_picture("NV12", 16, 8, seed=5)
    y, uv = ref.full(p)
    expected = np.concatenate([uv[:, :, :1], y, uv[:, :, 1:], y * 0], axis=2)
    assert resized(boards, "coef", p, "BGRA", p.size) == expected.tobytes()


# ---- letterbox --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", [-1, 0, 1])
@pytest.mark.parametrize(("layout", "to"), [("BGRA", "BGRA"), ("NV12", "NV12"), ("NV12", "RGBA"), ("GRAY", "GRAY")])
@pytest.mark.parametrize(
    ("size", "out"), [((50, 90), (64, 64)), ((90, 50), (64, 64)), ((38, 20), (30, 100)), ((6, 130), (34, 42))]
)
def test_letterbox_places_by_the_rule(
    boards: Boards, layout: str, to: str, size: tuple[int, int], out: tuple[int, int], pad: int
) -> None:
    p = ref.random_picture(layout, size[1], size[0], seed=6)
    assert resized(boards, "warp", p, to, out, pad, 114) == ref.letterbox(p, to, *out, pad, 114).bytes()


def test_letterbox_of_odd_sizes_stays_inside(boards: Boards) -> None:
    p = ref.random_picture("BGRA", 40, 23, seed=7)
    for size in ((51, 37), (37, 51), (9, 101)):
        assert resized(boards, "warp", p, "BGRA", size, 1, 9) == ref.letterbox(p, "BGRA", *size, 1, 9).bytes()


@pytest.mark.parametrize("size", [(480, 854), (720, 576), (98, 1022)])
def test_boxes_come_back_from_a_letterbox(boards: Boards, size: tuple[int, int]) -> None:
    """As programs do it: minus the offset, over the scale; a bright square is where it was, to a pixel."""
    height, width = size
    plane = np.zeros((*size, 1), np.uint8)
    square = (width // 4, height // 3, width // 2, height * 2 // 3)
    plane[square[1] : square[3], square[0] : square[2]] = 255
    out = np.frombuffer(resized(boards, "warp", Picture("GRAY", (plane,)), "GRAY", (384, 640), 1), np.uint8)
    rows, columns = (np.nonzero((out.reshape(384, 640) > 127).any(axis))[0] for axis in (1, 0))
    x, y, _, _ = ref.place(size, (384, 640), 1)
    scale = min(384 / height, 640 / width)
    found = [(columns[0] - x) / scale, (rows[0] - y) / scale, (columns[-1] + 1 - x) / scale, (rows[-1] + 1 - y) / scale]
    assert np.abs(np.array(found) - square).max() <= 1 + 1 / scale


# ---- boxes and addresses ------------------------------------------------------------------------------------------

BOXES = ((0, 0, 32, 20), (10, 4, 30, 38), (2, 2, 52, 38), (50, 36, 52, 38))


@pytest.mark.parametrize("how", ["warp", "legacy"])
@pytest.mark.parametrize(("layout", "to"), [("NV12", "NV12"), ("NV12", "BGRA"), ("BGRA", "BGRA")])
def test_crop_resize_sees_nothing_beyond_a_box(boards: Boards, how: str, layout: str, to: str) -> None:
    p = ref.random_picture(layout, 52, 38, seed=8)
    expected = b"".join(ref.letterbox(p.crop(*box), to, 24, 36, 0, 7).bytes() for box in BOXES)
    assert resized(boards, how, p, to, (24, 36), 0, 7, BOXES) == expected


def test_crop_resize_cuts_fractions_off(boards: Boards) -> None:
    p = ref.random_picture("GRAY", 40, 30, seed=9)
    expected = ref.resize(p.crop(3, 5, 20, 17), "GRAY", 10, 10).bytes()
    assert resized(boards, "warp", p, "GRAY", (10, 10), boxes=((3.9, 5.2, 20.7, 17.0),)) == expected


@pytest.mark.parametrize(("layout", "stride"), [("NV12", 64), ("BGRA", 52 * 4 + 12), ("RGB", 160), ("GRAY", 52)])
@pytest.mark.parametrize("boxes", [(), BOXES])
def test_common_resize_skips_the_ends_of_lines(
    boards: Boards, layout: str, stride: int, boxes: tuple[tuple[int, int, int, int], ...]
) -> None:
    p = ref.random_picture(layout, 52, 38, seed=10)
    parts = [p.crop(*box) for box in boxes] or [p]
    expected = b"".join(ref.letterbox(part, layout, 30, 30, 1, 80).bytes() for part in parts)
    assert resized(boards, "common", p, layout, (30, 30), 1, 80, boxes, stride) == expected


def test_frames_of_the_video_unit_are_read_where_they_are_seen(boards: Boards) -> None:
    p = ref.random_picture("NV12", 52, 38, seed=17)
    assert resized(boards, "physical", p, "BGRA", (30, 30), stride=64) == ref.resize(p, "BGRA", 30, 30).bytes()


# ---- warps ----------------------------------------------------------------------------------------------------------


def warped(boards: Boards, how: str, p: Picture, layout: str, size: tuple[int, int], matrix: list[float],
           boxes: tuple[tuple[int, ...], ...] = ()) -> bytes:  # fmt: skip
    path = boards.folder / "in.bin"
    path.write_bytes(p.bytes())
    words = [path, p.layout, p.size[1], p.size[0], "OUT", layout, size[1], size[0], len(matrix), *matrix]
    said, out = boards.run("image_warp", how, *words, *(v for box in boxes for v in box))
    assert said == "0\n"
    return out


@pytest.mark.parametrize(("layout", "to"), LAYOUTS)
@pytest.mark.parametrize("matrix", [HALF, TILTED, BENT], ids=["half", "tilted", "bent"])
def test_warps_are_the_stated_rule(boards: Boards, layout: str, to: str, matrix: list[float]) -> None:
    p = ref.random_picture(layout, 48, 36, seed=11)
    how = "affine" if len(matrix) == 6 else "perspective"
    assert warped(boards, how, p, to, (40, 44), matrix) == ref.warp(p, to, 40, 44, matrix).bytes()


@pytest.mark.parametrize("how", ["common", "legacy"])
@pytest.mark.parametrize(("layout", "to"), [("NV12", "NV12"), ("NV12", "BGRA"), ("BGRA", "BGRA")])
@pytest.mark.parametrize("matrix", [TILTED, BENT], ids=["tilted", "bent"])
@pytest.mark.parametrize("boxes", [(), BOXES[:3]])
def test_every_way_to_warp_agrees(
    boards: Boards, how: str, layout: str, to: str, matrix: list[float], boxes: tuple[tuple[int, int, int, int], ...]
) -> None:
    p = ref.random_picture(layout, 52, 38, seed=12)
    expected = b"".join(ref.warp(part, to, 28, 36, matrix).bytes() for part in [p.crop(*b) for b in boxes] or [p])
    assert warped(boards, how, p, to, (28, 36), matrix, boxes) == expected
    usual = "affine" if len(matrix) == 6 else "perspective"
    assert warped(boards, usual, p, to, (28, 36), matrix, boxes) == expected


@pytest.mark.parametrize("layout", ["BGRA", "NV12", "GRAY"])
def test_warps_of_known_outcome(boards: Boards, layout: str) -> None:
    p = ref.random_picture(layout, 40, 24, seed=13)
    assert warped(boards, "affine", p, layout, p.size, IDENTITY) == p.bytes()
    assert warped(boards, "perspective", p, layout, p.size, [*IDENTITY, 0, 0, 1]) == p.bytes()
    turned = [np.rot90(x) for x in p.planes]  # x, y to y, width - 1 - x
    assert warped(boards, "affine", p, layout, (40, 24), [0, 1, 0, -1, 0, 39]) == Picture(layout, tuple(turned)).bytes()
    gone = warped(boards, "affine", p, layout, p.size, [1, 0, 1000, 0, 1, 0])
    black = [np.full(x.shape, {0: 0, 1: 16, 2: 128}[x.shape[2] if layout == "NV12" else 0]) for x in p.planes]
    assert gone == Picture(layout, tuple(x.astype(np.uint8) for x in black)).bytes()


def test_half_of_a_picture_is_every_second_pixel_and_then_black(boards: Boards) -> None:
    p = ref.random_picture("BGRA", 40, 24, seed=14)
    out = np.frombuffer(warped(boards, "affine", p, "BGRA", p.size, HALF), np.uint8).reshape(24, 40, 4)
    assert (out[:12, :20] == p.planes[0][::2, ::2]).all() and not out[12:].any() and not out[:, 20:].any()


# ---- matrices -------------------------------------------------------------------------------------------------------


def numbers(line: str) -> np.ndarray:
    return np.array([struct.unpack("<f", struct.pack("<I", int(word, 16)))[0] for word in line.split()])


def matrix(boards: Boards, kind: str, rows: int, source: list[float], to: list[float]) -> np.ndarray:
    said, _ = boards.run("image_matrix", kind, rows, len(source) // 2, *source, *to)
    status, line = said.splitlines()
    m = numbers(line)
    assert status == "0" and (m[3 * rows :] == -77).all(), "only whole rows that fit are written"
    return m[: 3 * rows].reshape(rows, 3)


POINTS = {
    "similar": ([10, 20, 60, 20, 35, 50], [[0.5, -0.25, 7], [0.25, 0.5, -3], [0, 0, 1]]),
    "affine": ([0, 0, 100, 10, 20, 90], [[1.5, 0.25, -20], [0.5, -0.75, 30], [0, 0, 1]]),
    "nv12": ([0, 0, 100, 10, 20, 90], [[1.5, 0.25, -20], [0.5, -0.75, 30], [0, 0, 1]]),
    "perspective": ([0, 0, 100, 0, 100, 80, 0, 80], [[0.8, 0.1, 4], [0.05, 0.9, 2], [0.002, 0.001, 1]]),
}


@pytest.mark.parametrize("kind", POINTS)
@pytest.mark.parametrize("rows", [2, 3])
def test_transforms_are_solved(boards: Boards, kind: str, rows: int) -> None:
    source, expected = POINTS[kind]
    h = np.array(expected) @ np.array([*zip(source[::2], source[1::2], [1] * 4, strict=False)]).T
    m = matrix(boards, kind, rows, source, list((h[:2] / h[2]).T.ravel()))
    assert np.allclose(m, expected[:rows], rtol=2e-6, atol=2e-6)


def test_similar_transform_is_the_least_squares(boards: Boards) -> None:
    source, to = np.random.default_rng(15).uniform(0, 112, (2, 5, 2)).astype(np.float32)
    m = matrix(boards, "similar", 2, list(source.ravel()), list(to.ravel()))
    x, y = source.astype(float).T
    ones, zeros = np.ones(5), np.zeros(5)
    left = np.concatenate([np.stack([x, -y, ones, zeros], 1), np.stack([y, x, zeros, ones], 1)])
    a, b, c, d = np.linalg.lstsq(left, to.T.astype(float).ravel(), rcond=None)[0]
    assert np.allclose(m, [[a, -b, c], [b, a, d]], rtol=1e-5)


def test_rotation_turns_about_a_point(boards: Boards) -> None:
    for angle in (0, 90, -90, 180, 450, 33.5, -271.25):
        m = numbers(boards.run("image_matrix", "rotation", angle, 1.5, 40, 30)[0].splitlines()[1]).reshape(2, 3)
        c, s = 1.5 * np.cos(np.radians(angle)), 1.5 * np.sin(np.radians(angle))
        assert np.allclose(m, [[c, s, 40 - 40 * c - 30 * s], [-s, c, 30 + 40 * s - 30 * c]], atol=2e-5)
        assert angle % 90 or (m[:, :2] == np.round(np.array([[c, s], [-s, c]]), 1)).all(), "quarters are exact"


def test_mat_mul_is_numpy_in_order(boards: Boards) -> None:
    rng = np.random.default_rng(16)
    a, b = rng.normal(size=(2, 3, 5)).astype(np.float32), rng.normal(size=(2, 5, 4)).astype(np.float32)
    path = boards.folder / "in.bin"
    path.write_bytes(a.tobytes() + b.tobytes())
    expected = np.zeros((2, 3, 4), np.float32)
    for k in range(5):
        expected += a[:, :, k : k + 1] * b[:, k : k + 1, :]
    for line in boards.run("image_matrix", "product", 2, 3, 5, 4, path)[0].splitlines():
        assert (numbers(line) == expected.ravel()).all()


# ---- wrong arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", ["host", "sanitized", "mips"])
def test_wrong_arguments_are_refused_in_words(boards: Boards, machine: str) -> None:
    """The client counts its calls; each returned a negative code and wrote one line."""
    done = boards.one("image_hostile", machine)
    lines = done.stderr.splitlines()
    calls = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert len(calls) > 40 and all(int(status) < 0 for status, _ in calls), done.stdout
    assert len(lines) == len(calls), done.stderr
    for line, (_, words) in zip(lines, calls, strict=True):
        name, _, what = words.partition(": ")
        assert line.startswith(f"magik: {name}: ") and what in line, (line, words)
