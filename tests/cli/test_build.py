"""magik build: a folder that is whole, the same each time, and makes programs that compute what Python computes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import magik_core
from magik_core import build, kernels, net, toolchain
from magik_core.build import Options
from tests.cli.conftest import Done, Refused
from tests.cli.models import files

Magik = Callable[..., Done]
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "venus_digits_bin_glibc_release"


def picture(path: Path, pixels: np.ndarray) -> Path:
    """A PPM of (height, width, 3) bytes."""
    path.write_bytes(b"P6\n# made here\n%d %d\n255\n" % pixels.shape[1::-1] + pixels.astype(np.uint8).tobytes())
    return path


def bitmap(path: Path, pixels: np.ndarray) -> Path:
    """A BMP of 24 bits."""
    from PIL import Image

    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def run(program: Path, *arguments: object, is_mips: bool = False) -> list[str]:
    """The lines that a sample program prints after the library's own."""
    runner = toolchain.qemu() if is_mips else ()
    command = [*runner, str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=program.parent)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if re.match(r"class:|box:|output:|\d+ box", line)]


@pytest.fixture(scope="module")
def folders(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The digits model for each target, by its name."""
    out = tmp_path_factory.mktemp("boards")
    return {target: build.build(digits, out / target, Options(target)).folder for target in build.TARGETS}


@pytest.fixture(scope="module")
def digit(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Pixels of the size that the digits model takes, so that nothing is resized."""
    return np.random.default_rng(3).integers(0, 256, (32, 32, 3)).astype(np.uint8)


def expected(model: Path, pixels: np.ndarray) -> list[tuple[int, str]]:
    """The five best classes with their scores as the program prints them."""
    loaded = net.load(model)
    (y,) = loaded.run(pixels.transpose(2, 0, 1)[None].astype(np.float32)).values()
    scores = y.reshape(-1)
    return [(int(i), f"{scores[i]:.6f}") for i in np.argsort(-scores, kind="stable")[:5]]


# ---- what the programs compute -------------------------------------------------------------------------------


@pytest.mark.parametrize("target", build.TARGETS)
def test_the_program_computes_what_python_computes(folders, digits: Path, digit, target: str, tmp_path: Path) -> None:
    program, is_mips = folders[target] / PROGRAM, target != "host"
    want = [["class:", str(i), score] for i, score in expected(digits, digit)]
    for file in (picture(tmp_path / "a.ppm", digit), bitmap(tmp_path / "a.bmp", digit)):
        assert [line.split() for line in run(program, "digits.bin", file, is_mips=is_mips)] == want
    dump = tmp_path / "a.bin"
    dump.write_bytes(digit.tobytes())
    assert [line.split() for line in run(program, "digits.bin", dump, is_mips=is_mips)] == want


def test_a_frame_of_nv12_and_a_large_odd_picture(folders, tmp_path: Path) -> None:
    """Gray is gray in both, whatever the size."""
    program = folders["host"] / PROGRAM
    frame = tmp_path / "a.nv12"
    frame.write_bytes(b"\x80" * (64 * 48) + b"\x80" * (64 * 24))
    gray = picture(tmp_path / "a.ppm", np.full((2501, 1333, 3), 130))
    first, second = run(program, "digits.bin", frame, 64, 48), run(program, "digits.bin", gray)
    assert len(first) == 5 and first == second  # 1.164 (128 - 16) is 130


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.ppm", b"P6\n4 4\n255\n" + b"\0" * 47, "is no PPM, BMP"),
        ("a.ppm", b"P6\n99999999999999999999 4\n255\n", "is no PPM, BMP"),
        ("a.ppm", b"P6\n0 4\n255\n", "is no PPM, BMP"),
        ("a.bmp", b"BM" + b"\xff" * 60, "is no PPM, BMP"),
        ("a.bmp", b"BM", "is no PPM, BMP"),
        ("a.bin", b"", "is no PPM, BMP"),
    ],
)
def test_other_files_are_refused_by_the_program(folders, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    command = [folders["host"] / PROGRAM, folders["host"] / "digits.bin", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and said in done.stderr


def test_a_model_that_takes_no_picture(tmp_path: Path) -> None:
    """Outputs in files: the same bits as Python's."""
    from tests.runtime.corpus import entry, nets

    program = next(iter(nets().values()))
    x = np.random.default_rng(5).uniform(-1, 1, (1, 3, 9, 7)).astype(np.float32)
    made = entry(tmp_path / "net", "net", program, {"x": x}, names=False)
    built = build.build(made.model, tmp_path / "board", Options("host"))
    assert built.task == "raw" and built.program is not None
    loaded = net.load(made.model)
    lines = run(built.program, "net.bin", made.inputs)
    want = list(loaded.run_quantized({"x": x}).values())
    assert len(lines) == len(want)
    for i, (port, y) in enumerate(zip(loaded.outputs, want, strict=True)):
        got = np.fromfile(built.folder / f"output{i}.bin", np.float32)
        assert port.quant is not None
        reals = magik_core.numerics.dequantize(y, port.quant)
        assert np.array_equal(got, reals.reshape(-1))
        assert lines[i].startswith(f"output: {port.name} {'x'.join(map(str, port.board_shape))} min ")


# ---- the Makefile ----------------------------------------------------------------------------------------------


def make(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["make", "-C", folder, *arguments], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("target", "prefix"), [("host", ""), ("mips-msa", "mipsel-linux-gnu-")])
def test_make_makes_the_same_program(folders, target: str, prefix: str, tmp_path: Path) -> None:
    folder = shutil.copytree(folders[target], tmp_path / "board")
    before = (folder / PROGRAM).read_bytes()
    (folder / PROGRAM).unlink()
    make(folder, *([f"CROSS_COMPILE={prefix}"] if prefix else []))
    assert (folder / PROGRAM).read_bytes() == before


def test_variants_and_clean(folders, digit, tmp_path: Path) -> None:
    folder = shutil.copytree(folders["host"], tmp_path / "board")
    for kind, suffix in (("profile", ".p"), ("debug", ".d"), ("nmem", ".m")):
        make(folder, f"build_type={kind}", "shared")
        program = folder / f"venus_digits_bin_glibc_{kind}"
        assert len(run(program, "digits.bin", picture(tmp_path / "a.ppm", digit))) == 5
        assert (folder / f"lib/glibc/libvenus{suffix}.a").exists()
        assert (folder / f"lib/glibc/libvenus{suffix}.so").exists()
        make(folder, f"build_type={kind}", "clean")
        assert not program.exists() and not (folder / f"lib/glibc/libvenus{suffix}.a").exists()
    assert (folder / PROGRAM).exists(), "the other variant stays"
    assert {p.name for p in (folder / "lib/glibc").glob("*.so")} >= {"libaip.so", "libdrivers.so", "libdrivers.m.so"}


def test_an_unknown_variant_is_refused(folders) -> None:
    done = subprocess.run(
        ["make", "-C", folders["host"], "build_type=fast"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and "build_type is fast: release, profile, debug or nmem" in done.stderr


def test_a_program_of_ones_own_links_as_vendors_do(folders, tmp_path: Path) -> None:
    """Against the shared libraries by their names."""
    source = tmp_path / "own.cc"
    source.write_text('#include "venus.h"\nint main() { return venus::venus_init() | venus::venus_deinit(); }\n')
    lib = folders["host"] / "lib/glibc"
    words = (
        f"-std=c++11 -I{folders['host'] / 'include'} {source} -L{lib} -lvenus -laip -ldrivers -lpthread -lrt -ldl -lm"
    )
    made = subprocess.run(["c++", *words.split(), "-o", tmp_path / "own"], capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    ran = {
        path: subprocess.run([tmp_path / "own"], env={**os.environ, "LD_LIBRARY_PATH": path}, check=False).returncode
        for path in (str(lib), str(tmp_path))
    }
    assert ran == {str(lib): 0, str(tmp_path): 127}, "the library is found beside the program alone"


# ---- the folder ----------------------------------------------------------------------------------------------


def test_the_same_bytes_each_time(folders, digits: Path, tmp_path: Path) -> None:
    again = build.build(digits.with_suffix(".mgk"), tmp_path / "again", Options("mips"))
    assert files(again.folder) == files(folders["mips"])


def test_what_is_in_it(folders, digits: Path) -> None:
    folder = folders["mips"]
    found = files(folder)
    assert found["digits.bin"] == digits.read_bytes()
    named = {kernels.parts_of(kernel)[0] for kernel in net.load(digits).kernels}
    ops = {Path(name).stem.partition("_fp64")[0] for name in found if name.startswith("src/ops/")}
    assert ops == named
    text = found["src/table.c"].decode()
    assert set(re.findall(r'\{"(\w+)_\w+?", magik_', text)) == named
    assert {"include/venus.h", "include/magik/magik.h", "include/utils/postproc.h"} <= found.keys()
    assert {f"lib/glibc/lib{n}.a" for n in ("venus", "aip", "drivers", "drivers.m")} <= found.keys()
    assert toolchain.is_nan2008(folder / PROGRAM)
    assert str(ROOT).encode() not in b"".join(found.values())


def test_all_kernels(magik: Magik, digits: Path, tmp_path: Path) -> None:
    done = magik("build", digits, "-o", tmp_path / "all", "--ops", "all", "--no-compile", "--json")
    value = json.loads(done.out)
    assert (done.code, value["program"], value["toolchain"], value["sample"]) == (0, None, None, "classification")
    ops = {p.name for p in (tmp_path / "all/src/ops").glob("*.c")}
    assert ops == {s.path.name for s in kernels.sources("mips") if s.path.parent.name == "ops"}


def test_the_command_says_what_it_made(magik: Magik, digits: Path, tmp_path: Path) -> None:
    shutil.copy(digits, tmp_path / "digits.bin")
    done = magik("build", tmp_path / "digits", "--target", "host")
    assert done.code == 0, done.err
    said = dict(re.split("  +", line.strip(), maxsplit=1) for line in done.out.splitlines())
    assert said["folder"] == str(tmp_path / "digits_board") and said["toolchain"] == "host"
    assert Path(said["program"]).exists() and Path(said["library"]).exists()
    assert magik("build", tmp_path / "digits", "--target", "host").code == 0, "its own folder is replaced"


def test_a_folder_of_ones_own_stays(refused: Refused, magik: Magik, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("do not lose me")
    said = refused("build", digits, "-o", tmp_path / "mine", "--no-compile")
    assert "the folder holds something else" in said and "hint: pass -o FOLDER" in said
    assert magik("build", digits, "-o", tmp_path / "b", "--no-compile").code == 0
    with (tmp_path / "b/sample.cc").open("a") as file:
        file.write("// my change\n")
    (tmp_path / "b/own.cc").write_text("")
    said = refused("build", digits, "-o", tmp_path / "b", "--no-compile")
    assert "the folder holds files of yours" in said and "found: own.cc, sample.cc" in said


@pytest.mark.parametrize("name", ["venus_mine.cc", "object_notes.txt", "library.txt", "lib/mine.c", "link"])
def test_only_what_make_makes_is_replaced(
    refused: Refused, magik: Magik, digits: Path, tmp_path: Path, name: str
) -> None:
    assert magik("build", digits, "-o", tmp_path / "b", "--no-compile").code == 0
    made = ["obj/glibc_release/a.o", "lib/glibc/libvenus.p.a", "venus_digits_bin_glibc_profile"]
    for file in (*made, name):
        (tmp_path / "b" / file).parent.mkdir(parents=True, exist_ok=True)
        if file == "link":
            (tmp_path / "b/link").symlink_to(tmp_path)
        else:
            (tmp_path / "b" / file).write_text("mine")
    said = refused("build", digits, "-o", tmp_path / "b", "--no-compile")
    assert f"the folder holds files of yours\nwhere: {tmp_path / 'b'}\nfound: {name}\n" in said
    (tmp_path / "b" / name).unlink()
    assert magik("build", digits, "-o", tmp_path / "b", "--no-compile").code == 0


def test_a_folder_without_a_name(
    refused: Refused, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert "a folder without a name cannot be replaced" in refused("build", digits, "-o", ".", "--no-compile")


def test_an_interrupted_rename_keeps_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, folder = tmp_path / "part", tmp_path / "folder"
    part.mkdir()
    folder.mkdir()
    (folder / "file").write_text("old")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self == part:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build._put(part, folder)
    assert (folder / "file").read_text() == "old"


def test_nothing_is_left_when_the_compiler_fails(magik: Magik, digits: Path, tmp_path: Path) -> None:
    cc = tmp_path / "bin" / "bad-gcc"
    cc.parent.mkdir()
    for name in ("gcc", "g++", "ar", "strip"):
        cc.with_name(f"bad-{name}").write_text("#!/bin/sh\necho 'no such flag' >&2\nexit 1\n")
        cc.with_name(f"bad-{name}").chmod(0o755)
    before = files(tmp_path)
    done = magik("build", digits, "-o", tmp_path / "b", "--cross-compile", f"{cc.parent}/bad-")
    assert (done.code, done.out, files(tmp_path)) == (1, "", before)
    assert "error: the compiler refuses a file" in done.err and "found: no such flag" in done.err


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (b"#!/bin/sh\nprintf '\\377 broken' >&2\nexit 1\n", "error: the compiler refuses a file"),
        (b"#!/bin/sh\nexit 0\n", "error: a compiler makes nothing"),
        (b"no program", "error: a compiler cannot be run"),
    ],
)
def test_broken_compilers(magik: Magik, digits: Path, tmp_path: Path, script: bytes, said: str) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("gcc", "g++", "ar", "strip"):
        (tmp_path / "bin" / f"bad-{name}").write_bytes(script)
        (tmp_path / "bin" / f"bad-{name}").chmod(0o755)
    before = files(tmp_path)
    done = magik("build", digits, "-o", tmp_path / "b", "--cross-compile", f"{tmp_path}/bin/bad-")
    assert (done.code, done.out, files(tmp_path)) == (1, "", before)
    assert said in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--target", "t41"], 2, "there is no such target\nwhere: --target\nfound: t41\n need: mips, mips-msa, host"),
        (["--ops", "some"], 2, "where: --ops\nfound: some\n need: model, all"),
        (["--build-type", "fast"], 2, "there is no such build type\nwhere: --build-type"),
        (["--detector", "ssd"], 2, "there is no such detector\nwhere: --detector"),
        (["--libtype", "newlib"], 2, "there is no such C library"),
        (
            ["--sample", "poem"],
            2,
            "there is no such sample\nwhere: --sample\nfound: poem\n need: classification, detection",
        ),
        (["--sample", "detection"], 1, "the outputs do not fit the sample\nwhere: detection"),
        (["--sample", "yolo", "--anchors", "1,2"], 1, "the outputs do not fit the sample\nwhere: yolo"),
        (["--anchors", "1,x"], 2, "not a list of numbers"),
        (["--anchors", "1,nan"], 2, "--anchors\nfound: nan\n need: pixels in (0, 65535]"),
        (["--anchors", "1e300,inf,0,-3"], 2, "--anchors\nfound: 1e+300\n need: pixels in (0, 65535]"),
        (["--anchors", "10,inf,0,-3"], 2, "--anchors\nfound: inf\n need: pixels in (0, 65535]"),
        (["--anchors", "10,13,0,-3"], 2, "--anchors\nfound: 0\n need: pixels in (0, 65535]"),
        (["--anchors", "10,13,16,-3"], 2, "--anchors\nfound: -3\n need: pixels in (0, 65535]"),
        (["--threshold", "nan"], 2, "invalid value for '--threshold'"),
        (
            ["--labels", "none.txt"],
            1,
            "labels cannot be read\nwhere: none.txt\nfound: no such file\n need: a text file",
        ),
        (["--cross-compile", "no-such-"], 2, "no compiler\nwhere: --cross-compile\nfound: no no-such-gcc"),
    ],
)
def test_wrong_options(refused: Refused, digits: Path, arguments: list[str], code: int, text: str) -> None:
    assert text in refused("build", digits, *arguments, code=code)


def test_labels_that_are_no_text(refused: Refused, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "l.txt").write_bytes(b"one\n\xff\n")
    assert "a file of labels is not text" in refused("build", digits, "--labels", tmp_path / "l.txt")
    assert "found: is a directory" in refused("build", digits, "--labels", tmp_path)


def test_a_prefix_of_the_environment(refused: Refused, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSS_COMPILE", "no-such-")
    assert "CROSS_COMPILE has no compiler\nfound: no no-such-gcc" in refused("build", digits)


def test_a_model_that_is_not_there(refused: Refused, tmp_path: Path) -> None:
    assert "a model file cannot be read" in refused("build", tmp_path / "none")
    for name in (".", "", "/"):
        assert "a model file cannot be read" in refused("build", name)


def test_without_a_compiler(refused: Refused, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "there is no compiler for MIPS" in refused("build", digits)
