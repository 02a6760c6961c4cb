"""magik run OUT INPUT…: run a model file on the PC, with the bits of the board."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magik_core.cli import _console, _options
from magik_core.cli._colors import check_color
from magik_core.cli._feeds import feeds, frames
from magik_core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def command(
    model: Annotated[Path, typer.Argument(help="The model file to run.", metavar="OUT")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            help=".npy, .npz, .bin or image, a folder of frames; NAME=PATH when there are several inputs.",
            metavar="INPUT…",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder, or a .npy for a single output.", metavar="PATH"),
    ] = None,
    is_quantized: Annotated[bool, typer.Option("--quantized", help="The board's integers, not reals.")] = False,
    color: _options.ImageColor = None,
    threads: _options.Threads = 1,
    is_json: _options.Json = False,
) -> None:
    """Run a model file and write its outputs as .npy, or print what they hold.

    A net with memory runs over all frames of its inputs in order, from its states' start on: each input is a file of
    one or more frames along axis 0, or a folder of such files. Its outputs have one row for each frame.

    Example: magik run model.bin photo.jpg -o outputs/
    """
    from magik_core import net

    loaded = net.load(model, threads=threads)
    check_color(loaded, color)
    names = [value.name for value in loaded.outputs]
    if output is not None:
        _check_output(output, names)
    run = loaded.run_quantized if is_quantized else loaded.run
    results = _stream(run, frames(loaded, inputs, color)) if loaded.states else run(feeds(loaded, inputs, color))
    paths = (
        {} if output is None else _write(output, {name: results[name] for name in names}, [model, *_read_from(inputs)])
    )
    _show(names, results, paths, is_json)


def _stream(run: Run, given: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The outputs of every frame, along a new axis 0."""
    import numpy as np

    rows = [run(frame) for frame in given]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _read_from(inputs: Sequence[str]) -> list[Path]:
    """What arguments may name: `PATH` or `NAME=PATH`."""
    return [Path(path) for text in inputs for path in (text, text.partition("=")[2]) if path]


def _check_output(output: Path, names: Sequence[str]) -> None:
    if output.suffix == ".npy" and len(names) != 1:
        raise UsageError(
            "one file cannot hold several outputs",
            where=str(output),
            found=f"{len(names)} outputs: {', '.join(names)}",
            need="a folder",
            hint=f"pass -o {output.with_suffix('')}",
        )


def _write(output: Path, results: Mapping[str, np.ndarray], reads: Iterable[Path]) -> dict[str, Path]:
    """Write all outputs or none, and none over what was read; an old file is replaced whole or not at all."""
    import numpy as np

    from magik_core import files

    is_file = output.suffix == ".npy"
    folder = output.parent if is_file else output
    paths: dict[str, Path] = {}
    contents: dict[Path, bytes] = {}
    for name, array in results.items():
        path = output if is_file else folder / f"{_unused(re.sub(r'[^A-Za-z0-9_.-]', '_', name), paths)}.npy"
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        contents[path] = content.getvalue()
        paths[name] = path
    files.check_outputs(contents, reads=reads)
    files.write(contents)
    return paths


def _unused(stem: str, paths: Mapping[str, Path]) -> str:
    """`stem`, numbered where another output's name became the same file name."""
    taken = {path.stem for path in paths.values()}
    number = 1
    out = stem
    while out in taken:
        number += 1
        out = f"{stem}_{number}"
    return out


def _show(names: Sequence[str], results: Mapping[str, np.ndarray], paths: Mapping[str, Path], is_json: bool) -> None:
    rows = [
        {
            "name": name,
            "shape": list(results[name].shape),
            "dtype": str(results[name].dtype),
            "min": results[name].min().item() if results[name].size else None,
            "max": results[name].max().item() if results[name].size else None,
            "path": str(paths[name]) if name in paths else None,
        }
        for name in names
    ]
    if is_json:
        _console.as_json({"outputs": rows})
        return
    columns = ("name", "shape", "dtype", "min", "max", "path")
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    _console.table(columns, cells)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "x".join(map(str, value)) or "scalar"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
