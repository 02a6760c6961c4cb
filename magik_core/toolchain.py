"""C compilers for this machine and for MIPS boards, and how to run what they make."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import struct
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from magik_core import kernels
from magik_core.errors import BuildError
from magik_core.kernels import RUNTIME, Source

COMMON = (
    "-O3",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-strict-aliasing",
    "-ffunction-sections",
    "-fdata-sections",
)
INCLUDES = tuple(f"-I{RUNTIME / name}" for name in ("include", "src", "port", "cxx/include", "cxx/src"))
C_DIALECT, CXX_DIALECT = ("-std=c11", "-D_POSIX_C_SOURCE=200809L"), ("-std=c++11",)
STATIC_CODE = ("-fno-pic", "-fno-pie", "-mno-shared", "-mplt")  # GCC's, for MIPS: a fifth smaller than -fPIC
SECONDS = 600  # most that a compiler may take; zig builds its C library once
EF_MIPS_NAN2008 = 0x400
ELF_MIPS = 8


@dataclass(frozen=True)
class Toolchain:
    """A compiler with its flags.

    Args:
        name: for people; machine: key of kernels.MACHINES: which kernels are built.
        cc, cxx, ar, strip: command lines to put arguments behind.
        flags: of every compilation and link; link_flags: of links alone.
        msa_flags: of sources that kernels.py marks with -mmsa, in its place.
        runner: what a program is run by, nothing on this machine.
        is_nan2008: whether programs say NaN-2008 in their header by themselves.
    """

    name: str
    machine: str
    cc: tuple[str, ...]
    cxx: tuple[str, ...]
    ar: tuple[str, ...]
    strip: tuple[str, ...]
    flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    msa_flags: tuple[str, ...] = ("-mmsa",)
    runner: tuple[str, ...] = ()
    is_nan2008: bool = True

    @property
    def is_mips(self) -> bool:
        return self.machine.startswith("mips")


def host() -> Toolchain:
    """The compiler of this machine.

    Raises: BuildError: there is none.
    """
    cc, cxx = (_which(*names) for names in (("cc", "gcc", "clang"), ("c++", "g++", "clang++")))
    if not cc or not cxx:
        found = "no " + " and no ".join(n for n, path in (("C compiler", cc), ("C++ compiler", cxx)) if not path)
        raise BuildError("there is no compiler for this machine", found=found, need="gcc and g++, or clang")
    return Toolchain("host", platform.machine(), (cc,), (cxx,), ("ar",), ("strip",), link_flags=("-pthread",))


def mips(*, msa: bool = False, cross_compile: str | None = None) -> Toolchain:
    """A compiler for MIPS32 little endian with 64-bit floating-point registers, with or without MSA.

    Tried in this order: `cross_compile` or the variable CROSS_COMPILE (a prefix such as mips-linux-gnu-),
    Debian's mipsel-linux-gnu-gcc, zig of the Python package ziglang.

    Raises: BuildError: none of them is there.
    """
    prefix = cross_compile or os.environ.get("CROSS_COMPILE", "")
    if prefix:
        if not _which(f"{prefix}gcc"):
            hint = "give the prefix before gcc, with the path if it is not in PATH"
            raise BuildError("CROSS_COMPILE has no compiler", found=f"no {prefix}gcc", hint=hint)
        return _debian(msa) if prefix == "mipsel-linux-gnu-" else _vendor(prefix, msa)
    if _which("mipsel-linux-gnu-g++"):
        return _debian(msa)
    if importlib.util.find_spec("ziglang"):
        return _zig(msa)
    raise BuildError(
        "there is no compiler for MIPS",
        found="no CROSS_COMPILE, no mipsel-linux-gnu-g++, no ziglang",
        need="one of them",
        hint="pip install ziglang, or apt install g++-mipsel-linux-gnu",
    )


def known(*, msa: bool = False) -> dict[str, Toolchain]:
    """The toolchains for MIPS that magik knows the flags of, whether they are here or not."""
    return {"vendor": _vendor("mips-linux-gnu-", msa), "debian": _debian(msa), "zig": _zig(msa)}


def _vendor(prefix: str, msa: bool) -> Toolchain:
    flags = (*_arch(msa), "-EL", "-mnan=2008", "-mabs=2008")
    cc, cxx, ar, strip = ((prefix + name,) for name in ("gcc", "g++", "ar", "strip"))
    return Toolchain(prefix, _machine(msa), cc, cxx, ar, strip, flags, ("-pthread",), runner=qemu())


def _debian(msa: bool) -> Toolchain:
    cc, cxx, ar, strip = ((f"mipsel-linux-gnu-{name}",) for name in ("gcc", "g++", "ar", "strip"))
    flags, link = (*_arch(msa), *STATIC_CODE), ("-static", "-pthread")
    return Toolchain(
        "mipsel-linux-gnu", _machine(msa), cc, cxx, ar, strip, flags, link, runner=qemu(), is_nan2008=False
    )


def _zig(msa: bool) -> Toolchain:
    zig = (sys.executable, "-m", "ziglang")
    # +msa belongs to the kernels that use it alone: a link with it never ends
    cpu, fast = "-mcpu=mips32r5+fp64+nan2008", "-mcpu=mips32r5+msa+fp64+nan2008"
    flags = ("-target", "mipsel-linux-musleabihf", cpu, "-g0", *(("-DMAGIK_HAS_MSA",) if msa else ()))
    cc, cxx, ar = (*zig, "cc"), (*zig, "c++"), (*zig, "ar")
    return Toolchain("ziglang", _machine(msa), cc, cxx, ar, (), flags, ("-static", "-s"), (fast,), qemu())


def _arch(msa: bool) -> tuple[str, ...]:
    return ("-march=mips32r5", "-mfp64", "-DMAGIK_HAS_MSA") if msa else ("-march=mips32r2", "-mfp64", "-mmadd4")


def _machine(msa: bool) -> str:
    return "mips-msa" if msa else "mips"


def qemu() -> tuple[str, ...]:
    """The command that runs MIPS programs on this machine; nothing if there is none."""
    found = _which("qemu-mipsel", "qemu-mipsel-static")
    return (found,) if found else ()


def _which(*names: str) -> str:
    return next((path for name in names if (path := shutil.which(name))), "")


# ---- compile, link, run -----------------------------------------------------------------------------------


def runtime(chain: Toolchain, folder: Path, *, ops: Collection[str] | None = None, flags: Sequence[str] = ()) -> Path:
    """Compile the C runtime to `folder/libmagik.a`.

    Args:   ops: operators' files to keep, or all; flags: beyond the toolchain's.
    Raises: BuildError: the compiler refuses a file; says its words.
    """
    return archive(chain, compile_all(chain, _core(chain, folder, ops), folder, flags), folder / "libmagik.a")


def _core(chain: Toolchain, folder: Path, ops: Collection[str] | None) -> list[Source]:
    """The C runtime's sources with the table of kernels, which is written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = kernels.sources(chain.machine, ops)
    table = folder / "table.c"
    table.write_text(kernels.table(files), encoding="utf-8")
    return [Source(table), Source(RUNTIME / "port" / "threads.c"), *files]


