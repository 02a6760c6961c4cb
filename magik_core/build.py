"""Build a board program: a folder with the model, the runtime's sources, a sample and a Makefile, compiled."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from magik_core import __version__, board_sample, kernels, makefile, net, proof, toolchain
from magik_core.board_sample import Sample
from magik_core.errors import BuildError, LoadError, UsageError
from magik_core.kernels import RUNTIME, Source
from magik_core.makefile import BUILD_TYPES, Unit
from magik_core.progress import Progress, silent
from magik_core.toolchain import Toolchain

TARGETS = ("mips", "mips-msa", "host")
MANIFEST = "build.json"
PRODUCTS = re.compile(  # what the Makefile makes
    r"obj/.+\.o|lib/\w+/lib(venus|aip|drivers)(\.\w)?\.(a|so)|"
    rf"venus_\w+_bin_(uclibc|glibc|musl)_({'|'.join(BUILD_TYPES)})"
)


@dataclass(frozen=True)
class Options:
    """How to build.

    Args:
        target: of TARGETS; ops: "model": the kernels that the model names, or "all".
        cross_compile: prefix of a toolchain; libtype: its C library, empty for what the toolchain has.
        build_type: of BUILD_TYPES; compiles: False: only write the sources.
        sample: the program.
    """

    target: str = "mips"
    ops: str = "model"
    cross_compile: str = ""
    libtype: str = ""
    build_type: str = "release"
    compiles: bool = True
    sample: Sample = field(default_factory=Sample)


@dataclass(frozen=True)
class Built:
    """What was made: the program and the library are None when nothing was compiled."""

    folder: Path
    task: str
    kernels: tuple[str, ...]
    toolchain: str = ""
    program: Path | None = None
    library: Path | None = None
    notes: tuple[str, ...] = ()


def build(
    model: str | Path,
    folder: str | Path | None = None,
    options: Options = Options(),
    *,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> Built:
    """Write a folder and compile it: all of it or nothing.

    Args:   model: a .bin or .mgk, or its path without suffix; folder: by default `<model>_board` beside it.
            say: is told what takes long.
    Raises: LoadError: the model file is refused. BuildError: there is no compiler, it refuses a file, the folder
            holds what was not made by this function, or the sample does not fit the model. UsageError: `options`
            has a value that there is not.
    """
    path = find(Path(model))
    out = Path(folder) if folder is not None else path.with_name(f"{path.stem}_board")
    _check(options)
    _check_folder(out)
    chain = _chain(options)
    loaded = net.load(path)
    sample = replace(options.sample, task=board_sample.choose(loaded, options.sample))
    named = tuple(dict.fromkeys(loaded.kernels))
    files, units = _files(path, loaded, sample, options.target, None if options.ops == "all" else named)
    files |= _instructions(_name(path), sample, options, chain, units)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _write(part, files)
        products: tuple[Path, ...] = ()
        if chain is not None:
            if chain.name == "ziglang":
                say(toolchain.ZIG_IS_SLOW)
            products = _compile(chain, part, _name(path), units, options, progress)
        _put(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    program, library = (out / p for p in products) if products else (None, None)
    return Built(out, sample.task, named, chain.name if chain else "", program, library, _notes(loaded))


def find(path: Path) -> Path:
    """A model file by its path, with or without suffix."""
    for candidate in (path, *(Path(f"{path}{suffix}") for suffix in (".bin", ".mgk") if path.name)):
        if candidate.is_file():
            return candidate
    raise LoadError("a model file cannot be read", where=str(path), found="no such file", need="a .bin or .mgk")


def _check(options: Options) -> None:
    for key, option, value, known in (
        ("target", "--target", options.target, TARGETS),
        ("choice of kernels", "--ops", options.ops, ("model", "all")),
        ("build type", "--build-type", options.build_type, tuple(BUILD_TYPES)),
    ):
        if value not in known:
            raise UsageError(f"there is no such {key}", where=option, found=value, need=", ".join(known))
    board_sample.check(options.sample)


def _check_folder(folder: Path) -> None:
    """Only what this module wrote, and what the Makefile makes of it, may be replaced."""
    hint = "pass -o FOLDER with a new one"
    if folder.name in ("", ".."):
        raise BuildError("a folder without a name cannot be replaced", where=str(folder), need="a name", hint=hint)
    if folder.is_symlink():
        found, need = f"to {os.readlink(folder)}", "a folder that can be replaced, or none"
        raise BuildError("the folder is a link", where=str(folder), found=found, need=need, hint=hint)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        made = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, LookupError, TypeError):
        need = "a new or empty folder, or one that magik build made"
        raise BuildError("the folder holds something else", where=str(folder), need=need, hint=hint) from None
    changed = []
    for path in sorted(p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST or (PRODUCTS.fullmatch(name) and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file() or made.get(name) != zlib.crc32(path.read_bytes()):
            changed.append(name)
    if changed:
        found = ", ".join(changed[:8])
        raise BuildError("the folder holds files of yours", where=str(folder), found=found, hint=hint)


def _chain(options: Options) -> Toolchain | None:
    if not options.compiles:
        return None
    if options.target == "host":
        return toolchain.host()
    chain = toolchain.mips(msa=options.target == "mips-msa", cross_compile=options.cross_compile or None)
    return toolchain.with_flags(chain, *makefile.libtype_flags(options.libtype or makefile.libtype_of(chain)))


def _name(model: Path) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", model.stem).strip("_") or "model"


def _machine(target: str) -> str:
    import platform

    return platform.machine() if target == "host" else target


def _files(
    model: Path, loaded: net.Net, sample: Sample, target: str, only: Collection[str] | None
) -> tuple[dict[str, bytes], list[Unit]]:
    """Contents by path below the folder, and the sources among them that the library is made of."""
    name = _name(model)
    out: dict[str, bytes] = {f"{name}.bin": _stripped(model)}
    ops = None if only is None else {kernels.parts_of(kernel)[0] for kernel in only}
    listed = kernels.sources(_machine(target), ops)
    units = [Unit("table.c"), Unit("port/threads.c")]
    out["src/table.c"] = kernels.table(listed, only).encode()
    out["src/empty.c"] = (
        b"/* The libraries that vendors' Makefiles link beside libvenus are empty. */\ntypedef int empty;\n"
    )
    for source in listed:
        place = "ops" if source.path.parent.name == "ops" else "core"
        units.append(Unit(f"{place}/{source.path.name}", source.flags))
        out[f"src/{units[-1].path}"] = source.path.read_bytes()
    for source in kernels.cxx_sources(_machine(target)):
        units.append(Unit(f"cxx/{source.path.name}", source.flags))
        out[f"src/{units[-1].path}"] = source.path.read_bytes()
    for place, below in (("core", "src"), ("cxx", "cxx/src"), ("port", "port")):
        out |= {f"src/{place}/{p.name}": p.read_bytes() for p in sorted((RUNTIME / below).glob("*.h"))}
    out["src/port/threads.c"] = (RUNTIME / "port" / "threads.c").read_bytes()
    for root in (RUNTIME / "cxx" / "include", RUNTIME / "include"):
        out |= {f"include/{p.relative_to(root).as_posix()}": p.read_bytes() for p in sorted(root.rglob("*.h"))}
    program = makefile.program_of(name, "glibc", "release")
    out["sample.cc"] = board_sample.source(loaded, sample, name, program).encode()
    return out, units


def _instructions(
    name: str, sample: Sample, options: Options, chain: Toolchain | None, units: list[Unit]
) -> dict[str, bytes]:
    """The Makefile and the README: how the folder is compiled, by which toolchain."""
    default = "" if options.target == "host" else makefile.defaults(chain, options.cross_compile, options.libtype)
    return {
        "Makefile": makefile.text(name, options.target, units, default).encode(),
        "README.md": _readme(name, sample, options, chain).encode(),
    }


def _stripped(model: Path) -> bytes:
    """The bytes of the board's model file."""
    from magik_core import pack

    found = proof.stored(model) if model.suffix == ".mgk" else None
    return pack.pack(*found, names=False) if found else model.read_bytes()


