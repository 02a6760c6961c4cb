"""magik doctor: whether this machine has what magik needs."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from magik_core import __version__, plugins
from magik_core.cli import _console, _options
from magik_core.errors import MagikError

if TYPE_CHECKING:
    from magik_core.toolchain import Toolchain

MODULES = {  # import name -> distribution, of magik-core's dependencies
    "numpy": "numpy",
    "onnx": "onnx",
    "onnx_ir": "onnx-ir",
    "onnxscript": "onnxscript",
    "onnxruntime": "onnxruntime",
    "pluggy": "pluggy",
    "typer": "typer",
    "rich": "rich",
    "pydantic": "pydantic",
    "PIL": "pillow",
}
TOOLS = {  # program -> what it is for
    "cmake": "building the C library from source",
    "make": "the Makefile of a board folder",
    "ssh": "magik verify --host",
}


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at; `state` is "ok", "missing" (optional) or "broken" (required)."""

    state: str
    name: str
    found: str
    hint: str = ""


def command(is_json: _options.Json = False) -> None:
    """Look at this machine: packages, C library, plugins, tools; exit 1 if anything required is broken."""
    findings = [*_python(), *_packages(), _library(), *_plugins(), *_tools(), *_compilers()]
    if is_json:
        _console.as_json([asdict(finding) for finding in findings])
    else:
        _console.table(("", "what", "found", "hint"), [(f.state, f.name, f.found, f.hint) for f in findings])
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Diagnosis]:
    is_new = sys.version_info >= (3, 10)
    yield Diagnosis("ok" if is_new else "broken", "python", f"{platform.python_version()}, {sys.executable}")
    yield Diagnosis("ok", "magik-core", __version__)


def _packages() -> Iterator[Diagnosis]:
    for module, name in MODULES.items():
        try:
            importlib.import_module(module)
            yield Diagnosis("ok", name, version(name))
        except PackageNotFoundError:
            yield Diagnosis("ok", name, "no version")
        except Exception as error:  # a broken binary package raises anything
            yield Diagnosis("broken", name, _cause(error), f"pip install --force-reinstall {name}")


def _library() -> Diagnosis:
    """The C runtime: found and loaded."""
    try:
        from magik_core import library

        library.library()
        return Diagnosis("ok", "C library", str(library.path()))
    except MagikError as error:
        return Diagnosis("broken", "C library", error.problems[0].found, error.problems[0].hint)
    except Exception as error:
        return Diagnosis("broken", "C library", _cause(error), "pip install --force-reinstall magik-core")


def _plugins() -> Iterator[Diagnosis]:
    loaded = plugins.load()
    for failure in loaded.failures:
        yield Diagnosis("broken", f"plugin {failure.source.distribution}", failure.cause, failure.hint)
    for kind in ("frontend", "quantizer", "soc"):
        names = ", ".join(item.name for item in loaded.items(kind))
        yield Diagnosis("ok" if names else "broken", f"{kind}s", names or "none")


def _tools() -> Iterator[Diagnosis]:
    for name, purpose in TOOLS.items():
        path = shutil.which(name)
        yield (
            Diagnosis("ok", name, path) if path else Diagnosis("missing", name, "not on PATH", f"only for {purpose}")
        )


def _compilers() -> Iterator[Diagnosis]:
    """Each has to compile and link a program that then runs: a compiler without its C library does not count."""
    from magik_core import toolchain

    yield _compiler("compiler for this machine", toolchain.host, "apt install g++")
    hint = "pip install ziglang, or apt install g++-mipsel-linux-gnu libc6-dev-mipsel-cross"
    yield _compiler("compiler for MIPS", toolchain.mips, hint)
    yield _counter()


def _compiler(name: str, choose: Callable[[], Toolchain], hint: str) -> Diagnosis:
    from magik_core import toolchain, tools

    try:
        chain = choose()
        if chain.name == "ziglang":
            _console.words(toolchain.ZIG_IS_SLOW)
        with tempfile.TemporaryDirectory() as folder:
            program = tools.hello(chain, Path(folder))
            if chain.is_mips and not chain.runner:
                return Diagnosis("ok", name, f"{chain.name}; no qemu-mipsel runs its programs", "apt install qemu-user")
            said = toolchain.run(chain, program).stdout.strip()
    except MagikError as error:
        problem = error.problems[0]
        detail = next((line for line in problem.found.splitlines() if "error" in line or "cannot" in line), "")
        return Diagnosis("missing", name, f"{problem.what}: {detail or problem.found}", hint)
    if said != "42":
        return Diagnosis("missing", name, f"{chain.name}: a program that it made prints {said!r}, not 42", hint)
    return Diagnosis("ok", name, f"{chain.name}: {' '.join(chain.cc)}")


def _counter() -> Diagnosis:
    """QEMU with the plugin that counts instructions."""
    from magik_core import qemu, toolchain, tools

    try:
        chain = toolchain.mips()
        with tempfile.TemporaryDirectory() as folder:
            count = qemu.instructions(chain, tools.hello(chain, Path(folder)))
    except MagikError as error:
        hint = error.problems[0].hint or "apt install qemu-user"
        return Diagnosis("missing", "instruction counter", error.problems[0].what, hint)
    return Diagnosis("ok", "instruction counter", f"{chain.runner[0]}, {count:,} instructions of a small program")


def _cause(error: Exception) -> str:
    first = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {first[0]}"
