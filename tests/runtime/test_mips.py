"""Every operator's cases on MIPS, under QEMU: each kind of kernel gives the bits of the numpy definition.

A missing compiler or QEMU is a failure here, not a skip: what the board computes is not proven without them.
"""

from __future__ import annotations

import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from magik_core import kernels, library, toolchain
from magik_core.errors import BuildError
from magik_core.kernels import RUNTIME, Source
from magik_core.qemu import TOOLS
from magik_core.toolchain import Toolchain
from tests.runtime.corpus import Entry, entries

WALLS = {"together": "0", "before a wall": "1", "after a wall": "2"}  # where tensors lie: digest's --apart
WAYS = [
    *(("mips", isa, wall) for isa in ("portable", "fp64") for wall in WALLS),
    *(("mips-msa", isa, wall) for isa in ("fp64", "msa") for wall in WALLS),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    return entries(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def chains() -> dict[str, Toolchain]:
    return {"mips": toolchain.mips(), "mips-msa": toolchain.mips(msa=True)}


@pytest.fixture(scope="module")
def programs(chains: dict[str, Toolchain], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The digest program for each machine."""
    out = {}
    for name, chain in chains.items():
        folder = tmp_path_factory.mktemp(name)
        objects = toolchain.compile_all(chain, [Source(TOOLS / "digest.c")], folder)
        out[name] = toolchain.link(chain, [*objects, toolchain.runtime(chain, folder)], folder / "digest")
    return out


def digests(chain: Toolchain, program: Path, corpus: list[Entry], folder: Path, *options: str) -> list[list[list[str]]]:
    """Per entry, per step: its number, kernel, isa and CRC."""
    listed = folder / "list"
    listed.write_text("".join(f"{e.model}\t{e.inputs}\n" for e in corpus))
    done = toolchain.run(chain, program, "-", str(listed), *options)
    assert done.returncode == 0, f"after {done.stdout.count(chr(10) * 2)} models: {done.stderr[-2000:]}"
    return [[line.split() for line in block.splitlines()] for block in done.stdout.split("\n\n")[:-1]]


@pytest.mark.parametrize(("machine", "isa", "wall"), WAYS, ids=lambda name: name.replace(" ", "-"))
def test_mips_equals_numpy(
    machine: str,
    isa: str,
    wall: str,
    chains: dict[str, Toolchain],
    programs: dict[str, Path],
    corpus: list[Entry],
    tmp_path: Path,
) -> None:
    found = digests(chains[machine], programs[machine], corpus, tmp_path, "--isa", isa, "--apart", WALLS[wall])
    assert len(found) == len(corpus)
    wrong = [
        f"{e.name}: step {step[0]} {step[1]} {step[2]}"
        for e, steps in zip(corpus, found, strict=True)
        for step, crc in zip(steps, e.crcs, strict=True)
        if step[3] != crc
    ]
    assert wrong == []
    if built := {s.path.stem for s in kernels.sources(machine) if s.path.stem.endswith(f"_{isa}")}:
        ran = {f"{kernels.parts_of(step[1])[0]}_{isa}" for steps in found for step in steps if step[2] == isa}
        assert ran == built, "a kernel that no case reaches"


def test_a_read_past_a_tensor_is_found(chains: dict[str, Toolchain], corpus: list[Entry], tmp_path: Path) -> None:
    """The walls of --apart stand: a table read one byte too far stops the program on each side."""
    source = (kernels.CORE / "ops" / "lut.c").read_text()
    digest = toolchain.compile_all(chains["mips"], [Source(TOOLS / "digest.c")], tmp_path)
    case = next(e for e in corpus if " u8 Sigmoid" in e.name)
    for place, wall in ((1, "before a wall"), (-1, "after a wall")):
        folder = tmp_path / wall
        library_file = toolchain.runtime(chains["mips"], folder)
        loop = "    for (; i < end; i++)\n"
        assert loop in source
        patched = source.replace(loop, f"    y[0] = x[{'end' if place > 0 else '-1'}];\n{loop}")
        (folder / "lut.c").write_text(patched)
        lut = toolchain.compile_all(chains["mips"], [Source(folder / "lut.c")], folder)
        program = toolchain.link(chains["mips"], [*digest, *lut, library_file], folder / "digest")
        for option, fails in (("0", False), (WALLS[wall], True)):
            done = toolchain.run(chains["mips"], program, str(case.model), str(case.inputs), "--apart", option)
            assert (done.returncode != 0) is fails


def test_a_program_without_the_nan_flag_is_refused(chains: dict[str, Toolchain], programs: dict[str, Path]) -> None:
    """QEMU would run MSA wrong and say nothing."""
    program = programs["mips-msa"]
    data = bytearray(program.read_bytes())
    data[37] &= ~(toolchain.EF_MIPS_NAN2008 >> 8)
    bare = program.with_name("bare")
    bare.write_bytes(data)
    bare.chmod(0o755)
    assert toolchain.is_nan2008(program) and not toolchain.is_nan2008(bare)
    with pytest.raises(BuildError, match="a MIPS program lacks the NaN-2008 flag"):
        toolchain.run(chains["mips-msa"], bare)


def test_the_digest_program_refuses_in_words(
    chains: dict[str, Toolchain], programs: dict[str, Path], corpus: list[Entry], tmp_path: Path
) -> None:
    """Each misuse of the program is a line that says what is wrong."""
    model, inputs = str(corpus[0].model), str(corpus[0].inputs)
    (tmp_path / "no-tab").write_text("model\n")
    (tmp_path / "short").write_bytes(b"")
    words = {
        (): "digest: usage: MODEL INPUTS",
        (model, inputs, "--isa"): "digest: --isa: wants a value",
        (model, inputs, "--isa", "sse"): "digest: sse: is no kind of kernels",
        (model, inputs, "--isa", "avx2"): "digest: avx2: this CPU has no such kernels",
        (model, inputs, "--what", "1"): "digest: --what: is no option",
        (str(tmp_path / "none"), inputs): "cannot be read",
        (model, str(tmp_path / "short")): "has too few bytes",
        ("-", str(tmp_path / "no-tab")): "digest: model: is no line MODEL<tab>INPUTS",
        (inputs, inputs): f"digest: {inputs}: ",
    }
    for arguments, found in words.items():
        done = toolchain.run(chains["mips"], programs["mips"], *arguments)
        assert done.returncode == 1 and found in done.stderr, arguments


def test_no_compiler_for_mips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CROSS_COMPILE", raising=False)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError) as caught:
        toolchain.mips()
    assert caught.value.problems[0].hint == "pip install ziglang, or apt install g++-mipsel-linux-gnu"


def test_no_qemu(chains: dict[str, Toolchain], programs: dict[str, Path]) -> None:
    with pytest.raises(BuildError, match="nothing here runs MIPS programs"):
        toolchain.run(replace(chains["mips"], runner=()), programs["mips"])


def test_isas_are_those_of_the_library() -> None:
    assert tuple(kernels.ISAS) == library.ISAS[1:]


@pytest.mark.parametrize(("compiler", "kind"), [("mipsel-linux-gnu-gcc", "mips"), ("cc", platform.machine())])
def test_cmake_asks_the_compiler_what_it_compiles_for(tmp_path: Path, compiler: str, kind: str) -> None:
    """No toolchain file: CMake itself takes this machine's processor for the target's."""
    command = ["cmake", "-S", str(RUNTIME), "-B", str(tmp_path), f"-DCMAKE_C_COMPILER={compiler}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"-- kernels for {kind}\n" in done.stdout
    table = (tmp_path / "table.c").read_text()
    assert ("_avx2" in table) == (kind == "x86_64") and ("_fp64" in table) == (kind in ("mips", "x86_64"))
