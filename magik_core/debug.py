"""Hold a quantized model against the float one, layer by layer: the value behind `magik debug`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from magik_core import carry, inputs, pipeline
from magik_core.config import Config
from magik_core.debugging.dump import check_folder
from magik_core.debugging.report import Report
from magik_core.debugging.session import data_paths, report
from magik_core.errors import UsageError, together
from magik_core.limits import some_threads
from magik_core.pipeline import Keys, Notes
from magik_core.progress import Progress, silent
from magik_core.quantized import Quantized
from magik_core.recipe import Recipe
from magik_core.samples import check_found
from magik_core.streamed import Streamed

DATA = "data to debug with"
Data = str | Path | Iterable[Mapping[str, np.ndarray]]


def debug(
    model: object,
    data: Data | None = None,
    output: str | Path | None = None,
    *,
    config: Keys | str | Path | None = None,
    recipe: Recipe | None = None,
    example_inputs: Sequence[Any] = (),
    constants: Mapping[str, Any] | None = None,
    size: int | None = None,
    tries_skips: bool = True,
    progress: Progress = silent,
    notes: Notes = lambda text: None,
    threads: int | None = None,
    **keys: Any,
) -> Report:
    """Quantize a model as `convert` does and compare every layer with the float model.

    Args:
        data: a folder or file as calibration data is, or the samples themselves; the calibration data by default.
        output: a folder to dump the first sample to, none by default; size: how many samples of a path to take.
        tries_skips: leave the worst layers in f32, one after the other, and measure what the outputs gain.
        Everything else is as in `convert`.
    Raises: MagikError: as `convert`; no data; a folder that cannot be made or replaced.
    """
    folder = None if output is None else Path(output)
    threads = some_threads(threads)
    settings = pipeline.settings_of(config, keys, threads)
    _check(data, folder, settings)
    ready = pipeline.quantized(
        model,
        config=settings,
        recipe=recipe,
        example_inputs=example_inputs,
        constants=constants,
        progress=progress,
        notes=notes,
        threads=threads,
    )
    samples = _samples(ready, data, size)
    name = str(model) if isinstance(model, (str, Path)) else ready.graph.graph.name or type(model).__name__
    found = report(ready, name, samples, folder, progress, tries_skips=tries_skips, threads=threads)
    return replace(found, warnings=ready.remarks)


def _samples(ready: Quantized, data: Data | None, size: int | None) -> Iterable[Mapping[str, np.ndarray]]:
    """Raises: UsageError: none are given, and the model was quantized without."""
    if data is not None and not isinstance(data, (str, Path)):
        samples = list(data) if iter(data) is data else data  # they are read more than once
        return Streamed(ready.graph, samples) if carry.pairs(ready.graph) else samples
    path = data or (ready.settings and ready.settings.quant_dataset_path)
    if not path or ready.settings is None:
        raise UsageError("there is no data to debug with", need="a folder or file of samples", hint="pass --data PATH")
    calibrated = None if data else ready.settings.quant_dataset_size
    sizes = [one for one in (size, calibrated) if one is not None]
    what = DATA if data else "calibration data"
    return inputs.read(ready.graph, ready.settings, path, what, min(sizes, default=None))


def _check(data: Data | None, folder: Path | None, settings: Config) -> None:
    """What is wrong before anything was calibrated. Raises: MagikError: all of it."""
    own = [data] if isinstance(data, (str, Path)) else []
    together(
        lambda: None if folder is None else check_folder(folder, [*own, *data_paths(settings)]),
        *(partial(check_found, path, DATA) for path in own),
    )
