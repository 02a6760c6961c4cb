"""The Makefile of a board folder: the same files and flags as `magik build` compiles with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from magik_core import toolchain
from magik_core.kernels import RUNTIME
from magik_core.toolchain import Toolchain

FOLDER = RUNTIME / "cxx" / "sample"  # what the folder's files are made of
BUILD_TYPES: Mapping[str, tuple[str, tuple[str, ...]]] = {  # name: suffix of the library, defines
    "release": ("", ()),
    "profile": (".p", ("-DVENUS_PROFILE",)),
    "debug": (".d", ("-DVENUS_DEBUG",)),
    "nmem": (".m", ("-DVENUS_NMEM",)),
}
ZIG = "python3 -m ziglang"
VENDOR, DEBIAN = "mips-linux-gnu-", "mipsel-linux-gnu-"  # prefixes, the first with uClibc by default
LIBRARIES = ("aip", "drivers", "drivers.m")  # that vendors' Makefiles link; empty here
INCLUDES = ("include", "src/core", "src/port", "src/cxx")
OWN_C, OWN_CXX = "-std=c11 -O2", "-std=c++11 -O2"  # how a user's program is compiled
MARK = (  # sets NaN-2008 in the header of a program, as toolchain.mark_nan2008
    "printf \"$(printf '\\\\%03o' $(($(od -An -tu1 -j37 -N1 {0}) | 4)))\" | "
    "dd of={0} bs=1 seek=37 conv=notrunc 2>/dev/null"
)


@dataclass(frozen=True)
class Unit:
    """A source below src/, and the flags that it needs beyond the common ones."""

    path: str
    flags: tuple[str, ...] = ()


def libtype_of(chain: Toolchain) -> str:
    """The C library of a toolchain, in the words of the variable `libtype`."""
    if chain.name == "ziglang":
        return "musl"
    return "muclibc" if chain.name.rpartition("/")[2] == VENDOR else "glibc"


def libtype_flags(libtype: str) -> tuple[str, ...]:
    return ("-muclibc",) if libtype == "muclibc" else ()


def program_of(name: str, libtype: str, build_type: str) -> str:
    """File name of the sample program, by the vendor's pattern."""
    return f"venus_{name}_bin_{kind_of(libtype)}_{build_type}"


def kind_of(libtype: str) -> str:
    return "uclibc" if libtype == "muclibc" else libtype


def tool_of(chain: Toolchain, is_cxx: bool) -> str:
    """The compiler's command on any machine: without this one's folders, but for those of a prefix that was given."""
    if chain.name == "ziglang":
        return f"{ZIG} {'c++' if is_cxx else 'cc'}"
    words = chain.cxx if is_cxx else chain.cc
    return ("c++" if is_cxx else "cc") if chain.name == "host" else " ".join(words)


def own_lines(chain: Toolchain, libtype: str, build_type: str) -> tuple[str, ...]:
    """Command lines for own.cc and own.c, as `make flags` prints them; `chain`: with `libtype_flags`."""
    suffix, defines = BUILD_TYPES[build_type]
    library = f"lib/{kind_of(libtype)}/libvenus{suffix}.a"
    flags, links = " ".join(chain.flags), " ".join(chain.link_flags)
    lines = [
        f"{tool_of(chain, True)} {OWN_CXX} {flags} {' '.join(defines)} -Iinclude own.cc {library} {links} -o own",
        f"{tool_of(chain, False)} {OWN_C} {flags} -Iinclude own.c {library} {links} -lm -o own",
    ]
    marks = [MARK.format("own")] if chain.is_mips and not chain.is_nan2008 else []
    return (*(re.sub(" +", " ", line) for line in lines), *marks)


def defaults(chain: Toolchain | None, cross_compile: str = "", libtype: str = "") -> str:
    """Lines that make the toolchain of `magik build` that of the Makefile.

    Args: chain: None when nothing is compiled; cross_compile, libtype: as they were given.
    """
    lines = [f"libtype ?= {libtype}"] if libtype else []
    if chain is not None and chain.name == "ziglang":
        lines += ["ifndef CROSS_COMPILE", f"ZIG ?= {ZIG}", "endif"]
    elif chain is not None or cross_compile:
        lines += [f"CROSS_COMPILE ?= {chain.cc[0].removesuffix('gcc') if chain else cross_compile}"]
    return "\n".join(["", "# of magik build", *lines]) if lines else ""


def text(name: str, target: str, units: Sequence[Unit], default: str = "") -> str:
    """The Makefile. Args: target: host, mips or mips-msa; default: of `defaults`."""
    chains = toolchain.known(msa=target == "mips-msa") if target != "host" else {}
    own = [f"$(obj)/{_object(u)}: own = {_own(u.flags)}" for u in units if u.flags]
    listed = " \\\n  ".join(u.path for u in units)
    types = [f"suffix_{kind} = {suffix}\ndefines_{kind} = {' '.join(d)}" for kind, (suffix, d) in BUILD_TYPES.items()]
    return filled(
        ("head.mk", "host.mk" if target == "host" else "mips.mk", "rules.mk"),
        name=name,
        target=target,
        defaults=default,
        mark=MARK.replace("$", "$$").format("$(1)"),
        own_c=OWN_C,
        own_cxx=OWN_CXX,
        sources=listed,
        own="\n".join(own),
        types="\n".join(line.rstrip() for line in "\n".join(types).splitlines()),
        common=" ".join(toolchain.COMMON),
        c=" ".join(toolchain.C_DIALECT),
        cxx=" ".join(toolchain.CXX_DIALECT),
        includes=" ".join(f"-I{path}" for path in INCLUDES),
        aliases=" ".join(LIBRARIES),
        **{f"{key}_flags": " ".join(chain.flags) for key, chain in chains.items()},
        **{f"{key}_link": " ".join(chain.link_flags) for key, chain in chains.items()},
        **{f"{key}_msa": " ".join(chain.msa_flags) for key, chain in chains.items()},
    )


def filled(parts: Sequence[str], **values: str) -> str:
    """Files of runtime/cxx/sample one after the other, `@name` replaced by what `name` stands for."""
    text = "".join((FOLDER / part).read_text(encoding="utf-8") for part in parts)
    return re.sub(r"@([a-z_]+)\b", lambda m: values.get(m[1], m[0]), text)


def _object(unit: Unit) -> str:
    return unit.path.rpartition(".")[0] + ".o"


def _own(flags: Sequence[str]) -> str:
    return " ".join("$(msa)" if flag == "-mmsa" else flag for flag in flags)
