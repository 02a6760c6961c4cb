"""magik debug MODEL: every layer of the quantized model beside the float one, and a folder of dumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magik_core.cli import _asked, _console, _options, _progress

if TYPE_CHECKING:
    from magik_core.config import Config
    from magik_core.debugging.distance import Distance
    from magik_core.debugging.measure import Layer
    from magik_core.debugging.report import Report, Trial

FOLDER = Path("magik_dump_path")
COLUMNS = ("#", "layer", "op", "SQNR", "alone", "act", "weight", "cosine", "least", "most", "dist", "std", "max",
           "0..1")  # fmt: skip
SPARE = ("op", "most", "std", "dist")  # that a narrow terminal does without, in this order


class Sort(str, Enum):
    """What the rows are sorted by: the network's order, or one of the numbers, worst first."""

    ORDER = "order"
    SQNR = "sqnr"
    ALONE = "alone"
    ACTIVATIONS = "activations"
    WEIGHTS = "weights"
    COSINE = "cosine"
    DISTANCE = "distance"
    MAX = "max"
    SHARE = "share"

    def __str__(self) -> str:
        return self.value


Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Samples to compare on, a folder or a file; the calibration data by default.", metavar="PATH"
    ),
]
Size = Annotated[int | None, typer.Option(min=1, help="Samples of it to use.", metavar="N")]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the dumps of the first sample.", metavar="FOLDER")
]
Dumps = Annotated[bool, typer.Option("--dump/--no-dump", help="Write them, or only compare.")]
SortBy = Annotated[
    Sort,
    typer.Option(help="Order of the rows, worst first but for the network's own.", metavar="|".join(map(str, Sort))),
]
Top = Annotated[int | None, typer.Option(min=1, help="Show only the first N rows.", metavar="N")]
Tries = Annotated[
    bool, typer.Option("--try-skips/--no-try-skips", help="Leave the worst layers in f32 and measure the gain.")
]
ELSEWHERE = {"DEBUG_PATH": "--data says what is compared on", "SAVE_OP_QUANT_BIT": "no file of bits is written"}


@_asked.options
def command(
    model: _options.Model,
    data: Data = None,
    size: Size = None,
    output: Output = FOLDER,
    dumps: Dumps = True,
    sort: SortBy = Sort.ORDER,
    top: Top = None,
    tries: Tries = True,
    html: _options.Html = None,
    *,
    asked: _asked.Quantized,
    threads: _options.SomeThreads = None,
    is_verbose: _options.Verbose = False,
    is_json: _options.Json = False,
) -> None:
    """Quantize a model as convert does, and compare every layer with the float model.

    SQNR is in dB, as the program runs and of each layer alone; "act" with real weights, "weight" with real
    activations. The folder holds what the layers compute on the first sample.

    Example: magik debug model.onnx --calib images/ --mean 127 --normal 128 --sort alone --top 10
    """
    chosen, bound = asked.chosen(), asked.bound()
    page = _options.page(html, model, data)
    _warn(chosen)
    from magik_core.debug import debug

    notes, folder = _console.note if is_verbose else _console.silent, output if dumps else None
    with _progress.progress() as tell:
        run = partial(debug, model, data, folder, config=chosen, constants=bound, size=size, tries_skips=tries)
        found = run(progress=tell, notes=notes, threads=threads)
    _show(found, page, sort, top, is_json)


def _warn(chosen: Config) -> None:
    for key, instead in ELSEWHERE.items():
        if getattr(chosen, key.lower()):
            _console.words(f"warning: {key} is for convert: here {instead}", "yellow")


def _show(found: Report, page: Path | None, sort: Sort, top: int | None, is_json: bool) -> None:
    _page(page, found)
    for warning in found.warnings:
        _console.words(f"warning: {warning}", "yellow")
    if is_json:
        _console.as_json(found.to_json())
    else:
        table(found, sort, top)
    _words(found, page)


