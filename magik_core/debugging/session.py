"""A quantization held against its float model: dumps of the first sample, and the report over all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from magik_core import inputs
from magik_core.config import Config
from magik_core.debugging.dump import FOLDER, Dump, check_folder
from magik_core.debugging.measure import measure
from magik_core.debugging.report import Report
from magik_core.debugging.trials import trials
from magik_core.progress import Progress
from magik_core.quantized import Quantized
from magik_core.samples import check_found


def report(
    subject: Quantized,
    name: str,
    samples: Iterable[Mapping[str, np.ndarray]],
    folder: Path | None,
    progress: Progress,
    *,
    tries_skips: bool,
    threads: int = 1,
) -> Report:
    """Measure every layer; `folder` takes the dumps; `tries_skips` leaves the worst layers in f32 in turns.

    Raises: MagikError: the folder cannot be made or replaced.
    """
    with nullcontext() if folder is None else Dump(folder, subject.graph) as files:
        found = measure(subject, samples, look=files, progress=partial(progress, "measure"), threads=threads)
    tell = partial(progress, "leave out")
    tried = trials(subject, found.layers, samples, progress=tell, threads=threads) if tries_skips else []
    return Report.of(name, found, "" if folder is None else str(folder), tried)


def check(settings: Config) -> None:
    """Look at DEBUG_PATH before anything is done.

    Raises: MagikError: no data there, or a folder for the dumps that cannot be replaced.
    """
    if not settings.debug_path:
        return
    check_found(settings.debug_path, "data of DEBUG_PATH")
    hint = "leave DEBUG_PATH out, or convert in another working directory"
    check_folder(Path(FOLDER), data_paths(settings), hint)


def data_paths(settings: Config) -> list[str]:
    """All data that a conversion reads."""
    found = (settings.quant_dataset_path, settings.debug_path, *settings.corrections.values())
    return [path for path in found if path]


def asked(ready: Quantized, settings: Config, progress: Progress, threads: int) -> Report | None:
    """What DEBUG_PATH asks for: a table over its samples, and dumps of the first."""
    found = inputs.more(ready.graph, settings, "DEBUG_PATH")
    if found is None:
        return None
    return report(ready, "", found, Path(FOLDER), progress, tries_skips=False, threads=threads)
