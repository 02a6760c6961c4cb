"""magik profile OUT: what each layer costs here, on MIPS, and about how long a chip takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magik_core.cli import _console, _options

if TYPE_CHECKING:
    from magik_core.profiling import Layer, Profile

COLUMNS = ("#", "layer", "kernel", "kind", "MACs", "bytes", "time us", "%", "instructions", "per MAC", "estimate us")
SPARE = ("kind", "kernel", "bytes", "per MAC", "%")  # that a narrow terminal does without, in this order


def command(
    model: Annotated[Path, typer.Argument(help="The model file, .bin or .mgk.", metavar="OUT")],
    repeat: Annotated[int, typer.Option(min=1, max=100_000, help="Runs; times are medians of them.", metavar="N")] = 20,
    threads: _options.Threads = 1,
    mips: Annotated[
        bool | None,
        typer.Option("--mips/--no-mips", help="Count instructions on MIPS; by default where the tools are here."),
    ] = None,
    soc: Annotated[str | None, typer.Option("--soc", help="Estimate the time on this chip.", metavar="NAME")] = None,
    ipc: Annotated[
        float, typer.Option("--ipc", min=0.01, max=16, help="Instructions per cycle to assume of it.", metavar="N")
    ] = 1.0,
    html: _options.Html = None,
    is_json: _options.Json = False,
) -> None:
    """Measure each layer: MACs, bytes, time on this computer, instructions on MIPS; estimate a chip's time.

    Times are of this computer's fastest kernels. Instructions are those of the scalar MIPS build, counted
    under QEMU: exact for one compiler, the same on every computer.

    Example: magik profile model.mgk --no-mips --repeat 50
    """
    from magik_core import plugins, profiling

    page = _options.page(html, model)
    chip = None if soc is None else plugins.load().soc(soc)
    found = profiling.profile(
        model,
        repeat=repeat,
        threads=threads,
        mips=mips,
        soc=chip,
        instructions_per_cycle=ipc,
        needs_program=page is not None,
    )
    if page is not None:
        _write(page, found)
    if is_json:
        typer.echo(found.to_json())
    else:
        _show(found)
    for note in found.notes:
        _console.words(f"note: {note}", "dim")
    if page is not None:
        _console.words(f"wrote {page}")


def _write(html: Path, found: Profile) -> None:
    from magik_core import files, profiling
    from magik_core.html import render

    assert found.description is not None
    files.write({html: render(found.description, profiling.series(found)).encode()})


def _show(found: Profile) -> None:
    rows = [_cells(str(i), layer.name, layer, found.nanoseconds) for i, layer in enumerate(found.layers)]
    _console.table(COLUMNS, [*rows, _total(found)], spare=SPARE)
    runs, threads = _console.many(found.repeat, "run"), _console.many(found.threads, "thread")
    _console.words(f"time: median of {runs} of each layer on this computer, {threads}")
    if found.compiler:
        _console.words(f"instructions: of the program that {found.compiler} makes")
    if found.seconds is not None:
        _console.words(f"estimate for {found.soc}: {found.estimate}")


def _cells(number: str, name: str, layer: Layer, total: int) -> tuple[str, ...]:
    return (
        number,
        name,
        layer.kernel,
        layer.isa,
        _count(layer.macs),
        _count(layer.nbytes),
        f"{layer.nanoseconds / 1000:,.1f}",
        f"{layer.nanoseconds / max(total, 1):.1%}",
        _count(layer.instructions),
        _ratio(layer.instructions, layer.macs),
        _micro(layer.seconds),
    )


def _total(found: Profile) -> tuple[str, ...]:
    sums = (_count(found.macs), _count(found.nbytes), f"{found.nanoseconds / 1000:,.1f}", "100%")
    rest = (_count(found.instructions), _ratio(found.instructions, found.macs), _micro(found.seconds))
    return ("", "all", "", "", *sums, *rest)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _ratio(instructions: int | None, macs: int | None) -> str:
    return f"{instructions / macs:.2f}" if instructions is not None and macs else ""


def _micro(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.0f}"
