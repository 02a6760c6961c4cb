"""Hold a quantized model against the float one, layer by layer: the value behind `magik debug`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from magik_core import pipeline
from magik_core.config import Config
from magik_core.debugging.dump import Dump, check_folder
from magik_core.debugging.measure import measure
from magik_core.debugging.report import Report
from magik_core.debugging.trials import trials
from magik_core.errors import DataError, UsageError, together
from magik_core.pipeline import Notes, Progress
from magik_core.quantized import Quantized
from magik_core.recipe import Recipe
from magik_core.samples import open_samples

Data = str | Path | Iterable[Mapping[str, np.ndarray]]


def debug(
    model: object,
    data: Data | None = None,
    output: str | Path | None = None,
    *,
    config: Config | str | Path | None = None,
    recipe: Recipe | None = None,
    example_inputs: Sequence[Any] = (),
    constants: Mapping[str, Any] | None = None,
    size: int | None = None,
    tries_skips: bool = True,
    progress: Progress = lambda stage, done, total: None,
    notes: Notes = lambda text: None,
    threads: int = 1,
    **keys: Any,
) -> Report:
    """Quantize a model as `convert` does and compare every layer with the float model.

    Args:
        data: a folder or file as calibration data is, or the samples themselves; the calibration data by default.
        output: a folder to dump the first sample to, none by default; size: how many samples of a path to take.
        tries_skips: leave the worst layers in f32, one after the other, and measure what the outputs gain.
        Everything else is as in `convert`.
    Raises: MagikError: as `convert`; UsageError: no data; the folder holds other files.
    """
    folder = None if output is None else Path(output)
    _check(data, folder)
    ready = pipeline.quantized(
        model,
        config=config,
        recipe=recipe,
        example_inputs=example_inputs,
        constants=constants,
        progress=progress,
        notes=notes,
        threads=threads,
        **keys,
    )
    samples = _samples(ready, data, size)
    name = str(model) if isinstance(model, (str, Path)) else ready.graph.graph.name or type(model).__name__
    return _report(ready, name, samples, folder, tries_skips, progress, threads)


def dump(ready: Quantized, data: Data, folder: str | Path, *, threads: int = 1) -> Report:
    """What DEBUG_PATH asks of a conversion: the folder of the first sample, and the table over all.

    Raises: DataError: the data; UsageError: the folder holds other files.
    """
    samples = _samples(ready, data, None)
    return _report(ready, "", samples, Path(folder), False, lambda stage, done, total: None, threads)


def _report(
    subject: Quantized,
    name: str,
    samples: Iterable[Mapping[str, np.ndarray]],
    folder: Path | None,
    tries_skips: bool,
    progress: Progress,
    threads: int,
) -> Report:
    with nullcontext() if folder is None else Dump(folder, subject.graph) as files:
        look = None if files is None else files.add
        found = measure(subject, samples, look=look, progress=partial(progress, "measure"), threads=threads)
    tell = partial(progress, "leave out")
    tried = trials(subject, found.layers, samples, progress=tell, threads=threads) if tries_skips else []
    return Report.of(name, found, "" if folder is None else str(folder), tried)


def _samples(ready: Quantized, data: Data | None, size: int | None) -> Iterable[Mapping[str, np.ndarray]]:
    """Raises: UsageError: none are given, and the model was quantized without."""
    if data is not None and not isinstance(data, (str, Path)):
        return list(data) if iter(data) is data else data  # they are read more than once
    path = data or (ready.settings and ready.settings.quant_dataset_path)
    if not path or ready.settings is None:
        raise UsageError("there is no data to debug with", need="a folder or file of samples", hint="pass --data PATH")
    return open_samples(path, pipeline.input_specs(ready.graph, ready.settings), size)


def _check(data: Data | None, folder: Path | None) -> None:
    """What is wrong before anything was calibrated. Raises: MagikError: all of it."""
    is_missing = isinstance(data, (str, Path)) and not Path(data).exists()
    together(
        lambda: None if folder is None else check_folder(folder),
        lambda: _missing(str(data)) if is_missing else None,
    )


def _missing(path: str) -> None:
    raise DataError("data to debug with not found", where=path)
