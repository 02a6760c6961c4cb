"""The programs of runtime/tools, compiled for a toolchain once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from magik_core import kernels, toolchain
from magik_core.kernels import RUNTIME, Source
from magik_core.toolchain import Toolchain

HELLO = """\
#include <stdio.h>
#include <vector>
int main()
{
    std::vector<int> v(3, 14);
    return printf("%d\\n", v[0] + v[1] + v[2]) < 0;
}
"""


def digest(chain: Toolchain, *, folder: Path | None = None) -> Path:
    """The program that prints a CRC-32 of every step's outputs, all operators in it.

    Args:   folder: where to keep it, by default `cache_folder()`; it is compiled again when a source changed.
    Raises: BuildError: the compiler refuses a file.
    """
    keep = (folder or cache_folder()) / f"digest-{chain.machine}-{_key(chain)}"
    if not keep.exists():
        keep.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=keep.parent) as temporary:
            os.replace(build_digest(chain, Path(temporary)), keep)
    return keep


def build_digest(chain: Toolchain, folder: Path) -> Path:
    """As `digest`, in a folder of one's own."""
    library = toolchain.runtime(chain, folder)
    objects = toolchain.compile_all(chain, [Source(RUNTIME / "tools" / "digest.c")], folder)
    return toolchain.link(chain, [*objects, library], folder / "digest")


def hello(chain: Toolchain, folder: Path) -> Path:
    """A small C++ program, linked: proof that a compiler is whole.

    Raises: BuildError: it cannot compile or link.
    """
    source = folder / "hello.cc"
    source.write_text(HELLO, encoding="utf-8")
    return toolchain.link(chain, toolchain.compile_all(chain, [Source(source)], folder), folder / "hello")


def cache_folder() -> Path:
    """`magik` in the folder that the system has for such files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magik"


def _key(chain: Toolchain) -> str:
    """Changes with the compiler, its flags and every source."""
    found = hashlib.sha256(repr((chain, toolchain.COMMON)).encode())
    files = [source.path for source in kernels.sources(chain.machine)]
    files += [path for name in ("include", "src", "port", "tools") for path in sorted((RUNTIME / name).rglob("*.[ch]"))]
    for path in (*files, Path(kernels.__file__)):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]
