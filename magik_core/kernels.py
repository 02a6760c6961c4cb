"""The runtime's C sources for a machine, and the table of their kernels, made from the sources.

The build of the library runs this file by itself, so it imports nothing of magik:

    python kernels.py MACHINE TABLE.c    writes the table, prints "SOURCE<tab>FLAG…" per line
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CORE = Path(__file__).resolve().parent
RUNTIME = CORE / "runtime"

# What a file's suffix asks of the compiler; in the order of `enum magik_isa`, the later the faster.
ISAS: dict[str, tuple[str, ...]] = {
    "fp64": ("-ffp-contract=fast",),  # sums of whole numbers in doubles: exact either way
    "avx2": ("-mavx2",),
    "vnni": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"),
    "msa": ("-mmsa", "-fno-schedule-insns"),  # scheduling before registers are given moves sums to memory
}
# The suffixes that are built for a machine; any other has the portable kernels alone.
MACHINES: dict[str, tuple[str, ...]] = {
    "x86_64": ("fp64", "avx2", "vnni"),
    "amd64": ("fp64", "avx2", "vnni"),
    "mips": ("fp64",),
    "mips-msa": ("fp64", "msa"),
}
# A board is short of memory: there, only operators on which time is spent are compiled for speed.
HOT = frozenset({"add", "gemm", "lut", "mul", "softmax"})  # -O2 on MIPS, where the others are -Os
HOT_CXX = frozenset({"image", "image_color", "input", "nv12", "output"})  # -O2: what touches pixels
# GCC must keep loads near their use there, or the sums lose their registers; clang does so by itself.
MIPS_FP64 = ("-O2", "-fno-schedule-insns", "-fno-tree-ter", "-Wno-ignored-optimization-argument")
# Of a kernel's name: what its activations are; u8_s16: u8, with weights in s16 in the place of s8;
# u8_twice: u8, with sums rounded twice and weights in either.
DTYPES = {d: f"MAGIK_{d.upper()}" for d in ("u8", "u16", "s32", "f32", "x8", "x16", "x32", "u8_s16", "u8_twice")}

NAME = re.compile(rf"(\w+?)_({'|'.join(DTYPES)})")
KERNEL = re.compile(r"^void magik_(\w+)\(const struct magik_step \*n\)\n\{", re.MULTILINE)
COMPANION = re.compile(r"^(?:int32_t|size_t) magik_(\w+)_(shape|is_view|prepare|scratch)\(", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A C file and the flags that it needs beyond the common ones."""

    path: Path
    flags: tuple[str, ...] = ()


def sources(machine: str, ops: Collection[str] | None = None) -> list[Source]:
    """The sources of the runtime for a machine, without the table.

    Args: machine: a key of MACHINES, or any other; ops: names of operators' files to keep, or all.
    """
    isas = MACHINES.get(machine.lower(), ())
    is_mips = machine.startswith("mips")
    out = [Source(p, ("-Os",) if is_mips else ()) for p in sorted((RUNTIME / "src").glob("*.c"))]
    for path in sorted((CORE / "ops").glob("*.c")):
        op, isa = _split(path.stem)
        if (ops is None or op in ops) and (isa == "" or isa in isas):
            out.append(Source(path, (*ISAS.get(isa, ()), *(_mips(op, isa) if is_mips else ()))))
    return out


def cxx_sources(machine: str) -> list[Source]:
    """The sources of the C++ API, those that touch no pixel compiled for size on a board."""
    hot, cold = (("-O2",), ("-Os",)) if machine.startswith("mips") else ((), ())
    files = sorted((RUNTIME / "cxx" / "src").glob("*.cc"))
    return [Source(path, hot if path.stem in HOT_CXX else cold) for path in files]


def _mips(op: str, isa: str) -> tuple[str, ...]:
    """What an operator's file asks of the compiler on MIPS beyond its suffix."""
    if isa == "fp64":
        return MIPS_FP64
    return () if isa else ("-O2" if op in HOT else "-Os",)


