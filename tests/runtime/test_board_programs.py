"""Programs as users of the vendor's library have them: built with their flags, right and equal on every machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from magik_core import toolchain
from magik_core.header import as_header
from magik_core.kernels import RUNTIME
from magik_core.net import Net
from tests.runtime import board_models as models
from tests.runtime import boards
from tests.runtime import image_reference as ref
from tests.runtime.boards import CHAINS, CLIENTS, library, write
from tests.runtime.image_reference import Picture

USERS = ("-std=c++11", "-Wall", "-Werror", "-O3", "-flax-vector-conversions")
MIPS = ("-mfp64", "-EL", "-march=mips32r2")  # Debian's C library has no headers for -mnan=2008
LINKED = ("-lvenus", "-lpthread", "-lrt", "-ldl", "-lm")
HEIGHT, WIDTH = 96, 160  # that programs reshape the detector to
SQUARES = [(52, 40, 32, 0), (20, 136, 32, 1), (100, 136, 32, 2), (156, 16, 64, 2)]  # of 284 x 192, half in the net
LARGE = (76, 32, 128, 1)


@cache
def program(chain: str, stem: str, *flags: str) -> Path:
    """clients/<stem>.cc, compiled with the users' flags against the public headers alone."""
    tools, checks = boards.chain_of(chain)
    folder = Path(mkdtemp(prefix="board-"))
    public = (*(MIPS if chain == "mips" else checks), f"-I{RUNTIME / 'cxx' / 'include'}", *flags)
    command = [*tools.cxx, *USERS, *public, str(CLIENTS / f"{stem}.cc")]
    if stem == "board_quirks":
        trio = folder / "trio.o"
        c = [*tools.cc, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", *public]
        subprocess.run([*c, "-c", str(CLIENTS / "board_trio.c"), "-o", str(trio)], check=True)
        command.append(str(trio))
    defines = [f for f in flags if f.startswith("-DVENUS_")]
    found = f"-L{library(chain, *defines).parent}"
    subprocess.run([*command, "-o", str(folder / stem), found, *tools.link_flags, *LINKED], check=True)
    return folder / stem


@dataclass(frozen=True)
class Done:
    """What a program printed, and the files that it wrote."""

    code: int
    out: str
    err: str
    files: dict[str, bytes]

    def floats(self, name: str) -> np.ndarray:
        return np.frombuffer(self.files[name], np.float32)

    def said(self, start: str) -> list[str]:
        return [line for line in self.out.splitlines() if line.startswith(start)]


def run(chain: str, path: Path, *words: object, text: str = "") -> Done:
    """Run a program in a folder of its own."""
    folder = Path(mkdtemp(prefix="ran-"))
    tools, _ = boards.chain_of(chain)
    command = [*tools.runner, str(path), *map(str, words)]
    done = subprocess.run(command, input=text, cwd=folder, capture_output=True, text=True, timeout=300)
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    shutil.rmtree(folder)
    return Done(done.returncode, done.stdout, done.stderr, files)


def everywhere(stem: str, *words: object, text: str = "", flags: Sequence[str] = ()) -> Done:
    """What a program did, which has to be the same on every machine, but for what `plain` leaves out."""
    ran = [run(chain, program(chain, stem, *flags), *words, text=text) for chain in CHAINS]
    for done in ran:
        assert done.code == 0, done.err + done.out
        assert done.files == ran[0].files and plain(done.out) == plain(ran[0].out)
    return ran[0]


def plain(out: str) -> str:
    """Without times, the compiler, and the working memory, which has room for the kernels of a CPU."""
    return re.sub(r"time_ms:\S+|built:.*|forward memory size:.*", "", out)


# ---- detectors ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.convert_detector(tmp_path_factory.mktemp("detector"))


def ppm(path: Path, pixels: np.ndarray) -> Path:
    height, width, _ = pixels.shape
    return write(path, f"P6 {width} {height} 255\n".encode(), pixels)


def scene(squares: Sequence[models.Square]) -> np.ndarray:
    return models.paint(192, 284, list(squares), seed=77)


def maps_of(detector: Path, rgb: np.ndarray) -> list[np.ndarray]:
    """What Python's Net makes of (1, HEIGHT, WIDTH, 3)."""
    net = Net(detector.read_bytes())
    name = net.inputs[0].name
    net.reshape({name: (1, 3, HEIGHT, WIDTH)})
    found = net.run_quantized({name: rgb})
    return [boards.shown(found[p.name], p.quant) for p in net.outputs]


def boxes_of(maps: list[np.ndarray], left: int, scale: float) -> np.ndarray:
    """Boxes that have to be printed, decoded in doubles: x0, y0, x1, y1, score, class."""
    out: list[np.ndarray] = []
    for logits, stride, anchors in zip(maps, models.STRIDES, models.ANCHORS, strict=True):
        sizes = np.array(anchors, float).reshape(models.BOXES, 2)
        for y, x, b in np.ndindex(*logits.shape[1:3], models.BOXES):
            s = 1 / (1 + np.exp(-logits[0, y, x].reshape(models.BOXES, -1)[b].astype(float)))
            score, best = s[4] * s[5:].max(), s[5:].argmax()
            if score < 0.5:
                continue
            center, size = (2 * s[:2] - 0.5 + (x, y)) * stride, (2 * s[2:4]) ** 2 * sizes[b]
            out.append(np.array([*(center - size / 2), *(center + size / 2), score, best]))
    kept: list[np.ndarray] = []
    for box in sorted(out, key=lambda v: (v[5], -v[4])):  # class by class, the best first
        if all(box[5] != k[5] or overlap(box, k) <= 0.45 for k in kept):
            kept.append(box)
    found = np.array(kept).reshape(-1, 6)
    found[:, [0, 2]] = ((found[:, [0, 2]] - left) / scale).clip(0, 283)
    found[:, [1, 3]] = (found[:, [1, 3]] / scale).clip(0, 191)
    return found


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:4], b[2:4])
    both = float(np.prod((high - low).clip(0)))
    return both / (float(np.prod(a[2:4] - a[:2]) + np.prod(b[2:4] - b[:2])) - both)


