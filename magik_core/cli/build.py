"""magik build OUT: from a model file to the program that runs on the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magik_core.cli import _console, _options, _progress
from magik_core.errors import UsageError

if TYPE_CHECKING:
    from magik_core.build import Built

SAMPLE = "Sample program"


def _sample(name: str, say: str, metavar: str, **limits: Any) -> Any:
    return typer.Option(name, help=say, metavar=metavar, rich_help_panel=SAMPLE, **limits)


Labels = Annotated[Path | None, _sample("--labels", "Names of the classes, one a line.", "FILE")]
Anchors = Annotated[str, _sample("--anchors", "Of YOLO heads, in their order.", "W,H,W,H…")]
Detector = Annotated[str, _sample("--detector", "Formula of YOLO heads.", "yolov3|yolov5")]
Threshold = Annotated[float, _sample("--threshold", "Least score of a box.", "N", min=0, max=1)]
Background = Annotated[int | None, _sample("--background", "Class that is no object, -1 for none.", "N", min=-1)]


def command(
    model: Annotated[Path, typer.Argument(help="The model file, with or without its suffix.", metavar="OUT")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; OUT_board by default.", metavar="FOLDER")
    ] = None,
    target: Annotated[str, typer.Option(help="What it is for.", metavar="mips|mips-msa|host")] = "mips",
    ops: Annotated[str, typer.Option(help="Kernels: the model's own, or all.", metavar="model|all")] = "model",
    cross_compile: Annotated[
        str, typer.Option(help="Prefix of a toolchain, as /opt/mips/bin/mips-linux-gnu-.", metavar="PREFIX")
    ] = "",
    libtype: Annotated[str, typer.Option(help="C library of the toolchain.", metavar="muclibc|glibc|musl")] = "",
    build_type: Annotated[str, typer.Option(help="Variant.", metavar="release|profile|debug|nmem")] = "release",
    compiles: Annotated[bool, typer.Option("--compile/--no-compile", help="Compile it, or write it only.")] = True,
    sample: Annotated[
        str,
        typer.Option(
            help="What the sample program makes of the outputs; by default what they look like.",
            metavar="classification|detection|yolo|raw",
            rich_help_panel=SAMPLE,
        ),
    ] = "",
    labels: Labels = None,
    anchors: Anchors = "",
    detector: Detector = "yolov5",
    threshold: Threshold = 0.5,
    background: Background = None,
    is_json: _options.Json = False,
) -> None:
    """Write a folder with the model, the runtime's sources, a sample program and a Makefile, and compile it.

    The compiler is that of --cross-compile or CROSS_COMPILE, Debian's mipsel-linux-gnu-g++, or zig
    (pip install ziglang).

    Example: magik build model.bin -o board --no-compile
    """
    from magik_core import board_sample
    from magik_core.build import Options, build

    if libtype not in ("", "muclibc", "glibc", "musl"):
        raise UsageError("there is no such C library", where="--libtype", found=libtype, need="muclibc, glibc, musl")
    details = board_sample.Sample(
        sample,
        board_sample.read_labels(labels) if labels else (),
        _numbers(anchors),
        detector,
        threshold,
        background=background,
    )
    options = Options(target, ops, cross_compile, libtype, build_type, compiles, details)
    with _progress.progress(is_json) as progress:
        _show(build(model, output, options, progress=progress, say=_console.words), is_json)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(",")) if text else ()
    except ValueError:
        raise UsageError("not a list of numbers", where="--anchors", found=text, need="W,H,W,H…") from None


def _show(built: Built, is_json: bool) -> None:
    values = {
        "folder": str(built.folder),
        "sample": built.task,
        "kernels": list(built.kernels),
        "toolchain": built.toolchain or None,
        "program": str(built.program) if built.program else None,
        "library": str(built.library) if built.library else None,
        "notes": list(built.notes),
    }
    if is_json:
        _console.as_json(values)
        return
    rows = [
        (name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in values.items() if value
    ]
    rows += [
        (f"{key} size", _console.nbytes(Path(str(values[key])).stat().st_size))
        for key in ("program", "library")
        if values[key]
    ]
    _console.table(("", ""), rows, has_header=False)
