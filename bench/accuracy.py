"""How close quantized networks come to float: magik beside onnxruntime.quantization, the same samples for all.

    python -m bench.accuracy [--shared FOLDER] [--only NAME]… [--quick] [--samples N] [--soc SOC] [--json]

Each network is quantized with magik's default recipe and with onnxruntime.quantization.quantize_static (codes u8 for
activations, s8 per channel for weights; MinMax, Entropy, Percentile), all from the same calibration samples, which
are not evaluated on. A network that has no ONNX file is exported to one, and all read that. magik's outputs are
those of the C library. Every figure is better the larger it is, but for the seconds of quantizing:

    top-1 %            samples whose best class is right
    as float %         samples whose best class is float's
    faces found        pictures whose face is found; objects found: pictures whose main object is
    boxes as float %   F1 of the boxes with float's as the truth: same class, half of the union in common
    SQNR dB            float's outputs over their difference, mean over outputs
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import magik_core as magik
from bench import metrics, ours, peer
from bench.datasets import Data, split
from bench.tasks import BY_TASK, TASKS, Task, as_onnx

BESIDE = Path(__file__).resolve().parents[2] / "shared"
NAMES = ("float", "magik", *peer.METHODS)
QUICK = 60
SECONDS = "seconds"
LITTLE = 1e-9


@dataclass(frozen=True)
class Row:
    """One figure of one network for float, magik and the methods of onnxruntime; None where there is none."""

    network: str
    samples: str
    figure: str
    values: tuple[float | None, ...]

    @property
    def is_behind(self) -> bool:
        """Whether magik loses more than the best method of onnxruntime; better than float is no loss."""
        real, *found = (float("inf") if v is None else v for v in self.values)
        kept = [min(v, real) for v in found]
        return self.figure != SECONDS and kept[0] < max(kept[1:]) - LITTLE


def measure(task: Task, shared: Path, most: int | None, soc: str) -> list[Row]:
    """All figures of a network."""
    calibration, held_out = split(task.data(shared), task.calibrate, most)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = as_onnx(task, shared, folder, calibration.x)
        inputs = task.normalized(held_out.x)
        real = peer.run(model, inputs)
        found: dict[str, tuple[metrics.Outputs, float]] = {"float": (real, 0.0)}
        found["magik"] = by_magik(task, model, calibration, held_out, folder, soc)
        for method in peer.METHODS:
            found[method] = by_peer(model, task.normalized(calibration.x), inputs, folder, method)
    return rows(task, f"{len(calibration)} + {len(held_out)}", found, real, held_out)


def by_magik(
    task: Task, model: Path, calibration: Data, held_out: Data, folder: Path, soc: str
) -> tuple[metrics.Outputs, float]:
    _, seconds = timed(lambda: ours.convert(task, model, calibration.x, folder, soc))
    return ours.run(magik.load(folder / "ours.bin", threads=2), task.raw(held_out.x)), seconds


def by_peer(
    model: Path, calibration: np.ndarray, inputs: np.ndarray, folder: Path, method: str
) -> tuple[metrics.Outputs, float]:
    def quantized() -> Path:
        ready = peer.preprocess(model, folder / "ready.onnx")
        return peer.quantize(ready, folder / f"{method}.onnx", calibration, method)

    path, seconds = timed(quantized)
    return peer.run(path, inputs), seconds


def timed(make: Callable[[], object]) -> tuple[Path, float]:
    start = time.perf_counter()
    made = make()
    return made, time.perf_counter() - start  # type: ignore[return-value]


def rows(
    task: Task, samples: str, found: dict[str, tuple[metrics.Outputs, float]], real: metrics.Outputs, held_out: Data
) -> list[Row]:
    """A row per figure."""
    figures = {name: task.judge(real, y, held_out) for name, (y, _) in found.items()}
    out = [
        Row(task.name, samples, figure, tuple(figures[name][figure] for name in NAMES)) for figure in figures["float"]
    ]
    noise = tuple(None if name == "float" else metrics.sqnr(real, found[name][0]) for name in NAMES)
    seconds = tuple(None if name == "float" else found[name][1] for name in NAMES)
    return [*out, Row(task.name, samples, "SQNR dB", noise), Row(task.name, samples, SECONDS, seconds)]


def table(found: Sequence[Row]) -> str:
    """Rows as markdown."""
    heads = ("network", "samples", "figure", *NAMES)
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in found:
        digits = 0 if row.figure.endswith("found") else 1
        cells = ["" if v is None else f"{v:.{digits}f}" for v in row.values]
        lines.append("| " + " | ".join((row.network, row.samples, row.figure, *cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=BESIDE)
    parser.add_argument("--only", action="append", choices=list(BY_TASK), help="name of a network")
    parser.add_argument("--samples", type=int, help="at most so many to evaluate a network with")
    parser.add_argument("--quick", action="store_true", help=f"the same as --samples {QUICK}")
    parser.add_argument("--soc", default="host")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    most = QUICK if options.quick else options.samples
    found: list[Row] = []
    for task in TASKS:
        if not options.only or task.name in options.only:
            start = time.perf_counter()
            found += measure(task, options.shared, most, options.soc)
            print(f"{task.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(json.dumps([asdict(row) for row in found], indent=1) if options.json else table(found))
    for row in found:
        if row.is_behind:
            print(f"behind: {row.network}, {row.figure}", file=sys.stderr)


if __name__ == "__main__":
    main()
