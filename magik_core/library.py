"""The C runtime as a shared library, through ctypes: types and prototypes only."""

from __future__ import annotations

import ctypes as c
import sys
from functools import cache
from pathlib import Path

from magik_core import kernels
from magik_core.errors import LoadError
from magik_core.images import COLORS
from magik_core.program import MAX_DIMS

ISAS = ("portable", *kernels.ISAS)  # enum magik_isa
COLOR_CODES = ("", *COLORS)  # enum magik_color


class CTensor(c.Structure):
    """struct magik_tensor"""

    _fields_ = (
        ("data", c.c_void_p),
        ("dtype", c.c_int32),
        ("rank", c.c_int32),
        ("dims", c.c_int32 * MAX_DIMS),
        ("count", c.c_int32),
        ("is_constant", c.c_int32),
    )


class CMeaning(c.Structure):
    """struct magik_meaning"""

    _fields_ = (
        ("scale", c.c_float),
        ("zero_point", c.c_float),
        ("bits", c.c_int32),
        ("axes", c.c_int32 * MAX_DIMS),
        ("color", c.c_int32),
        ("name", c.c_char_p),
    )


class CFault(c.Structure):
    """struct magik_fault"""

    _fields_ = (("status", c.c_int32), ("step", c.c_int32), ("tensor", c.c_int32))


class CParallel(c.Structure):
    """struct magik_parallel"""

    _fields_ = (("run", c.c_void_p), ("context", c.c_void_p), ("parts", c.c_int32))


_NET = c.c_void_p
_PROTOTYPES = {
    "magik_phrase": (c.c_char_p, [c.c_int32]),
    "magik_net_bytes": (c.c_size_t, [c.c_void_p, c.c_size_t]),
    "magik_load": (c.c_int32, [c.POINTER(_NET), c.c_void_p, c.c_size_t, c.c_void_p, c.c_size_t, c.POINTER(CFault)]),
    "magik_isas": (c.c_uint32, []),
    "magik_set_isas": (c.c_int32, [_NET, c.c_uint32]),
    "magik_prepared_bytes": (c.c_size_t, [_NET]),
    "magik_prepare": (c.c_int32, [_NET, c.c_void_p, c.c_size_t]),
    "magik_reshape": (c.c_int32, [_NET, c.POINTER(c.c_int32), c.POINTER(CFault)]),
    "magik_arena_bytes": (c.c_size_t, [_NET, c.c_int32]),
    "magik_set_arena": (c.c_int32, [_NET, c.c_void_p, c.c_size_t, c.c_int32]),
    "magik_run": (None, [_NET, c.POINTER(CParallel)]),
    "magik_run_step": (None, [_NET, c.c_int32, c.POINTER(CParallel)]),
    "magik_reset": (None, [_NET]),
    "magik_states": (c.c_int32, [_NET]),
    "magik_state": (c.c_int32, [_NET, c.c_int32]),
    "magik_steps": (c.c_int32, [_NET]),
    "magik_step_isa": (c.c_int32, [_NET, c.c_int32]),
    "magik_step_kernel": (c.c_char_p, [_NET, c.c_int32]),
    "magik_step_outputs": (c.c_int32, [_NET, c.c_int32]),
    "magik_step_output": (c.c_int32, [_NET, c.c_int32, c.c_int32]),
    "magik_tensors": (c.c_int32, [_NET]),
    "magik_tensor": (c.POINTER(CTensor), [_NET, c.c_int32]),
    "magik_inputs": (c.c_int32, [_NET]),
    "magik_outputs": (c.c_int32, [_NET]),
    "magik_input": (c.c_int32, [_NET, c.c_int32]),
    "magik_output": (c.c_int32, [_NET, c.c_int32]),
    "magik_meaning": (None, [_NET, c.c_int32, c.POINTER(CMeaning)]),
    "magik_kernel_name": (c.c_char_p, [c.c_int32]),
    "magik_threads_start": (c.c_void_p, [c.c_int32]),
    "magik_threads_stop": (None, [c.c_void_p]),
    "magik_threads_parallel": (None, [c.c_void_p, c.POINTER(CParallel)]),
}


def path() -> Path:
    """Where the shared library is.

    An editable install keeps it beside the installed metadata, not beside the sources.

    Raises: LoadError: it was not built.
    """
    import magik_core

    names = {"darwin": "libmagik.dylib", "win32": "magik.dll"}
    name = names.get(sys.platform, "libmagik.so")
    folders = [Path(p) for p in magik_core.__path__] + [Path(p) / "magik_core" for p in sys.path]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise LoadError(
        "the C runtime was not found",
        where="magik-core",
        found=f"no {name}",
        need="an installed magik-core",
        hint="pip install --force-reinstall magik-core",
    )


@cache
def library(file: str | None = None) -> c.CDLL:
    """The loaded library with prototypes set."""
    lib = c.CDLL(file or str(path()))
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def isas() -> tuple[str, ...]:
    """The kinds of kernels that this machine runs, the portable ones first."""
    mask = library().magik_isas()
    return tuple(name for i, name in enumerate(ISAS) if mask >> i & 1)


def choosable(lib: c.CDLL | None = None) -> tuple[str, ...]:
    """The kinds of kernels that may be asked for here: also FP64's, plain C that runs anywhere and pays on a MIPS."""
    mask = (lib or library()).magik_isas() | 1 << ISAS.index("fp64")
    return tuple(name for i, name in enumerate(ISAS) if mask >> i & 1)


def kernel_names() -> list[str]:
    """The kernels in the library."""
    lib = library()
    out: list[str] = []
    while (name := lib.magik_kernel_name(len(out))) is not None:
        out.append(name.decode())
    return out
