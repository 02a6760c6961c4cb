"""The variants of the C++ library: what they print and write, and that the release does neither."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from magik_core import toolchain
from magik_core.net import Net
from magik_core.program import Program
from magik_core.run import run as run_numpy
from tests.runtime import boards
from tests.runtime.boards import PIXELS, chain_of, client, image_files, packed, passed, run

VARIANTS = (  # in one library: they do not touch each other
    "-DVENUS_PROFILE",
    "-DVENUS_DEBUG",
    "-DVENUS_NMEM",
    '-DVENUS_NMEM_FILE="nmem_memory.txt"',  # tests run side by side
)


def simple(chain: str, folder: Path, *defines: str, dump: bool = False) -> tuple[Program, str]:
    """Run the client of models of a variant in a folder; the program and what was printed."""
    model, pixels, want = image_files(folder)
    program = client(chain, "core_run", *defines)
    env = {"MAGIK_CPP_DUMPDATA": "true"} if dump else {}
    ran = run(chain, program, model, pixels, folder / "out", cwd=folder, env=env)
    passed(ran)
    assert (folder / "out").read_bytes() == want
    return boards.image_program(), ran.out


def values() -> list[list[np.ndarray]]:
    """Outputs of each step of the image net."""
    program = boards.image_program()
    found = run_numpy(program, {"x": PIXELS})
    return [[found[t] for t in step.outputs] for step in program.steps]


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_release_prints_and_writes_nothing_else(chain: str, tmp_path: Path) -> None:
    _, out = simple(chain, tmp_path)
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "The soc-nna version is 00000000 (none",
        "INFO(magik)",
        "INFO(magik)",
        "INFO(magik)",
        "wrong",
    ]
    assert "INFO(magik): venus memory map size: 0\n" in out
    assert re.search(r"INFO\(magik\): venus version:0\.1\.0\(00000100_magik\) built:\S+\(", out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.bin", "image.raw", "out"]


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_every_step_is_dumped_on_request(chain: str, tmp_path: Path) -> None:
    program, _ = simple(chain, tmp_path, dump=True)
    found = {p.name: p.read_bytes() for p in (tmp_path / "MAGIK_DATA_DUMP").iterdir()}
    kernels = [kernel for kernel, _, _ in Net(packed(program)).trace({"x": PIXELS})]
    want = {
        f"{i}_{kernel}_{'_'.join(map(str, outputs[0].shape))}.bin": outputs[0].tobytes()
        for i, (kernel, outputs) in enumerate(zip(kernels, values(), strict=True))
    }
    assert found == want


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_debug_dumps_layers(chain: str, tmp_path: Path) -> None:
    program, _ = simple(chain, tmp_path, *VARIANTS)
    kernels = [kernel for kernel, _, _ in Net(packed(program)).trace({"x": PIXELS})]
    for i, (kernel, outputs) in enumerate(zip(kernels, values(), strict=True)):
        assert (tmp_path / f"{i}_{kernel}_out.bin").read_bytes() == outputs[0].tobytes()
    convolutions = [i for i, kernel in enumerate(kernels) if kernel == "conv_u8"]
    assert len(convolutions) == 2
    for i in convolutions:
        constants = [t.data for t in program.reads(program.steps[i]) if t.data is not None]
        assert (tmp_path / f"{i}_conv_u8_weight.bin").read_bytes() == constants[0].tobytes()
        assert (tmp_path / f"{i}_conv_u8_bt.bin").read_bytes() == constants[1].tobytes()


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_profile_prints_a_table(chain: str, tmp_path: Path) -> None:
    program, out = simple(chain, tmp_path, *VARIANTS)
    rows = [line.split()[1:] for line in out.splitlines() if re.match(r"INFO\(magik\): +\d+ \w", line)]
    macs = [int(row[-1]) for row in rows]
    assert len(rows) == 2 * len(program.steps)  # once for the run alone, once for the others together
    assert macs[0] == 4 * 6 * 4 * 27 and macs[1] == 4 * 6 * 6 * 4
    assert rows[0][1:5] == ["conv_u8", "1x8x12x3", "1x4x6x4", "4x3x3x3"]
    assert len(re.findall(r"total of 1 runs", out)) == 1 and len(re.findall(r"total of 2 runs", out)) == 1
    for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        assert sum(float(row[-2]) for row in part) == pytest.approx(100, abs=0.1)


def test_nmem_reports_memory(tmp_path: Path) -> None:
    simple("host", tmp_path, *VARIANTS)
    report = (tmp_path / "nmem_memory.txt").read_text()
    found = dict(line.split(": ") for line in report.splitlines())
    assert list(found) == ["total", "ref peak", "used peak", "current", "free"]
    assert found["total"] == "0" and found["free"] == "unlimited"
    assert 0 < int(found["ref peak"]) < int(found["used peak"])
    assert 0 < int(found["current"]) <= int(found["used peak"])


def test_the_report_has_its_place(tmp_path: Path) -> None:
    """Only the variant has it, in the file that scripts read."""
    compiler, _ = chain_of("host")
    source = toolchain.Source(toolchain.RUNTIME / "cxx" / "src" / "memory.cc")
    for flags in ([], ["-DVENUS_NMEM"]):
        made = toolchain.compile_all(compiler, [source], tmp_path, flags)
        assert (b"/tmp/nmem_memory.txt" in made[0].read_bytes()) == bool(flags)


def test_a_dump_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    model, pixels, _ = image_files(tmp_path)
    (tmp_path / "MAGIK_DATA_DUMP").write_text("a file where the folder should be")
    env = {"MAGIK_CPP_DUMPDATA": "true"}
    ran = run("host", client("host", "core_run"), model, pixels, tmp_path / "out", cwd=tmp_path, env=env)
    assert ran.code == 3 and "it cannot be written" in ran.err