def check_boxes(done: Done, want: np.ndarray, squares: Sequence[models.Square]) -> None:
    """The boxes printed are those of the maps, and one lies about each square that was painted."""
    exact = np.array([[float(v) for v in line.split()[1:]] for line in done.said("exact")])
    assert exact.shape == want.shape == (len(squares), 6)
    np.testing.assert_allclose(exact, want, rtol=2e-5, atol=2e-3)
    for x, y, size, c in squares:
        truth = np.array([x, y, x + size, y + size], float)
        assert [row[5] for row in exact if overlap(truth, row) > 0.75] == [c], (x, y, size, c)
    for line, row in zip(done.said("box:"), exact, strict=True):
        assert line == "box:   " + " ".join(str(int(v)) for v in row[:4]) + f" {row[4]:.2f}"
    assert int(done.said("candidates")[0].split()[1]) > len(squares), "nothing for nms to do"


@pytest.mark.parametrize("squares", [SQUARES, [LARGE], [SQUARES[0], SQUARES[3]]], ids=["small", "large", "few"])
def test_a_detector_of_a_picture(detector: Path, tmp_path: Path, squares: list[models.Square]) -> None:
    pixels = scene(squares)
    done = everywhere("board_yolo", detector, ppm(tmp_path / "a.ppm", pixels))
    four = np.concatenate([pixels, np.zeros_like(pixels[:, :, :1])], axis=2)
    seen = ref.letterbox(Picture("RGBA", (four,)), "RGBA", HEIGHT, WIDTH, 1, 114)
    assert done.files["input.bin"] == seen.bytes()
    maps = maps_of(detector, np.ascontiguousarray(seen.planes[0][None, :, :, :3]))
    for i, want in enumerate(maps):
        assert done.files[f"map{i}.bin"] == want.tobytes()
    assert [line.split()[1:] for line in done.said("map ")] == [
        ["1", str(HEIGHT // s), str(WIDTH // s), "24"] for s in models.STRIDES
    ]
    check_boxes(done, boxes_of(maps, left=10, scale=0.5), squares)


def test_the_words_that_scripts_look_for(detector: Path, tmp_path: Path) -> None:
    out = everywhere("board_yolo", detector, ppm(tmp_path / "a.ppm", scene(SQUARES))).out
    for pattern in (
        r"^The soc-nna version is [0-9a-f]{8}\b",
        r"^INFO\(magik\): venus memory map size: 0$",
        r"^INFO\(magik\): venus version:\S+\([0-9a-f]{8}_\w+\) built:\S+\(\S+ \S+ \S+\)$",
        r"^INFO\(magik\): model version:\S+\.\w+_\w+$",
        r"^model-->160 ,160 4 $",
        r"^ori_image w,h: 284 ,192$",
        r"^scale---> 0\.5",
        r"^padding info top :0 bottom 0 left:10 right:8 $",
        r"^test_net run time_ms:[\d.]+ms$",
        r"^post net time_ms:[\d.]+ms$",
    ):
        assert len(re.findall(pattern, out, re.MULTILINE)) == 1, pattern


@pytest.mark.parametrize("is_converted", [True, False], ids=["converted", "as NV12"])
def test_a_detector_of_a_frame(detector: Path, tmp_path: Path, is_converted: bool) -> None:
    frame = ref.nv12_of(scene(SQUARES))
    words = (detector, write(tmp_path / "a.nv12", frame.bytes()), 284, 192)
    done = everywhere("board_yolo_nv12", *words, *([] if is_converted else ["nv12"]))
    seen = ref.letterbox(frame, "RGBA" if is_converted else "NV12", HEIGHT, WIDTH, 1, 114)
    assert done.files["input.bin"] == seen.bytes()
    if is_converted:
        rgb = np.ascontiguousarray(seen.planes[0][None, :, :, :3])
    else:
        rgb = boards.rgb_of_nv12(np.frombuffer(seen.bytes(), np.uint8), HEIGHT, WIDTH)
    maps = maps_of(detector, rgb)
    assert done.files["out_res.bin"] == maps[0].tobytes()
    check_boxes(done, boxes_of(maps, left=10, scale=0.5), SQUARES)


def test_debug_programs_run_stored_inputs(detector: Path, tmp_path: Path) -> None:
    """name_N_H_W_C.bin with three channels; every layer is dumped."""
    pixels = models.paint(64, 96, [(16, 16, 32, 0)])
    stored = write(tmp_path / "my_picture_1_64_96_3.bin", pixels)
    done = run("host", program("host", "board_yolo", "-DVENUS_DEBUG"), detector, stored)
    assert done.code == 0, done.err
    net = Net(detector.read_bytes())
    name = net.inputs[0].name
    net.reshape({name: (1, 3, 64, 96)})
    want = [t.tobytes() for t in net.run_quantized({name: pixels[None]}).values()]
    dumps = [data for file, data in done.files.items() if file.endswith("_out.bin")]
    assert len(dumps) >= len(want) and all(data in dumps for data in want), sorted(done.files)


# ---- pictures ----------------------------------------------------------------------------------------------------

KINDS = {1: "GRAY", 3: "RGB", 4: "BGRA", 2: "NV12"}


def image_words(p: Picture, c: int, to: tuple[int, int, int], folder: Path, boxes: int = 0) -> list[object]:
    path = write(folder / "in.bin", p.bytes())
    ow, oh, oc = to
    return [path, p.size[1], p.size[0], c, ow, oh, oc, *([boxes] if boxes else [])]


def cut(p: Picture, i: int, pace: int, width: int, height: int) -> Picture:
    """Box i of the programs."""
    planes = []
    for k, plane in enumerate(p.planes):
        x, w, h = (v >> k for v in (pace * i, width, height))
        planes.append(np.ascontiguousarray(plane[x : x + h, x : x + w]))
    return Picture(p.layout, tuple(planes))


@pytest.mark.parametrize(("ic", "oc"), [(1, 1), (3, 3), (4, 4), (2, 2), (2, 4), (2, 1), (3, 4)])
def test_menu_of_resize(tmp_path: Path, ic: int, oc: int) -> None:
    p = ref.random_picture(KINDS[ic], 448, 320, seed=ic)
    ow, oh, boxes = 100, 76, 3
    words = image_words(p, ic, (ow, oh, oc), tmp_path, boxes)
    whole = ref.letterbox(p, KINDS[oc], oh, ow, 1, 50).bytes()
    assert everywhere("board_resize", *words, text="0\n").files == {"warp_resize.bin": whole}
    assert everywhere("board_resize", *words, text="3\n").files == {"common_resize.bin": whole}
    cuts = [ref.letterbox(cut(p, i, 64, 256, 128), KINDS[oc], oh, ow, 1, 50).bytes() for i in range(boxes)]
    for choice, name in ((1, "crop_resize"), (2, "crop_common_resize")):
        want = {f"{name}_{i}.bin": data for i, data in enumerate(cuts)}
        assert everywhere("board_resize", *words, text=f"{choice}\n").files == want


@pytest.mark.parametrize(("ic", "oc"), [(4, 4), (2, 2), (2, 4)])
@pytest.mark.parametrize("name", ["affine", "perspective"])
def test_menu_of_warps(tmp_path: Path, name: str, ic: int, oc: int) -> None:
    p = ref.random_picture(KINDS[ic], 580, 352, seed=ic)
    ow, oh, boxes = 256, 144, 3
    bent = [0.75, 0.125, 4, 0.0625, 0.875, 2, *(float(np.float32(v)) for v in (0.001, 0.0005)), 1]
    matrix = [0.5, 0, 0, 0, 0.5, 0] if name == "affine" else bent
    words = image_words(p, ic, (ow, oh, oc), tmp_path, boxes)
    want = ref.warp(p, KINDS[oc], oh, ow, matrix).bytes()
    assert everywhere(f"board_{name}", *words, text="0\n").files == {f"warp_{name}.bin": want}
    cuts = [ref.warp(cut(p, i, 32, 512, 288), KINDS[oc], oh, ow, matrix).bytes() for i in range(boxes)]
    want_cuts = {f"crop_{name}_{i}.bin": data for i, data in enumerate(cuts)}
    assert everywhere(f"board_{name}", *words, text="1\n").files == want_cuts


def test_menu_of_transforms() -> None:
    done = everywhere("board_transform", text="0\n")
    src = np.array([[30, 40], [70, 36], [52, 80]], float)
    dst = np.array([[16, 20], [48, 20], [32, 52]], float)
    rows = [[x, -y, 1, 0] for x, y in src] + [[y, x, 0, 1] for x, y in src]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), dst.T.reshape(-1), rcond=None)[0]
    want = [a, -b, tx, b, a, ty, 0, 0, 1]
    np.testing.assert_allclose(done.floats("similar_transform.bin"), want, rtol=1e-5, atol=1e-6)
    assert done.said("shape:") == ["shape: 1 3 3 1"]
    done = everywhere("board_transform", 640, 480, text="1\n")
    for name in ("get_affine_transform.bin", "affine.bin"):
        np.testing.assert_allclose(done.floats(name), [0.25, 0, 0, 0, 0.25, 0], atol=1e-6)
    assert done.said("shape:") == ["shape: 1 3 2 1"] * 2
    turned = [float(v) for v in done.out.splitlines()[-2].split()]
    np.testing.assert_allclose(turned, [0, 1, 80, -1, 0, 560], atol=1e-6)


