"""magik::venus, as board programs use it: clients in clients/core_*.cc on this machine, sanitized, and on MIPS."""

from __future__ import annotations

import re
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from magik_core import net, numerics, toolchain
from magik_core.net import Net, encode
from magik_core.run import run as run_numpy
from tests import harness, streams
from tests.runtime import boards
from tests.runtime.boards import (
    CHAINS,
    HEIGHT,
    PIXELS,
    WIDTH,
    chain_of,
    client,
    four,
    image_files,
    packed,
    passed,
    run,
    write,
)
from tests.runtime.corpus import nets

VTABLE = [  # the order that programs compiled against the vendor's headers rely on
    "~Net",
    "~Net",
    "load_model",
    "get_forward_memory_size",
    "set_forward_memory",
    "free_forward_memory",
    "free_inputs_memory",
    "set_internal_mm_status",
    "get_internal_mm_status",
    "set_profiler_per_frame",
    "get_input",
    "get_input_by_name",
    "get_input_names",
    "get_output",
    "get_output_by_name",
    "get_output_names",
    "get_output_names_step",
    "get_input_channel_layout",
    "set_input_channel_layout",
    "run",
    "steps",
    "run_step",
    "reset",  # ours, behind theirs
]
chains = pytest.mark.parametrize("chain", CHAINS)
NETS = nets()
RNG = np.random.default_rng(11)


def net_files(name: str, folder: Path) -> tuple[Path, Path, bytes]:
    """Model and stored input of one of NETS, and its outputs."""
    program = NETS[name]
    source = {"x": np.random.default_rng(5).uniform(-1, 1, (1, 3, 9, 7)).astype(np.float32)}
    stored, data = harness.stored_feeds(program, source), packed(program)
    want = run_numpy(program, stored)
    shown = b"".join(boards.shown(want[n], program.tensors[n].quant).tobytes() for n in program.outputs)  # type: ignore[arg-type]
    stem = name.replace(" ", "-")
    return write(folder / f"{stem}.bin", data), write(folder / f"{stem}.raw", stored["x"]), shown


@chains
def test_tensors(chain: str) -> None:
    """Lazy storage, alignment, copies, attached memory, limits, life after venus_deinit."""
    ran = run(chain, client(chain, "core_tensor"))
    assert "version 00000100" in passed(ran)


def test_the_library_has_the_version_of_the_package() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    version = re.findall(r'^version = "(.+)"$', text, re.MULTILINE)
    header = (Path(toolchain.__file__).parent / "runtime" / "cxx" / "src" / "version.h").read_text()
    assert ".".join(re.findall(r"VENUS_(?:MAJOR|MINOR|PATCH) (\d+)", header)) == version[0]


@chains
@pytest.mark.parametrize("name", sorted(NETS))
def test_models_from_files_and_memory(chain: str, name: str, tmp_path: Path) -> None:
    """At an offset, at an odd address, behind another; misuse is an error code."""
    model, stored, want = net_files(name, tmp_path)
    ran = run(chain, client(chain, "core_model"), model, stored, tmp_path / "out")
    passed(ran)
    assert (tmp_path / "out").read_bytes() == want
    assert f"INFO(magik): model version:1.1.CPU_{model.read_bytes()[28:32][::-1].hex()}\n" in ran.out
    assert "magik: no such file: it cannot be opened\n" in ran.err
    assert "magik: run: input 'x' has 0 bytes" in ran.err


@chains
def test_step_by_step(chain: str, tmp_path: Path) -> None:
    model, pixels, _ = image_files(tmp_path)
    out = passed(run(chain, client(chain, "core_steps"), model, pixels, tmp_path / "out"))
    program, data = boards.image_program(), model.read_bytes()
    want = []
    for (kernel, index, value), step in zip(Net(data).trace({"x": PIXELS}), range(99), strict=False):
        t = program.tensors[program.steps[step].outputs[0]]
        shown = boards.shown(value, t.quant)  # type: ignore[arg-type]
        name = t.name if t.name in program.outputs else f"{step}_{kernel}"
        assert [str(step), name, str(shown.nbytes)] in boards.lines(out, "step"), index
        want.append(shown.tobytes())
    assert (tmp_path / "out").read_bytes() == b"".join(want)
    assert len(want) == len(program.steps) == len(boards.lines(out, "step"))
    assert [n for n, _ in boards.lines(out, "output")] == list(program.outputs)
    assert boards.lines(out, "input") == [["x", str(HEIGHT * WIDTH * 4)]]


