"""magik compare A B: two folders of dumped layers, and the first that differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magik_core.cli import _console, _options

if TYPE_CHECKING:
    from magik_core.compare import Comparison
    from magik_core.compare_layer import Layer

COLUMNS = ("layer", "as", "numbers", "differ", "largest", "cosine", "SQNR", "looks like")


def command(
    a: Annotated[Path, typer.Argument(help="A folder of dumps, the reference, or one file.", metavar="A")],
    b: Annotated[Path, typer.Argument(help="The other one.", metavar="B")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="The .mgk: names, order and shapes of layers, the meaning of codes.", metavar="FILE"
        ),
    ] = None,
    codes: Annotated[int, typer.Option(min=0, help="Codes that may be apart.", metavar="N")] = 0,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Reals may be apart by this share of the layer's largest.", metavar="SHARE")
    ] = 0.0,
    is_json: _options.Json = False,
) -> None:
    """Compare dumped layers of two runs, say which differs first and what that looks like.

    Exit with 1 if a layer of A differs, or B does not have it.

    The folders are those of `magik debug`, of a board's debug library or of MAGIK_CPP_DUMPDATA=true.

    Example: magik compare magik_dump_path/ptq_model board/ --model model.mgk
    """
    from magik_core.compare import compare
    from magik_core.compare_layer import Limits

    found = compare(a, b, model=model, limits=Limits(codes, tolerance))
    if is_json:
        _console.as_json(found.to_json())
    else:
        _show(found)
    if not found.is_equal:
        raise typer.Exit(1)


def _show(found: Comparison) -> None:
    _console.table(COLUMNS, [_row(layer) for layer in found.layers], spare=("numbers", "SQNR"))
    for warning in found.warnings:
        _console.words(f"warning: {warning}", "yellow")
    _console.words(f"A: {found.a}, B: {found.b}; in the order of {found.order}", "dim")
    for which, names in (("A", [n for n in found.only_a if n not in found.missing]), ("B", found.only_b)):
        if names:
            _console.words(f"only in {which}: {', '.join(names)}", "yellow")
    meanings = [f"{layer.name}: {layer.meaning}" for layer in found.layers if layer.meaning.startswith("best fit")]
    for line in meanings:
        _console.words(f"codes of {line}", "dim")
    differing = sum(not layer.is_equal for layer in found.layers)
    if found.missing:
        count = _console.many(len(found.missing), "layer")
        _console.words(f"missing in B: {count} of A: {', '.join(found.missing)}", "red")
    if found.is_equal:
        _console.words(f"equal: {_console.many(len(found.layers), 'layer')}", "green")
    if found.first is None:
        return
    first = found.first
    at = f", {first.first}" if first.first else ""
    _console.words(f"{differing} of {_console.many(len(found.layers), 'layer')} differ; first: {first.name}{at}", "red")
    _console.words(f"it looks like {first.looks_like}")


def _row(layer: Layer) -> tuple[str, ...]:
    if layer.kind == "sizes":
        return layer.name, "", "", "", "", "", "", layer.looks_like
    cosine = "" if layer.cosine is None else f"{layer.cosine:.6f}"
    sqnr = "" if layer.sqnr is None else f"{layer.sqnr:.1f}"
    numbers = f"{layer.count}", f"{layer.differing}", f"{layer.largest:.6g}"
    return layer.name, layer.kind, *numbers, cosine, sqnr, layer.looks_like or "equal"