def table(files: Sequence[Source], only: Collection[str] | None = None) -> str:
    """C source of `magik_kernels` for these files, of all their kernels or of those named as in a model file.

    A kernel is `void magik_<op>_<dtype>[_<isa>](const struct magik_step *n)`; src/op.h says what stands beside it.
    """
    kernels: dict[str, dict[str, str]] = {}  # name without suffix: isa: row of the variant
    companions: dict[str, str] = {}  # function name: kind
    for source in files:
        if source.path.parent.name != "ops":
            continue
        op, isa = _split(source.path.stem)
        text = source.path.read_text(encoding="utf-8")
        companions |= {f"magik_{name}_{kind}": kind for name, kind in COMPANION.findall(text)}
        for full in KERNEL.findall(text):
            name = full.removesuffix(f"_{isa}") if isa else full
            if name.removeprefix(f"{op}_") not in DTYPES or (isa and name == full):
                raise ValueError(f"{source.path}: kernel '{full}' is not {op}_<dtype>{isa and '_' + isa}")
            if only is None or name in only:
                kernels.setdefault(name, {})[isa] = full
    return _text(kernels, companions)


def _text(kernels: dict[str, dict[str, str]], companions: dict[str, str]) -> str:
    signatures = {
        "shape": "int32_t {}(const struct magik_step *n, struct magik_tensor *y);",
        "is_view": "int32_t {}(const struct magik_step *n);",
        "prepare": "size_t {}(const struct magik_step *n, void *memory);",
        "scratch": "size_t {}(const struct magik_step *n);",
    }
    lines = [signatures[kind].format(name) for name, kind in companions.items()]
    lines += [
        f"void magik_{full}(const struct magik_step *n);" for found in kernels.values() for full in found.values()
    ]
    rows = []
    for name, found in sorted(kernels.items()):
        op, dtype = parts_of(name)
        is_view = f"magik_{op}_is_view" if f"magik_{op}_is_view" in companions else "NULL"
        portable, *faster = (_variant(isa, found[isa], companions) for isa in ("", *ISAS) if isa in found)
        if faster:
            lines.append(f"static const struct magik_variant {name}[] = {{{', '.join(faster)}, {{.run = NULL}}}};")
        row = f'"{name}", magik_{op}_shape, {is_view}, {DTYPES[dtype]}, {portable}, {name if faster else "NULL"}'
        rows.append(f"    {{{row}}},")
    head = '/* Made by kernels.py from the operators\' sources. */\n#include "op.h"\n'
    end = "    {.name = NULL},\n};\n"
    return "\n".join([head, *lines, "\nconst struct magik_kernel magik_kernels[] = {", *rows, end])


def _variant(isa: str, full: str, companions: Mapping[str, str]) -> str:
    """Initializer of a magik_variant."""
    own = (f"magik_{full}_{kind}" for kind in ("prepare", "scratch"))
    rest = ", ".join(f if f in companions else "NULL" for f in own)
    return f"{{MAGIK_{isa.upper() or 'PORTABLE'}, magik_{full}, {rest}}}"


def parts_of(kernel: str) -> tuple[str, str]:
    """(operator, dtype) of a kernel's name: conv_u8_s16 -> conv, u8_s16."""
    found = NAME.fullmatch(kernel)
    return (found[1], found[2]) if found else (kernel, "")


def _split(stem: str) -> tuple[str, str]:
    """(operator, suffix) of a file's name: conv_avx2 -> conv, avx2."""
    op, _, isa = stem.rpartition("_")
    return (op, isa) if isa in ISAS else (stem, "")


def main(machine: str, out: str) -> None:
    """Write the table where it is new, and print the sources with their flags."""
    files = sources(machine)
    path, text = Path(out), table(files)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    for source in files:
        sys.stdout.write("\t".join([source.path.as_posix(), *source.flags]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