@chains
def test_images(chain: str, tmp_path: Path) -> None:
    """Four-byte pixels, NV12 in both orders, another size: what Python's Net computes."""
    model, pixels, want = image_files(tmp_path)
    nv12 = RNG.integers(0, 256, HEIGHT * WIDTH * 3 // 2, np.uint8)
    large = np.random.default_rng(3).integers(0, 256, (1, 14, 20, 3), np.uint8)
    arguments = (
        write(tmp_path / "nv12", nv12),
        tmp_path / "out",
        14,
        20,
        write(tmp_path / "large", four(large)),
    )
    out = passed(run(chain, client(chain, "core_image"), model, pixels, *arguments))
    data = model.read_bytes()
    assert (tmp_path / "out.pixels").read_bytes() == want
    rgb = boards.rgb_of_nv12(nv12, HEIGHT, WIDTH)
    assert (tmp_path / "out.nv12").read_bytes() == boards.expected(data, {"x": rgb})
    reshaped = boards.expected(packed(boards.image_program(14, 20)), {"x": large})
    assert (tmp_path / "out.reshaped").read_bytes() == reshaped
    assert "1 3 5 12 \n" in out


@chains
def test_floats_become_codes(chain: str, tmp_path: Path) -> None:
    """An input that is no image takes reals or its codes, and gray images take one byte per pixel."""
    model, stored, want = net_files("net u8", tmp_path)
    x = np.random.default_rng(5).uniform(-1, 1, (1, 3, 9, 7)).astype(np.float32)
    reals = write(tmp_path / "reals", np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    gray = packed(boards.image_program(color="GRAY", channels=1))
    luma = PIXELS[..., :1]
    arguments = (model, reals, stored, write(tmp_path / "gray.bin", gray), write(tmp_path / "gray.raw", luma))
    passed(run(chain, client(chain, "core_inputs"), *arguments, tmp_path / "out"))
    assert (tmp_path / "out.reals").read_bytes() == want
    assert (tmp_path / "out.codes").read_bytes() == want
    assert (tmp_path / "out.gray").read_bytes() == boards.expected(gray, {"x": np.ascontiguousarray(luma)})


@chains
def test_states_are_carried_whatever_becomes_of_the_memory(chain: str, tmp_path: Path) -> None:
    result, x = streams.convert(tmp_path, "lstm")
    program, loaded = result.program, net.load(tmp_path / "lstm.bin")
    frames = [encode(loaded.inputs[0], frame[None]) for frame in x]
    quant = program.tensors[program.outputs[0]].quant
    want = b"".join(boards.shown(loaded.run_quantized(frame)["z"], quant).tobytes() for frame in frames)  # type: ignore[arg-type]
    stored = write(tmp_path / "frames.raw", *frames)
    ran = run(chain, client(chain, "core_states"), tmp_path / "lstm.bin", stored, tmp_path / "out")
    passed(ran)
    assert (tmp_path / "out").read_bytes() == want and "magik: reset: no model is loaded\n" in ran.err


@chains
def test_nets_share_memory(chain: str, tmp_path: Path) -> None:
    """Every memory mode, several nets, several threads."""
    model, stored, _ = net_files("net mixed", tmp_path)
    image, pixels, _ = image_files(tmp_path)
    program = client(chain, "core_memory", link=("-pthread",))
    passed(run(chain, program, model, stored, image, pixels))


@chains
def test_every_allocation_may_fail(chain: str, tmp_path: Path) -> None:
    model, pixels, _ = image_files(tmp_path)
    program = client(chain, "core_failures", link=("-Wl,--wrap=posix_memalign",))
    ran = run(chain, program, model, pixels)
    out = passed(ran)
    counts = [int(n) for n in re.findall(r"mode \d: (\d+) allocations", out)]
    assert len(counts) == 3 and min(counts) > 20
    assert "there is no memory" in ran.err


# ---- hostile files -----------------------------------------------------------------------------------------


def with_checksum(data: bytes) -> bytes:
    """The file with a header that matches itself."""
    head = bytearray(data)
    head[28:32] = bytes(4)
    table = 32 + 16 * int.from_bytes(data[20:24], "little")
    head[28:32] = zlib.crc32(bytes(head[:table])).to_bytes(4, "little")
    return bytes(head)


def with_word(data: bytes, offset: int, value: int) -> bytes:
    """A header field changed, and the checksum made right."""
    return with_checksum(data[:offset] + value.to_bytes(4, "little") + data[offset + 4 :])


def hostile(data: bytes) -> dict[str, tuple[bytes, str]]:
    """By name: a file and what is said of it."""
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    return {
        "empty": (b"", "cut short"),
        "short": (data[:20], "cut short"),
        "header": (data[:32], "cut short"),
        "half": (data[: len(data) // 2], "cut short"),
        "other": (b"GIF89a" + data[6:], "not a magik model file"),
        "newer": (with_word(data, 12, 7), "needs version 7 of the library's reader, this library has version 2"),
        "head": (data[:24] + b"\1" + data[25:], "a checksum does not match"),
        "flipped": (bytes(flipped), "a checksum does not match"),
        "small": (with_word(data, 16, 33), "cut short"),
        "huge": (with_word(data, 16, 0x7FFFFFFF), "cut short"),
        "sections": (with_word(data, 20, 0), "it has no outputs"),
        "arena": (with_word(data, 24, 0xFFFFFFFF), "needs less than 2 GiB"),
        "no arena": (with_word(data, 24, 0), "a tensor's type, size or place is wrong"),
        "more arena": (with_word(data, 24, 1 << 30), ""),
    }


@chains
def test_hostile_files_are_refused(chain: str, tmp_path: Path) -> None:
    model, _, _ = image_files(tmp_path)
    cases = hostile(model.read_bytes())
    files = [write(tmp_path / name.replace(" ", "-"), data) for name, (data, _) in cases.items()]
    ran = run(chain, client(chain, "core_hostile"), model, *files)
    out = passed(ran)
    assert "file 1 status 0 run 1\n" in re.sub(r"INFO.*\n", "", out)
    for path, (_, said) in zip(files, cases.values(), strict=True):
        found = [line for line in ran.err.splitlines() if line.startswith(f"magik: {path}: ")]
        assert said == "" or (len(found) == 1 and said in found[0]), (path, found)
    assert out.count("status -1") == len(cases) - 1


@chains
def test_damaged_files_do_no_harm(chain: str, tmp_path: Path) -> None:
    """Records changed at random with checksums made right again: refused, or run."""
    data = packed(boards.image_program())
    rng = np.random.default_rng(8)
    files = []
    for i in range(60):
        body, n = bytearray(data), int.from_bytes(data[20:24], "little")
        k = int(rng.integers(n))
        offset, size = (int.from_bytes(data[32 + 16 * k + at : 36 + 16 * k + at], "little") for at in (4, 8))
        for _ in range(int(rng.integers(1, 4))):
            at = offset + 4 * int(rng.integers(max(size // 4, 1)))
            body[at : at + 4] = int(rng.choice([0, 1, 2, 3, 255, 2**16, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
        body[44 + 16 * k : 48 + 16 * k] = zlib.crc32(bytes(body[offset : offset + size])).to_bytes(4, "little")
        files.append(write(tmp_path / str(i), with_checksum(bytes(body))))
    out = passed(run(chain, client(chain, "core_hostile"), *files))
    assert out.count("status") == len(files) and "status 0" in out and "status -1" in out


# ---- the library itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_sources_are_clean(chain: str, tmp_path: Path) -> None:
    """The library compiles without a warning, and so does a client of it in C."""
    compiler, flags = chain_of(chain)
    sources = sorted((toolchain.RUNTIME / "cxx" / "src").glob("*.cc"))
    assert len(sources) > 10
    toolchain.compile_all(compiler, [toolchain.Source(p) for p in sources], tmp_path, [*flags, *boards.STRICT])
    calls = " + ".join(f"magik_venus_{name}" for name in ("init(0)", "check()", "deinit()"))
    c_file = tmp_path / "trio.c"
    c_file.write_text(f'#include "common/common_inf_c.h"\nint main(void) {{ return {calls}; }}\n')
    objects = toolchain.compile_all(compiler, [toolchain.Source(c_file)], tmp_path, ["-Wall", "-Wextra", "-Werror"])
    program = toolchain.link(compiler, [*objects, boards.library(chain)], tmp_path / "trio")
    assert toolchain.run(compiler, program).returncode == 0


def test_the_binary_interface(tmp_path: Path) -> None:
    """Places of the virtual functions on MIPS, and the instances of templates that programs link to."""
    compiler, _ = chain_of("mips")
    dump = tmp_path / "classes"
    source = toolchain.Source(toolchain.RUNTIME / "cxx" / "src" / "names.cc", (f"-fdump-lang-class={dump}",))
    toolchain.compile_all(compiler, [source], tmp_path)
    table = dump.read_text().partition("Vtable for magik::venus::Net\n")[2].partition("\n\n")[0]
    entries = {int(at): name for at, name in re.findall(r"^(\d+) +.*magik::venus::Net::(~?\w+)", table, re.MULTILINE)}
    first = 8  # offset to top and type stand before the first
    names = [entries[at] for at in sorted(entries)]
    assert min(entries) == first and max(entries) == first + 4 * (len(entries) - 1)
    assert names == VTABLE
    symbols = subprocess.run(["nm", "-C", boards.library("mips")], capture_output=True, text=True, check=True).stdout
    for kind in ("float", "int", "unsigned int", "short", "unsigned short", "signed char", "unsigned char"):
        assert f" W {kind}* magik::venus::Tensor::mudata<{kind}>() const\n" in symbols
        assert f" W {kind} const* magik::venus::Tensor::data<{kind}>() const\n" in symbols


def test_numbers_are_those_of_the_page() -> None:
    """The NV12 rule of the test itself, against the formula in reals."""
    nv12 = np.random.default_rng(1).integers(0, 256, 24, np.uint8)
    y, uv = nv12[:16].reshape(4, 4) - 16.0, nv12[16:].reshape(2, 2, 2) - 128.0
    u, v = uv.repeat(2, axis=0).repeat(2, axis=1).transpose(2, 0, 1)
    real = np.stack([1.164 * y + 1.596 * v, 1.164 * y - 0.391 * u - 0.813 * v, 1.164 * y + 2.018 * u], axis=-1)
    near = numerics.round_half_up(np.clip(real, 0, 255))
    assert np.abs(boards.rgb_of_nv12(nv12, 4, 4)[0].astype(int) - near).max() <= 1
