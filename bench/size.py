"""Bytes of the runtime for a MIPS board, as they would lie in libvenus: stripped, without the C library.

    python -m bench.size

Rows: all operators, and those that one detector names (--ops). A shared library is made of every object and of
nothing else, so that what is counted is the runtime's own: code, constants, data, tables of exceptions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import planner
from magik_core import toolchain
from magik_core.lower import lower
from magik_core.program import Program
from magik_core.toolchain import Toolchain

DETECTOR = "ultraface"
LIMITS = {"all operators": 200_000, DETECTOR: 80_000}
KEPT = (".text", ".rodata", ".data", ".sdata", ".eh_frame", ".gcc_except_table", ".init_array")
HEADS = ("build", "machine", "C", "C and C++", "limit")


def operators(program: Program) -> set[str]:
    """Names of the operators' files whose kernels a program names."""
    return {s.op.kernel(program.reads(s), program.writes(s)).rpartition("_")[0] for s in program.steps}


def size(chain: Toolchain, folder: Path, archive: Path) -> int:
    """Bytes of what is kept of a shared library of an archive's objects."""
    out = folder / "lib.so"
    whole = ("-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive")
    link = [*chain.cxx, *chain.flags, "-shared", "-nostdlib", "-Wl,--gc-sections", "-o", str(out), *whole]
    for command in (link, [*chain.strip, str(out)]):
        subprocess.run(command, check=True)
    listed = subprocess.run([_tool(chain, "size"), "-A", str(out)], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return sum(int(row[1]) for row in rows if len(row) == 3 and row[0].startswith(KEPT))


def _tool(chain: Toolchain, name: str) -> str:
    return chain.strip[0].removesuffix("strip") + name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=planner.shared_folder())
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    model = planner.prepared(next(n for n in planner.NETS if n.name == DETECTOR), options.shared)
    named = operators(lower(model, planner.quantization(model), name=DETECTOR))
    print("| " + " | ".join(HEADS) + " |\n|" + " --- |" * len(HEADS))
    for build, ops in (("all operators", None), (DETECTOR, named)):
        for chain in (toolchain.mips(), toolchain.mips(msa=True)):
            with tempfile.TemporaryDirectory() as folder:
                at = Path(folder)
                archives = (toolchain.runtime(chain, at, ops=ops), toolchain.venus(chain, at, ops=ops))
                sizes = [size(chain, at, archive) for archive in archives]
            cells = (build, chain.machine, *(f"{n:,}" for n in (*sizes, LIMITS[build])))
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
