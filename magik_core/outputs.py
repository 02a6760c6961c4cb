"""The files that a conversion writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx_ir as ir

from magik_core import net, pack
from magik_core.errors import UsageError
from magik_core.plan import Plan
from magik_core.program import Program

SUFFIXES = (".bin", ".mgk", ".mk.h")  # the board's file, the PC's, the board's as a C array


def targets(output: str | Path) -> tuple[Path, ...]:
    """The files to write.

    Raises: UsageError: the output is a folder. PackError: one of them cannot be made there.
    """
    path = Path(output)
    if path.is_dir():
        need, hint = "a file, with or without a suffix", f"pass -o {path / 'model.bin'}"
        raise UsageError("the output is a folder", where="--output", found=str(output), need=need, hint=hint)
    base = _base(path)
    paths = tuple(base.with_name(base.name + suffix) for suffix in SUFFIXES)
    pack.check_outputs(paths)
    return paths


def write(program: Program, placed: Plan, paths: tuple[Path, ...]) -> None:
    """The model files of a program; nothing where there are no paths."""
    if paths:
        board = pack.pack(program, placed, names=False)
        net.check_loads(board, [step.name for step in program.steps])
        header = pack.as_header(board, _base(paths[0]).name)
        pack.write(dict(zip(paths, (board, pack.pack(program, placed, names=True), header), strict=True)))


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