def venus(chain: Toolchain, folder: Path, *, ops: Collection[str] | None = None, flags: Sequence[str] = ()) -> Path:
    """Compile the C++ API with the C runtime in it to `folder/libvenus.a`.

    Args:   as `runtime`; flags: also -DVENUS_PROFILE, -DVENUS_DEBUG or -DVENUS_NMEM, which make the variants.
    Raises: BuildError: as `runtime`.
    """
    objects = compile_all(chain, _core(chain, folder, ops), folder / "core", flags)
    objects += compile_all(chain, kernels.cxx_sources(chain.machine), folder, flags)
    return archive(chain, objects, folder / "libvenus.a")


def compile_all(
    chain: Toolchain,
    sources: Sequence[Source],
    folder: Path,
    flags: Sequence[str] = (),
    includes: Sequence[str] = INCLUDES,
) -> list[Path]:
    """Compile C and C++ files to objects in `folder`, several at a time.

    Raises: BuildError: as `runtime`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda source: _compile(chain, source, folder, (*includes, *flags)), sources))


def _compile(chain: Toolchain, source: Source, folder: Path, flags: Sequence[str]) -> Path:
    is_c = source.path.suffix == ".c"
    own = [f for flag in source.flags for f in (chain.msa_flags if flag == "-mmsa" else (flag,))]
    dialect = C_DIALECT if is_c else CXX_DIALECT
    out = folder / f"{source.path.stem}.o"
    command = [*(chain.cc if is_c else chain.cxx), *chain.flags, *dialect, *COMMON, *flags, *own]
    out.unlink(missing_ok=True)
    _run([*command, "-c", str(source.path), "-o", str(out)], str(source.path), out)
    return out


def archive(chain: Toolchain, objects: Sequence[Path], out: Path) -> Path:
    """Put objects into a static library."""
    out.unlink(missing_ok=True)
    _run([*chain.ar, "rcs", str(out), *map(str, objects)], str(out), out)
    return out


def link(chain: Toolchain, objects: Sequence[Path], out: Path, flags: Sequence[str] = ()) -> Path:
    """Link objects and libraries to a program that `run` runs.

    Raises: BuildError: as `runtime`.
    """
    command = [*chain.cxx, *chain.flags, *chain.link_flags, "-Wl,--gc-sections", *map(str, objects), *flags]
    _run([*command, "-o", str(out)], str(out), out)
    if chain.is_mips and not chain.is_nan2008:
        mark_nan2008(out)
    return out


def run(
    chain: Toolchain,
    program: Path,
    *arguments: str,
    timeout: float = SECONDS,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program that `link` made.

    Args:   cwd: the folder it runs in; env: variables beyond those of this process.
    Raises: BuildError: nothing runs MIPS programs here; or the program is one that QEMU would run wrong.
    """
    if chain.is_mips:
        if not chain.runner:
            hint = "apt install qemu-user"
            raise BuildError("nothing here runs MIPS programs", found="no qemu-mipsel", need="qemu-mipsel", hint=hint)
        if not is_nan2008(program):
            raise BuildError(
                "a MIPS program lacks the NaN-2008 flag", where=str(program), need="toolchain.mark_nan2008"
            )
    command = [*chain.runner, str(program), *arguments]
    variables = {**os.environ, **(env or {})}
    return spawn(command, "a program", timeout=timeout, cwd=cwd, env=variables)