def test_a_frame_to_bgra(tmp_path: Path) -> None:
    p = ref.random_picture("NV12", 50, 34, seed=9)
    done = everywhere("board_covert", write(tmp_path / "a.nv12", p.bytes()), 50, 34)
    assert done.files["warp_covert_nv2bgr.bin"] == ref.color(ref.full(p), "BGRA").tobytes()


@pytest.mark.parametrize(("width", "height", "stride"), [(1920, 1080, 1920), (2560, 1440, 2688)])
def test_a_camera_frame_above_the_accelerators_limit(tmp_path: Path, width: int, height: int, stride: int) -> None:
    p = ref.random_picture("NV12", width, height, seed=1)
    rows = [np.pad(x.reshape(x.shape[0], -1), ((0, 0), (0, stride - width)), constant_values=9) for x in p.planes]
    done = everywhere("board_camera", write(tmp_path / "a.nv12", *rows), width, height, stride, 320, 240)
    assert done.files["frame.bin"] == ref.letterbox(p, "BGRA", 240, 320, 0, 0).bytes()
    for i in range(2):
        planes = []
        for k, plane in enumerate(p.planes):
            x, y = (width // 2 * i) >> k, (height // 4) >> k
            planes.append(plane[y:, x : x + (width // 2 >> k)])
        want = ref.letterbox(Picture("NV12", tuple(planes)), "BGRA", 32, 64, -1, 0)
        assert done.files[f"crop{i}.bin"] == want.bytes()


# ---- nets --------------------------------------------------------------------------------------------------------


def test_a_classifier(tmp_path: Path) -> None:
    model, pixels = models.convert_classifier(tmp_path), models.digit(9)
    done = everywhere("board_classify", model, write(tmp_path / "digit.bin", pixels))
    net = Net(model.read_bytes())
    found = net.run_quantized({net.inputs[0].name: pixels[None, :, :, None]})
    port = net.outputs[0]
    want = boards.shown(found[port.name], port.quant).reshape(-1)
    scores = np.array([line.split()[1] for line in done.out.splitlines() if re.match(r"\d: ", line)], np.float32)
    assert scores.tolist() == want.tolist() and len(set(want.tolist())) > 3
    assert f"the digit is {want.argmax()}\n" in done.out and "input 1 28 28 1\n" in done.out
    assert int(done.said("forward memory size:")[0].split()[-1]) > 0


def two_models(folder: Path) -> tuple[Path, Path, Path, bytes, bytes]:
    """Pixels, two models of the same input, and the outputs of each."""
    a, pixels, want = boards.image_files(folder)
    height, width = boards.WIDTH, boards.HEIGHT  # as many pixels
    data = boards.packed(boards.image_program(height, width))
    other = write(folder / "other.bin", data)
    return pixels, a, other, want, boards.expected(data, {"x": boards.PIXELS.reshape(1, height, width, 3)})


def test_models_in_memory(tmp_path: Path) -> None:
    pixels, a, b, want, other = two_models(tmp_path)
    (tmp_path / "image.mk.h").write_bytes(b"".join(as_header(a.read_bytes(), "image")))
    flags = (f"-I{tmp_path}", '-DMODEL_FILE="image.mk.h"', "-DMODEL_ARRAY=magik_model_image_mk")
    done = everywhere("board_memory", pixels, a, b, flags=flags)
    files = {name: data for name, data in done.files.items() if name.endswith(".out")}
    names = {"header", "one0", "one1", "own", "attached", "steps", "again"}
    assert set(files) == {f"{n}.out" for n in names | {"two0", "two1", "three0", "three1"}}
    for name, data in files.items():
        assert data == (other if name.startswith(("two", "three")) else want), name
    counted = re.findall(r"^step (\d+) of (\d+): 0, 1 names$", done.out, re.MULTILINE)
    assert len(counted) == len(boards.image_program().steps) and "missing" not in done.out
    for line in done.out.splitlines():
        if line.startswith(("header:", "block:", "own:", "again:", "attached: run", "attached: set")):
            assert not re.search(r"-\d", line), line
    assert "attached: same 1\n" in done.out and "used 1\n" in done.out and "layout 2\n" in done.out


def test_a_net_per_thread(tmp_path: Path) -> None:
    pixels, a, _, want, _ = two_models(tmp_path)
    done = everywhere("board_threads", a, pixels, 4)
    assert done.files["threads.out"] == want and "wrong 0\n" in done.out


# ---- habits and mistakes -----------------------------------------------------------------------------------------


def test_habits_of_board_programs(tmp_path: Path) -> None:
    """One header, both namespaces, tensors assigned, kept after venus_deinit; the C functions from C."""
    model, _, _ = boards.image_files(tmp_path)
    out = everywhere("board_quirks", model).out
    for line in ("check 0", "trio 0", "macros 6", "version 1", "run 0", "frames wrong 0", "deinit 0"):
        assert f"{line}\n" in out, out


@pytest.mark.parametrize(
    "header",
    sorted(str(p.relative_to(RUNTIME / "cxx" / "include")) for p in (RUNTIME / "cxx" / "include").rglob("*.h")),
)
def test_every_header_stands_alone(tmp_path: Path, header: str) -> None:
    source = write(
        tmp_path / "a.cc", f'#include "{header}"\n#include "{header}"\nint main() {{ return 0; }}\n'.encode()
    )
    warnings = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{RUNTIME / 'cxx' / 'include'}")
    for dialect in ("c++11", "c++14", "c++17", "c++20"):
        command = [*toolchain.host().cxx, f"-std={dialect}", *warnings, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), dialect


@pytest.mark.parametrize("chain", CHAINS)
def test_mistakes_are_refused(chain: str, tmp_path: Path) -> None:
    """NULL, unknown names, indices out of range, run before load, impossible shapes: never a crash."""
    model, _, _ = boards.image_files(tmp_path)
    done = run(chain, program(chain, "board_hostile"), model)
    assert done.code == 0 and "wrong 0\n" in done.out, done.err[-3000:] + done.out
