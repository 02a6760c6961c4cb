"""magik build OUT: from a model file to the program that runs on the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magik_core.cli import _console, _options, _progress
from magik_core.errors import UsageError

if TYPE_CHECKING:
    from magik_core.build import Built

SAMPLE = "Sample program"


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
    labels: Annotated[
        Path | None, typer.Option(help="Names of the classes, one a line.", metavar="FILE", rich_help_panel=SAMPLE)
    ] = None,
    anchors: Annotated[
        str,
        typer.Option(help="Of YOLO heads, in their order.", metavar="W,H,W,H…", rich_help_panel=SAMPLE),
    ] = "",
    detector: Annotated[
        str, typer.Option(help="Formula of YOLO heads.", metavar="yolov3|yolov5", rich_help_panel=SAMPLE)
    ] = "yolov5",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Least score of a box.", metavar="N", rich_help_panel=SAMPLE)
    ] = 0.5,
    background: Annotated[
        int | None,
        typer.Option(min=-1, help="Class that is no object, -1 for none.", metavar="N", rich_help_panel=SAMPLE),
    ] = None,
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
    options = Options(target, ops, cross_compile, libtype, build_type, compiles, sample, details)
    with _progress.progress(is_json) as progress:
        _show(build(model, output, options, progress=progress), is_json)


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