def spawn(command: Sequence[str], what: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine to its end; its words are text whatever bytes they are.

    Args:   what: it is, for people; options: of subprocess.run.
    Raises: BuildError: it cannot be started, or takes too long.
    """
    options = {"timeout": SECONDS, **options}
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{what} cannot be run", where=command[0], found=str(error)) from error


def _run(command: Sequence[str], where: str, out: Path) -> None:
    """Run a compiler that makes `out`."""
    done = spawn(command, "a compiler")
    if done.returncode != 0:
        raise BuildError("the compiler refuses a file", where=where, found=done.stderr.strip() or str(done.returncode))
    if not out.is_file():
        raise BuildError("a compiler makes nothing", where=command[0], found="no error and no file", need=out.name)


def is_nan2008(program: Path) -> bool:
    """Whether a program says that it uses the NaNs of IEEE 754-2008.

    Without it QEMU chooses a CPU on which MSA computes wrongly, and says nothing.
    """
    with open(program, "rb") as file:
        head = file.read(40)
    machine, flags = struct.unpack_from("<H", head, 18)[0], struct.unpack_from("<I", head, 36)[0]
    return head[:5] == b"\x7fELF\x01" and machine == ELF_MIPS and bool(flags & EF_MIPS_NAN2008)


def mark_nan2008(program: Path) -> None:
    """Set the NaN-2008 flag in a program's header.

    Debian's C library has the older NaNs, so its linker cannot; magik's kernels make none.
    """
    with open(program, "r+b") as file:
        file.seek(36)
        flags = struct.unpack("<I", file.read(4))[0]
        file.seek(36)
        file.write(struct.pack("<I", flags | EF_MIPS_NAN2008))


def with_flags(chain: Toolchain, *flags: str) -> Toolchain:
    """The same toolchain with more flags."""
    return replace(chain, flags=(*chain.flags, *flags))
