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
VENDOR, DEBIAN = "mips-linux-gnu-", "mipsel-linux-gnu-"  # prefixes, the first with uClibc by default
LIBRARIES = ("aip", "drivers", "drivers.m")  # that vendors' Makefiles link; empty here
INCLUDES = ("include", "src/core", "src/port", "src/cxx")


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


def text(name: str, target: str, units: Sequence[Unit]) -> str:
    """The Makefile. Args: target: host, mips or mips-msa."""
    chains = toolchain.known(msa=target == "mips-msa") if target != "host" else {}
    own = [f"$(obj)/{_object(u)}: own = {_own(u.flags)}" for u in units if u.flags]
    listed = " \\\n  ".join(u.path for u in units)
    types = [f"suffix_{kind} = {suffix}\ndefines_{kind} = {' '.join(d)}" for kind, (suffix, d) in BUILD_TYPES.items()]
    return filled(
        ("head.mk", "host.mk" if target == "host" else "mips.mk", "rules.mk"),
        name=name,
        target=target,
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
