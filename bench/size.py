"""Bytes of the runtime for a MIPS board, as they would lie in libvenus: stripped, without the C library.

    python -m bench.size

Rows: all operators, and those that one detector names (--ops). The objects are linked with each other alone
(-r, sections that nothing needs dropped), so that what is counted is the runtime's own: code, constants, data.
The C++ API is counted once its sources are there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from bench import planner
from magik_core import kernels, toolchain
from magik_core.lower import lower
from magik_core.program import Program
from magik_core.toolchain import Toolchain

DETECTOR = "ultraface"
LIMITS = {"all operators": 200_000, DETECTOR: 80_000}
KEPT = (".text", ".rodata", ".data", ".sdata", ".lit", ".eh_frame", ".gcc_except_table", ".init_array")
HEADS = ("build", "machine", "C", "C and C++", "limit")


def operators(program: Program) -> set[str]:
    """Names of the operators' files whose kernels a program names."""
    return {s.op.kernel(program.reads(s), program.writes(s)).rpartition("_")[0] for s in program.steps}


def objects(chain: Toolchain, folder: Path, ops: Collection[str] | None) -> tuple[list[Path], list[Path]]:
    """The compiled C runtime as a library, and the C++ API's objects; none before it is written."""
    library = toolchain.runtime(chain, folder, ops=ops, flags=("-fPIC",))
    return [library], toolchain.compile_all(chain, kernels.cxx_sources(chain.machine), folder, ("-fPIC",))


def size(chain: Toolchain, folder: Path, libraries: list[Path], cxx: list[Path]) -> int:
    """Bytes of what is kept of a shared library of these."""
    out = folder / "lib.so"
    command = [*chain.cxx, *chain.flags, "-shared", "-nostdlib", "-Wl,--gc-sections", "-o", str(out), *map(str, cxx)]
    command += ["-Wl,--whole-archive", *map(str, libraries), "-Wl,--no-whole-archive"]
    for step in (command, [*chain.strip, str(out)]):
        subprocess.run(step, check=True)
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
                libraries, cxx = objects(chain, Path(folder), ops)
                c_only = size(chain, Path(folder), libraries, [])
                both = size(chain, Path(folder), libraries, cxx) if cxx else 0
            cells = (build, chain.machine, f"{c_only:,}", f"{both:,}" if cxx else "", f"{LIMITS[build]:,}")
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
