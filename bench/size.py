"""Bytes of the runtime for a MIPS board: stripped, without the C and C++ libraries, as `magik build` compiles it.

    python -m bench.size

"library": libvenus with all operators, every object of it whether something calls it or not. "8 bits": the same
without the kernels on activations of more than 8 bits, which a program that has none does not link either. A
detector: the program that `magik build` makes for it, sample included, of which the linker drops what is never
called.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import planner
from magik_core import kernels, library, toolchain
from magik_core.build import Options, build
from magik_core.kernels import Source
from magik_core.lower import lower
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.toolchain import Toolchain

DETECTOR = "ultraface"
NARROW = "8 bits"
LIMITS = {"library": (200_000, 245_000), NARROW: (200_000, 215_000), DETECTOR: ("", 80_000)}  # of C, with C++
WIDE = ("u16", "x16")  # what kernels on more than 8 bits compute on
KEPT = (".text", ".rodata", ".data", ".sdata", ".eh_frame", ".gcc_except_table", ".init_array")
HEADS = ("build", "machine", "C", "limit", "C and C++", "limit")


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


def of_narrow(chain: Toolchain, folder: Path) -> list[int]:
    """Of the same libraries, already built, all of whose functions are kept but for the kernels of WIDE."""
    names = [name for name in library.kernel_names() if kernels.parts_of(name)[1] not in WIDE]
    own = folder / "narrow" / "table.c"
    own.parent.mkdir()
    own.write_text(kernels.table(kernels.sources(chain.machine), names), encoding="utf-8")
    (table,) = toolchain.compile_all(chain, [Source(own)], own.parent)
    out = []
    for archive in (folder / "c" / "libmagik.a", folder / "cxx" / "libvenus.a"):
        keep = [f"-Wl,-u,{name}" for name in _interface(chain, archive)]
        out.append(size(chain, folder / "whole", *keep, str(table), str(archive)))
    return out


def _interface(chain: Toolchain, archive: Path) -> list[str]:
    """Names of an archive's functions and data that belong to no operator."""
    ops = {source.path.stem for source in kernels.sources(chain.machine) if source.path.parent.name == "ops"}
    listed = subprocess.run([_tool(chain, "nm"), "-gA", "--defined-only", archive], check=True, capture_output=True)
    rows = (line.rsplit(":", 1) for line in listed.stdout.decode().splitlines())
    found = ((Path(place.rpartition(":")[2]).stem, words.split()[-1]) for place, words in rows)
    return [name for member, name in found if member not in {*ops, "table"}]


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
            whole, narrow = of_library(chain, folder), of_narrow(chain, folder)
            detector = of_program(chain, folder, folder / f"{DETECTOR}.bin")
        rows = (("library", *whole), (NARROW, *narrow), (DETECTOR, "", detector))
        for name, *sizes in rows:
            pairs = (n for pair in zip(sizes, LIMITS[name], strict=True) for n in pair)
            numbers = (f"{n:,}" if isinstance(n, int) else n for n in pairs)
            print("| " + " | ".join((name, chain.machine, *numbers)) + " |", flush=True)


if __name__ == "__main__":
    main()
