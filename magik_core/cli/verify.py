"""magik verify OUT: prove that the model computes the same everywhere, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magik_core.cli import _console, _options, _progress
from magik_core.cli._colors import check_color
from magik_core.cli._feeds import feeds, frames
from magik_core.errors import LoadError, UsageError

if TYPE_CHECKING:
    from magik_core.digests import Golden
    from magik_core.net import Net
    from magik_core.proof import Proof


def command(
    model: Annotated[Path, typer.Argument(help="The model file, .bin or .mgk.", metavar="OUT")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="A file as `magik run` takes it; repeatable.", metavar="INPUT"),
    ] = None,
    random: Annotated[int | None, typer.Option(min=1, max=1000, help="Random inputs to run on.", metavar="N")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random inputs.", metavar="N")] = 0,
    color: _options.ImageColor = None,
    input_shape: _options.Shape = None,
    isa: Annotated[
        list[str] | None, typer.Option("--isa", help="Kernels of this kind only; repeatable.", metavar="NAME")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", help="Run there, and fail if that cannot be; repeatable.", metavar="host|mips|mips-msa"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Run on this board over ssh, not in QEMU.", metavar="USER@BOARD")
    ] = "",
    is_numpy: Annotated[bool, typer.Option("--numpy", help="Compare with the numpy definition too (slow).")] = False,
    is_saved: Annotated[bool, typer.Option("--save", help="Store inputs and digests beside OUT for later.")] = False,
    is_json: _options.Json = False,
) -> None:
    """Run a model everywhere and compare a digest of every layer; exit 1 and name the first that differs.

    Everywhere is: each kind of this computer's kernels, and builds for MIPS under QEMU. Stored digests
    (OUT.digests.json, from --save) are the reference where they lie beside the model and no input is given.

    A net with memory takes one or more frames along axis 0, or folders of frames, as `magik run` does; here each of
    them is a run of its own, from its states' start.

    Example: magik verify model.bin --target host --random 3
    """
    from magik_core import places, proof

    _check(target, isa, places.TARGETS)
    shapes = tuple(_options.config(None, None, INPUT_SHAPE=input_shape).input_shape)
    golden = _golden(model) if not (inputs or random or shapes or is_saved) else None
    shapes = golden.shapes if golden else shapes
    where = proof.Where(tuple(target or ()), tuple(isa or ()), host, is_numpy, shapes)
    loaded = places.load(model, None, shapes)
    check_color(loaded, color)
    samples = list(golden.inputs) if golden else _samples(loaded, inputs, color, random, seed)
    with _progress.progress(is_json) as progress:
        found = proof.prove(model, where, samples, golden=golden, progress=progress)
    saved = proof.save(found.golden, model) if is_saved and found.holds else None
    _show(found, is_json)
    if saved:
        _console.words(f"wrote {saved}")
    if not found.holds:
        raise typer.Exit(1)


def _check(targets: list[str] | None, isas: list[str] | None, known: tuple[str, ...]) -> None:
    from magik_core.library import ISAS

    for option, given, names in (("--target", targets, known), ("--isa", isas, ISAS)):
        for name in given or ():
            if name not in names:
                raise UsageError("there is no such choice", where=option, found=name, need=", ".join(names))


def _golden(model: Path) -> Golden | None:
    from magik_core import digests

    path = digests.path_of(model)
    if not path.exists():
        return None
    golden = digests.read(path)
    if not golden.inputs:
        raise LoadError("stored digests are empty", where=str(path), hint="magik verify --save makes them again")
    return golden


def _samples(net: Net, inputs: list[str] | None, color: str | None, random: int | None, seed: int) -> list[bytes]:
    """Stored inputs: of the files, then at random; one at random when nothing is asked for."""
    from magik_core import proof
    from magik_core.net import encode

    out = []
    if inputs:
        many = len(net.inputs) == 1
        for texts in [[text] for text in inputs] if many else [inputs]:
            given = frames(net, texts, color) if net.states else [feeds(net, texts, color)]
            out += [b"".join(encode(p, arrays[p.name]).tobytes() for p in net.inputs) for arrays in given]
    if random or not out:
        out += proof.random_inputs(net, random or 1, seed)
    return out


def _show(found: Proof, is_json: bool) -> None:
    for note in found.notes:
        _console.words(f"note: {note}", "yellow")
    if is_json:
        rows = [{**asdict(row), "result": row.result} for row in found.rows]
        _console.as_json({"holds": found.holds, "rows": rows, "notes": found.notes})
    else:
        _console.table(("where", "result"), [(row.where, row.result) for row in found.rows])
