"""Compile C at test time: the arithmetic probe and other small programs."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "magik_core" / "runtime"
STRICT = ("-std=c11", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror")
Array = np.ndarray


def compilers() -> list[str]:
    """The C compilers of this machine; there is at least one."""
    found = [path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))]
    assert found, "a C compiler is needed: install gcc or clang"
    return list({Path(p).resolve(): p for p in found}.values())


def compile_c(out: Path, sources: Sequence[Path], *flags: str, compiler: str | None = None) -> Path:
    """Run the compiler; its words are the test's failure."""
    command = [compiler or compilers()[0], *STRICT, *flags, *map(str, sources), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def float_functions(folder: Path) -> dict[str, int]:
    """Functions of f32 in a fmath.h, without `fm_`: how many arguments each has."""
    text = (folder / "fmath.h").read_text()
    found = re.findall(r"^static inline float fm_(\w+)\((float \w+(?:, float \w+)*)\)", text, re.MULTILINE)
    return {name: arguments.count("float") for name, arguments in found}


class Probe:
    """fixed.h and fmath.h as functions of arrays.

    Args: folder: where to build; patch: per header, (old, new) text to change in a copy first.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        compiler: str | None = None,
        patch: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        for name in ("fixed.h", "fmath.h"):
            text = (RUNTIME / "src" / name).read_text()
            old, new = (patch or {}).get(name, ("", ""))
            assert old in text, f"{name} does not hold {old!r}"
            (folder / name).write_text(text.replace(old, new) if old else text)
        self.functions = float_functions(folder)
        lines = [f"{'UNARY' if arity == 1 else 'BINARY'}({name})\n" for name, arity in self.functions.items()]
        (folder / "functions.inc").write_text("".join(lines))
        source = Path(__file__).with_name("probe.c")
        built = compile_c(folder / "probe.so", [source], "-shared", "-fPIC", f"-I{folder}", *flags, compiler=compiler)
        self._lib = ctypes.CDLL(str(built))

    def __call__(self, name: str, dtype: type, *arrays: tuple[object, type]) -> Array:
        """Call probe_<name> on (values, C type) pairs of one length, or of length 1."""
        columns = np.broadcast_arrays(*(np.asarray(values) for values, _ in arrays))
        ready = [np.ascontiguousarray(c, dtype=kind) for c, (_, kind) in zip(columns, arrays, strict=True)]
        y = np.zeros(ready[0].shape, dtype)
        getattr(self._lib, f"probe_{name}")(
            ctypes.c_void_p(y.ctypes.data),
            ctypes.c_int32(y.size),
            *(ctypes.c_void_p(a.ctypes.data) for a in ready),
        )
        return y