def _readme(name: str, sample: Sample, options: Options, chain: Toolchain | None) -> str:
    libtype = options.libtype or (makefile.libtype_of(chain) if chain else "glibc")
    return f"""# {name} on a board

- `{name}.bin`: the model
- `sample.cc`: a program for it ({sample.task}); yours to change
- `src/`, `include/`: the runtime and its C++ API, for target {options.target}
- `Makefile`: `make`, `make build_type=profile`, `make CROSS_COMPILE=mips-linux-gnu- libtype=muclibc`; its first lines
  say more
- `lib/`: libvenus for a program of your own; `libaip` and `libdrivers` are empty

`{makefile.program_of(name, libtype, options.build_type)} {name}.bin picture.ppm` prints what the model finds.

## A program of your own

`own.cc` is C++ against `include/venus.h`, `own.c` is C against `include/magik/magik.h`.
{_own(libtype, options, chain)}
`{MANIFEST}` lists the files as magik build wrote them: it does not overwrite a folder in which one was changed.
"""


def _own(libtype: str, options: Options, chain: Toolchain | None) -> str:
    """How a user's program is compiled."""
    if chain is None:
        return "Nothing is compiled yet: after `make`, `make flags` prints the command lines.\n"
    cxx, c, *mark = makefile.own_lines(chain, libtype, options.build_type)
    why = "and then, for the C library has the older NaNs, which the kernels never make"
    after = "".join(f"\n{why}:\n\n    {line}\n" for line in mark)
    return f"""In this folder, with the compiler that made the library, C++ and C:

    {cxx}
    {c}
{after}
`make flags` prints the same for the variables that `make` is given.
"""


