"""The Makefile of a board folder: the same files and flags as `magik build` compiles with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

from magik_core import toolchain
from magik_core.toolchain import Toolchain

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
    return Template(_HEAD + (_HOST if target == "host" else _MIPS) + _RULES).substitute(
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


def _object(unit: Unit) -> str:
    return unit.path.rpartition(".")[0] + ".o"


def _own(flags: Sequence[str]) -> str:
    return " ".join("$(msa)" if flag == "-mmsa" else flag for flag in flags)


_HEAD = """\
# Made by magik build: the runtime, its C++ API and a sample program, for target $target.
#
#   make                                           the sample program and the libraries
#   make build_type=release|profile|debug|nmem     a variant; `make build_type=X clean` removes it
#   make shared                                    the shared libraries too
"""
_MIPS = """\
#   make CROSS_COMPILE=PREFIX libtype=muclibc      a toolchain by its prefix; any other libtype is glibc
#   make ZIG="python3 -m ziglang"                  zig as the compiler: static programs, musl

name = $name
build_type ?= release

ifdef ZIG
libtype ?= musl
CC = $$(ZIG) cc
CXX = $$(ZIG) c++
AR = $$(ZIG) ar
arch = $zig_flags
link = $zig_link
msa = $zig_msa
else
CROSS_COMPILE ?= $$(firstword $$(foreach p,mips-linux-gnu- mipsel-linux-gnu-,\\
  $$(if $$(shell command -v $$(p)g++ 2>/dev/null),$$(p))) mips-linux-gnu-)
CC = $$(CROSS_COMPILE)gcc
CXX = $$(CROSS_COMPILE)g++
AR = $$(CROSS_COMPILE)ar
msa = $vendor_msa
ifeq ($$(notdir $$(CROSS_COMPILE)),mipsel-linux-gnu-)
libtype ?= glibc
arch = $debian_flags
link = $debian_link
# Debian's C library has the older NaNs, so its linker cannot say NaN-2008 (bit 2 of byte 37); the kernels make none
mark = printf "$$$$(printf '\\\\%03o' $$$$(($$$$(od -An -tu1 -j37 -N1 $$@) | 4)))" | dd of=$$@ bs=1 seek=37 conv=notrunc 2>/dev/null
else
libtype ?= $$(if $$(filter mips-linux-gnu-,$$(notdir $$(CROSS_COMPILE))),muclibc,glibc)
arch = $vendor_flags $$(if $$(filter muclibc,$$(libtype)),-muclibc)
link = $vendor_link
endif
endif
"""
_HOST = """
name = $name
build_type ?= release
libtype ?= glibc
CC = cc
CXX = c++
AR = ar
link = -pthread
"""
_RULES = """
$types

ifeq ($$(filter release profile debug nmem,$$(build_type)),)
$$(error build_type is $$(build_type): release, profile, debug or nmem)
endif
kind = $$(if $$(filter muclibc,$$(libtype)),uclibc,$$(libtype))
program = venus_$$(name)_bin_$$(kind)_$$(build_type)
lib = lib/$$(kind)
obj = obj/$$(kind)_$$(build_type)
library = $$(lib)/libvenus$$(suffix_$$(build_type))
flags = $$(arch) $common -fPIC $includes $$(defines_$$(build_type))

sources = $sources
objects = $$(addprefix $$(obj)/,$$(addsuffix .o,$$(basename $$(sources))))
aliases = $$(foreach name,$aliases,$$(lib)/lib$$(name).a)

.PHONY: all shared clean
all: $$(program)
shared: all $$(library).so $$(aliases:.a=.so)

$own

$$(program): sample.cc $$(library).a $$(aliases)
	$$(CXX) $$(flags) $cxx sample.cc $$(library).a $$(link) -Wl,--gc-sections -s -o $$@
	$$(mark)

$$(library).a: $$(objects)
	@mkdir -p $$(@D)
	rm -f $$@
	$$(AR) rcs $$@ $$^

$$(library).so: $$(objects)
	$$(CXX) $$(arch) -shared -Wl,--gc-sections -s $$^ $$(filter -pthread,$$(link)) -o $$@

$$(aliases): $$(obj)/empty.o
	@mkdir -p $$(@D)
	rm -f $$@
	$$(AR) rcs $$@ $$^

$$(aliases:.a=.so): $$(obj)/empty.o
	$$(CC) $$(arch) -shared $$^ -o $$@

$$(obj)/%.o: src/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(flags) $c $$(own) -c $$< -o $$@

$$(obj)/%.o: src/%.cc
	@mkdir -p $$(@D)
	$$(CXX) $$(flags) $cxx $$(own) -c $$< -o $$@

clean:
	rm -rf $$(obj) $$(program) $$(library).a $$(library).so
"""
