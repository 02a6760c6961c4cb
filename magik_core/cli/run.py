"""magik run OUT INPUT…: run a model file on the PC, with the bits of the board."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magik_core.cli import _console, _options
from magik_core.errors import DataError, Problem, RunError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from magik_core.net import Net, Port


def command(
    model: Annotated[Path, typer.Argument(help="The model file to run.", metavar="OUT")],
    inputs: Annotated[
        list[str],
        typer.Argument(help=".npy, .npz, .bin or image; NAME=PATH when there are several inputs.", metavar="INPUT…"),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder, or a .npy for a single output.", metavar="PATH"),
    ] = None,
    is_quantized: Annotated[bool, typer.Option("--quantized", help="The board's integers, not reals.")] = False,
    color: Annotated[str, typer.Option(help="Channel order to load images in.", metavar="RGB|BGR|GRAY")] = "RGB",
    threads: _options.Threads = 1,
    is_json: _options.Json = False,
) -> None:
    """Run a model file and write its outputs as .npy, or print what they hold.

    Example: magik run model.bin photo.jpg -o outputs/
    """
    from magik_core import net
    from magik_core.images import COLORS

    if color not in COLORS:
        raise UsageError("there is no such channel order", where="--color", found=color, need=", ".join(COLORS))
    loaded = net.load(model, threads=threads)
    names = [value.name for value in loaded.outputs]
    if output is not None:
        _check_output(output, names)
    feeds = _feeds(loaded, inputs, color)
    results = loaded.run_quantized(feeds) if is_quantized else loaded.run(feeds)
    paths = {} if output is None else _write(output, {name: results[name] for name in names})
    _show(names, results, paths, is_json)


def _feeds(net: Net, texts: Sequence[str], color: str) -> dict[str, np.ndarray]:
    """One array for each input of the net.

    Raises: UsageError, DataError, RunError: all that is wrong with names; the first unreadable file.
    """
    ports = {value.name: value for value in net.inputs}
    named, problems = _names(texts, tuple(ports))
    feeds: dict[str, np.ndarray] = {}
    for name, path in named:
        if path.suffix.lower() == ".npz":
            feeds.update(_numpy(path).items())
        elif name in ports:
            feeds[name] = _array(path, ports[name], color)
    for name in feeds.keys() - ports.keys():
        problems.append(Problem("the model has no such input", name, need=f"one of: {', '.join(ports)}"))
    for name in ports.keys() - feeds.keys() - {problem.where for problem in problems}:
        problems.append(Problem("an input is missing", name, hint=f"add {name}=PATH"))
    if problems:
        raise RunError(problems=problems)
    return feeds


def _names(texts: Sequence[str], known: Sequence[str]) -> tuple[list[tuple[str, Path]], list[Problem]]:
    """Which input each argument is for: `NAME=PATH`, or a path when there is one input."""
    out: list[tuple[str, Path]] = []
    problems: list[Problem] = []
    for text in texts:
        name, equals, path = text.partition("=")
        if equals and (name in known or not Path(text).exists()):
            if name in [taken for taken, _ in out]:
                problems.append(Problem("an input is given twice", name, need="one file for it"))
            out.append((name, Path(path)))
            if name not in known:
                problems.append(Problem("the model has no such input", name, need=f"one of: {', '.join(known)}"))
        elif text.lower().endswith(".npz"):
            out.append(("", Path(text)))
        elif len(known) == 1 and not out:
            out.append((known[0], Path(text)))
        else:
            need = "NAME=PATH for each input" if len(known) > 1 else "one file for the one input"
            problems.append(Problem("which input is this file for?", text, need=f"{need}: {', '.join(known)}"))
    return out, problems


def _array(path: Path, port: Port, color: str) -> Any:
    if path.suffix.lower() == ".npy":
        return _numpy(path)
    from magik_core import data_files, samples

    shape = port.shape
    is_nhwc = len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)
    return samples.load_file(path, data_files.InputSpec(port.name, shape, color, is_nhwc))


def _numpy(path: Path) -> Any:
    import zipfile

    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        need = "an array saved with numpy.save or numpy.savez, without pickled objects"
        raise DataError("not a numpy file", where=str(path), found=str(error), need=need) from None


def _check_output(output: Path, names: Sequence[str]) -> None:
    if output.suffix == ".npy" and len(names) != 1:
        raise UsageError(
            "one file cannot hold several outputs",
            where=str(output),
            found=f"{len(names)} outputs: {', '.join(names)}",
            need="a folder",
            hint=f"pass -o {output.with_suffix('')}",
        )


def _write(output: Path, results: Mapping[str, np.ndarray]) -> dict[str, Path]:
    """Write all outputs or none; an old file is replaced whole or not at all."""
    import numpy as np

    from magik_core import pack

    is_file = output.suffix == ".npy"
    folder = output.parent if is_file else output
    paths: dict[str, Path] = {}
    files: dict[Path, bytes] = {}
    for name, array in results.items():
        path = output if is_file else folder / f"{_unused(re.sub(r'[^A-Za-z0-9_.-]', '_', name), paths)}.npy"
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        files[path] = content.getvalue()
        paths[name] = path
    pack.write(files)
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