def _notes(loaded: net.Net) -> tuple[str, ...]:
    image = [port for port in loaded.inputs if port.color]
    out = [
        f"input '{port.name}' does not take pixels as they are (scale {port.scale:g}, zero point {port.zero_point:g}): "
        "convert with --mean and --normal"
        for port in image
        if port.quant is not None and (port.scale, port.zero_point) != (1.0, 0.0)
    ]
    return tuple(out)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    crcs = {name: zlib.crc32(data) for name, data in sorted(files.items())}
    manifest = json.dumps({"magik": __version__, "files": crcs}, indent=1) + "\n"
    for name, data in {**files, MANIFEST: manifest.encode()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _compile(
    chain: Toolchain, folder: Path, name: str, units: list[Unit], options: Options, progress: Progress
) -> tuple[Path, Path]:
    """Compile the library and the sample; their paths below the folder."""
    suffix, defines = BUILD_TYPES[options.build_type]
    libtype = options.libtype or makefile.libtype_of(chain)
    lib = folder / "lib" / makefile.kind_of(libtype)
    lib.mkdir(parents=True)
    is_static = "-static" in chain.link_flags
    flags = defines if is_static else ("-fPIC", *defines)
    includes = tuple(f"-I{folder / path}" for path in makefile.INCLUDES)
    with tempfile.TemporaryDirectory() as temporary:
        obj = Path(temporary)
        objects: list[Path] = []
        groups = sorted({unit.path.rpartition("/")[0] for unit in units})
        for group in groups:  # files of two groups may have the same name
            progress("compile", len(objects), len(units))
            (obj / group).mkdir(exist_ok=True)
            own = [u for u in units if u.path.rpartition("/")[0] == group]
            sources = [Source(folder / "src" / u.path, u.flags) for u in own]
            objects += toolchain.compile_all(chain, sources, obj / group, flags, includes)
        library = toolchain.archive(chain, objects, lib / f"libvenus{suffix}.a")
        empty = toolchain.compile_all(chain, [Source(folder / "src" / "empty.c")], obj, flags, includes)
        for other in makefile.LIBRARIES:
            toolchain.archive(chain, empty, lib / f"lib{other}.a")
        sample = toolchain.compile_all(chain, [Source(folder / "sample.cc")], obj, flags, includes)
        program = folder / makefile.program_of(name, libtype, options.build_type)
        toolchain.link(chain, [*sample, library], program, ("-s",))
        if not is_static:
            shared = {f"libvenus{suffix}.so": objects} | {f"lib{other}.so": empty for other in makefile.LIBRARIES}
            for file, of in shared.items():
                toolchain.link(chain, of, lib / file, ("-shared", "-s"))
        progress("compile", len(units), len(units))
    return program.relative_to(folder), library.relative_to(folder)


def _put(part: Path, folder: Path) -> None:
    """Rename the finished folder to its place; an old one goes when the new one is there."""
    part.chmod(0o755)
    if not folder.exists():
        part.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    folder.rename(old / "folder")
    try:
        part.rename(folder)
    except BaseException:
        if not folder.exists():
            (old / "folder").rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
