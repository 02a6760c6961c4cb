"""The files that a conversion writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from magik_core import files, net, pack
from magik_core.errors import UsageError
from magik_core.header import as_header
from magik_core.plan import Plan
from magik_core.program import Program

SUFFIXES = {".bin": "board", ".mgk": "pc", ".mk.h": "header"}  # the header is the board's file as a C array


def targets(output: str | Path, reads: Iterable[str | Path] = ()) -> tuple[Path, ...]:
    """The files to write.

    Args:   reads: what the conversion reads.
    Raises: UsageError: the output is a folder. PackError: one of them cannot be made there.
    """
    path = Path(output)
    if path.is_dir():
        need, hint = "a file, with or without a suffix", f"pass -o {path / 'model.bin'}"
        raise UsageError("the output is a folder", where="--output", found=str(output), need=need, hint=hint)
    base = _base(path)
    paths = tuple(base.with_name(base.name + suffix) for suffix in SUFFIXES)
    files.check_outputs(paths, reads=reads)
    return paths


def write(program: Program, placed: Plan, paths: tuple[Path, ...]) -> None:
    """The model files of a program; nothing where there are no paths."""
    if paths:
        write_as(program, placed, _base(paths[0]).name, dict(zip(paths, SUFFIXES.values(), strict=True)))


def write_as(program: Program, placed: Plan, name: str, kinds: Mapping[Path, str]) -> None:
    """Write all files or none, each "board", "header" or "pc"; `name` is the array's in the header.

    Raises: PackError: one of them cannot be written, or the runtime would refuse the model.
    """
    board = pack.pack(program, placed, names=False)
    net.check_loads(board, [step.name for step in program.steps])
    data: dict[str, Callable[[], bytes | Iterator[bytes]]] = {
        "board": lambda: board,
        "header": lambda: as_header(board, name),
        "pc": lambda: pack.pack(program, placed, names=True),
    }
    files.write({path: data[kind]() for path, kind in kinds.items()})


def name(paths: Sequence[Path], model: object) -> str:
    """Of the program: the output's, or the model's."""
    return _base(paths[0]).name if paths else stem(model)


def stem(model: object, *, keep: bool = False) -> str:
    """What a model is called; `keep` leaves a path whole."""
    if isinstance(model, (str, Path)):
        return str(model) if keep else Path(model).stem
    return (model.graph.name if isinstance(model, ir.Model) else type(model).__name__) or "model"


def _base(path: Path) -> Path:
    for suffix in SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return path.with_name(path.name[: -len(suffix)])
    return path
