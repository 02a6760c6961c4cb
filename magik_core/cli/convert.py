"""magik convert MODEL -o OUT: quantize a model and write what the board runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magik_core.cli import _asked, _console, _options, _progress
from magik_core.cli.debug import table
from magik_core.progress import Progress

if TYPE_CHECKING:
    from magik_core.result import Result


@_asked.options
def command(
    model: _options.Model,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Model file to write.", metavar="OUT")] = None,
    *,
    asked: _asked.Quantized,
    is_float: Annotated[
        bool, typer.Option("--float", help="Quantize nothing: the reference to debug against.")
    ] = False,
    is_equalized: Annotated[
        bool, typer.Option("--equalize", help="Equalize the ranges of neighboring layers' channels first.")
    ] = False,
    balances: Annotated[
        bool, typer.Option("--balance/--no-balance", help="Shift weak channels in front of depthwise convolutions.")
    ] = True,
    corrects_bias: Annotated[
        bool, typer.Option("--correct-bias/--no-correct-bias", help="Make up for the weights' rounding in the biases.")
    ] = True,
    threads: _options.SomeThreads = None,
    is_verbose: _options.Verbose = False,
    is_json: _options.Json = False,
) -> None:
    """Quantize a model and write what the board runs.

    Example: magik convert model.onnx -o model.bin --soc T41 --calib images/ --mean 127 --normal 128
    """
    chosen, bound = asked.chosen(), asked.bound()
    notes = _console.note if is_verbose else _console.silent
    from magik_core import pipeline

    recipe = chosen.recipe(is_float=is_float)
    recipe = replace(recipe, equalize=is_equalized, balance=balances, correct_bias=corrects_bias)
    given: Mapping[str, Any] = {"config": chosen, "recipe": recipe, "constants": bound, "notes": notes}
    with _progress.progress() as shown:
        progress = shown if output is not None else _said_first("no model file is written without -o OUT", shown)
        result = pipeline.convert(model, output, progress=progress, threads=threads, **given)
    _show(result, is_json)
    if result.debug is not None and not is_json:
        table(result.debug)


def _said_first(text: str, progress: Progress) -> Progress:
    """`progress`, with a note before the long work that it is of: what is wrong with the model comes before both."""
    left = [text]

    def report(stage: str, done: int, total: int) -> None:
        if left:
            _console.note(left.pop())
        progress(stage, done, total)

    return report


def _show(result: Result, is_json: bool) -> None:
    values = result.to_json()
    for warning in values["warnings"]:
        _console.words(f"warning: {warning}", "yellow")
    if is_json:
        _console.as_json(values)
        return
    arena, bound = values["arena_bytes"], values["arena_lower_bound"]
    rows = [
        ("model", str(values["model"])),
        ("SoC", str(values["soc"])),
        ("steps", f"{values['steps']}, {values['float_steps']} of them float"),
        ("MACs", f"{values['macs']:,}"),
        ("weights", _console.nbytes(values["weight_bytes"])),
        ("arena", f"{_console.nbytes(arena)}, lower bound {_console.nbytes(bound)}"),
        ("samples", str(values["calibration_samples"])),
        *([("kept", f"the quantization of {n} values")] if (n := values["imported_values"]) else []),
        ("notices", f"{values['notices']} (magik check lists them)"),
        ("time", f"{values['seconds']:.1f} s"),
        *(("wrote", str(path)) for path in values["outputs"] or ["nothing: pass -o OUT"]),
    ]
    _console.table(("", ""), rows, has_header=False)