def _page(html: Path | None, found: Report) -> None:
    if html is None:
        return
    from magik_core import files
    from magik_core.debug_html import render

    files.write({html: render(found).encode()})


def table(found: Report, sort: Sort = Sort.ORDER, top: int | None = None) -> None:
    """The layers, one a row."""
    rows = list(enumerate(found.layers))
    if sort is not Sort.ORDER:
        rows.sort(key=lambda row: _badness(row[1], sort), reverse=True)
    _console.table(COLUMNS, [_cells(i, layer) for i, layer in rows[:top]], spare=SPARE)


def _badness(layer: Layer, sort: Sort) -> float:
    """What is sorted by, the worst the largest; layers without the number come last."""
    part, of = BY[sort]
    distance: Distance | None = getattr(layer, part)
    if distance is None:
        return -math.inf
    return math.inf if math.isnan(value := of(distance)) else value


BY: dict[Sort, tuple[str, Callable[[Distance], float]]] = {
    Sort.SQNR: ("accumulated", lambda d: -d.sqnr_db),
    Sort.ALONE: ("isolated", lambda d: -d.sqnr_db),
    Sort.ACTIVATIONS: ("features", lambda d: -d.sqnr_db),
    Sort.WEIGHTS: ("weights", lambda d: -d.sqnr_db),
    Sort.COSINE: ("accumulated", lambda d: -d.cosine),
    Sort.DISTANCE: ("accumulated", lambda d: d.euclidean),
    Sort.MAX: ("accumulated", lambda d: d.largest),
    Sort.SHARE: ("accumulated", lambda d: d.share),
}


def _cells(index: int, layer: Layer) -> tuple[str, ...]:
    from magik_core.debugging.report import decibel_text

    parts = (layer.accumulated, layer.isolated, layer.features, layer.weights)
    sqnr = ["" if part is None else decibel_text(part.sqnr_db) for part in parts]
    d = layer.accumulated
    if d is None:
        return (str(index), layer.name, layer.op, *sqnr, *[""] * 7)
    cosines = [f"{v:.4f}" for v in (d.cosine, d.cosine_min, d.cosine_max)]
    return (str(index), layer.name, layer.op, *sqnr, *cosines, _short(d.euclidean), _short(d.deviation),
            _short(d.largest), f"{d.share:.3f}")  # fmt: skip


def _short(value: float) -> str:
    """Three digits: `0.0123`, `1.23`, `1230`."""
    text = f"{value:.3g}"
    return f"{value:.0f}" if "e+" in text and value < 1e6 else text


def _words(found: Report, html: Path | None) -> None:
    samples = _console.many(found.samples, "sample")
    _console.words(f"{_console.many(len(found.layers), 'layer')} on {samples}; SQNR in dB")
    _gains(found.trials)
    if found.folder:
        _console.words(f"wrote {found.folder}")
    if html is not None:
        _console.words(f"wrote {html}")


def _gains(trials: Sequence[Trial]) -> None:
    """What is gained by leaving a layer in f32, as far as it shows, and what to set for the most of it."""
    from magik_core.debugging.report import decibel_text

    texts = [(trial, decibel_text(trial.before), decibel_text(trial.after)) for trial in trials]
    gains = [(trial, before, after) for trial, before, after in texts if trial.gain > 0 and before != after]
    for trial, before, after in gains:
        _console.words(f"{trial.layer} in f32: output {trial.output} goes from {before} to {_db(after)}")
    if gains:
        _console.words(f"hint: --set QUANT_NODE_SKIP={','.join(gains[0][0].nodes)}", "green")
    elif trials:
        tried, best = _console.many(len(trials), "layer"), _db(texts[0][1])
        _console.words(f"{tried} tried in f32: none makes output {trials[0].output} better than {best}")


def _db(text: str) -> str:
    return f"{text} dB" if text[-1].isdigit() else text
