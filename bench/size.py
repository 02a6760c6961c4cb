"""Bytes of the runtime for a MIPS board: stripped, without the C and C++ libraries, as `magik build` compiles it.

    python -m bench.size

"library": libvenus with all operators, every object of it whether something calls it or not. A detector: the
program that `magik build` makes for it, sample included, of which the linker drops what is never called.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import planner
from magik_core import toolchain
from magik_core.build import Options, build
from magik_core.kernels import Source
from magik_core.lower import lower
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.toolchain import Toolchain

DETECTOR = "ultraface"
LIMITS = {"library": 200_000, DETECTOR: 80_000}
KEPT = (".text", ".rodata", ".data", ".sdata", ".eh_frame", ".gcc_except_table", ".init_array")
HEADS = ("build", "machine", "C", "C and C++", "limit")


def size(chain: Toolchain, out: Path, *inputs: str) -> int:
    """Bytes that are kept of a static program of these; what the C library would bring is left open."""
    open_ends = ("-static", "-nostdlib", "-Wl,--unresolved-symbols=ignore-all", "-Wl,--gc-sections")
    link = [*chain.cxx, *chain.flags, *open_ends, "-o", str(out), *inputs]
    for command in (link, [*chain.strip, str(out)]):
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    listed = subprocess.run([_tool(chain, "size"), "-A", str(out)], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return sum(int(row[1]) for row in rows if len(row) == 3 and row[0].startswith(KEPT))


def of_library(chain: Toolchain, folder: Path) -> list[int]:
    """Of the C runtime alone, and with the C++ API."""
    archives = (toolchain.runtime(chain, folder / "c"), toolchain.venus(chain, folder / "cxx"))
    whole = ("-Wl,--whole-archive", "-Wl,--no-gc-sections")
    return [size(chain, folder / "whole", *whole, str(archive)) for archive in archives]


def of_program(chain: Toolchain, folder: Path, model: Path) -> int:
    """Of the sample for a model, with the runtime in it."""
    target = "mips-msa" if chain.machine == "mips-msa" else "mips"
    built = build(model, folder / "board", Options(target=target))
    assert built.library is not None
    source = [Source(built.folder / "sample.cc")]
    sample = toolchain.compile_all(chain, source, folder, includes=[f"-I{built.folder / 'include'}"])
    return size(chain, folder / "program", "-Wl,-e,main", *map(str, sample), str(built.library))


def _tool(chain: Toolchain, name: str) -> str:
    return chain.strip[0].removesuffix("strip") + name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=planner.shared_folder())
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    model = planner.prepared(next(n for n in planner.NETS if n.name == DETECTOR), options.shared)
    program = lower(model, planner.quantization(model), name=DETECTOR)
    print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    for chain in (toolchain.mips(), toolchain.mips(msa=True)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / f"{DETECTOR}.bin").write_bytes(pack(program, plan(program), names=False))
            parts, both = of_library(chain, folder)
            detector = of_program(chain, folder, folder / f"{DETECTOR}.bin")
        for cells in (("library", chain.machine, parts, both), (DETECTOR, chain.machine, "", detector)):
            numbers = (f"{n:,}" if isinstance(n, int) else n for n in (*cells[2:], LIMITS[cells[0]]))
            print("| " + " | ".join((*cells[:2], *numbers)) + " |", flush=True)


if __name__ == "__main__":
    main()
