"""How close quantized networks come to float: magik beside onnxruntime.quantization, the same samples for all.

    python -m bench.accuracy [--shared FOLDER] [--only NAME]… [--quick] [--samples N] [--splits N] [--soc SOC] [--json]
    python -m bench.accuracy --bits 8,10,12 [--shared FOLDER] [--only NAME]… [--quick] [--samples N] [--json]

Each network is quantized with magik's default recipe and with onnxruntime.quantization.quantize_static (codes u8 for
activations, s8 per channel for weights; MinMax, Entropy, Percentile), all from the same calibration samples, which
are not evaluated on. A network that has no ONNX file is exported to one, and all read that. magik's outputs are
those of the C library. Every figure is better the larger it is:

    top-1 %            samples whose best class is right
    as float %         samples whose best class is float's
    faces found        pictures whose face is found; objects found: pictures whose main object is
    boxes as float %   F1 of the boxes with float's as the truth: same class, half of the union in common
    SQNR dB            float's outputs over their difference, mean over outputs

The last column is what magik is ahead of the best method, where more than float has is no more. With several splits
each calibrates with other samples, and evaluates on all others; figures are means over splits, and beside the last is
its standard error. --bits prints the SQNR of magik with features of so many bits instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import magik_core as magik
from bench import metrics, ours, peer, widths
from bench.datasets import Data, splits
from bench.tasks import BY_TASK, TASKS, Task, as_onnx

BESIDE = Path(__file__).resolve().parents[2] / "shared"
NAMES = ("float", "magik", *peer.METHODS)
QUICK = 60
LITTLE = 1e-9


@dataclass(frozen=True)
class Row:
    """One figure of one network.

    Args: splits: for each split float's, magik's and those of the methods of onnxruntime; None where there is none.
    """

    network: str
    samples: str
    figure: str
    splits: tuple[tuple[float | None, ...], ...]

    @property
    def values(self) -> tuple[float | None, ...]:
        """Means over the splits."""
        return tuple(None if None in c else float(np.mean(c)) for c in zip(*self.splits, strict=True))

    @property
    def lead(self) -> float:
        """How much more magik keeps than the best method of onnxruntime; better than float is no gain."""
        return self._kept(1) - max(self._kept(i) for i in range(2, len(NAMES)))

    @property
    def noise(self) -> float:
        """The standard error of the lead, of what calibration leaves to chance: how the splits differ."""
        best = max(range(2, len(NAMES)), key=self._kept)
        leads = [(row[1] or 0.0) - (row[best] or 0.0) for row in self.splits]
        return float(np.std(leads, ddof=1)) / len(leads) ** 0.5

    @property
    def is_behind(self) -> bool:
        """Whether magik loses more than the best method of onnxruntime."""
        return self.lead < -LITTLE

    def _kept(self, index: int) -> float:
        real, found = self.values[0], self.values[index] or 0.0
        return found if real is None else min(found, real)


def measure(task: Task, shared: Path, most: int | None, count: int, soc: str) -> list[Row]:
    """All figures of a network."""
    found: dict[str, list[tuple[float | None, ...]]] = {}
    for calibration, held_out in splits(task.data(shared), task.calibrate, most, count):
        for figure, values in measure_split(task, shared, calibration, held_out, soc).items():
            found.setdefault(figure, []).append(values)
    samples = f"{task.calibrate} + {len(held_out)}"
    return [Row(task.name, samples, figure, tuple(rows)) for figure, rows in found.items()]


def measure_split(
    task: Task, shared: Path, calibration: Data, held_out: Data, soc: str
) -> dict[str, tuple[float | None, ...]]:
    """Each figure of float, magik and the methods of onnxruntime."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = as_onnx(task, shared, folder, calibration.x)
        inputs = task.normalized(held_out.x)
        real = peer.run(model, inputs)
        found = {"float": real, "magik": by_magik(task, model, calibration, held_out, folder, soc)}
        for method in peer.METHODS:
            found[method] = by_peer(model, task.normalized(calibration.x), inputs, folder, method)
    return figures(task, found, real, held_out)


def by_magik(task: Task, model: Path, calibration: Data, held_out: Data, folder: Path, soc: str) -> metrics.Outputs:
    ours.convert(task, model, calibration.x, folder, soc)
    return ours.run(magik.load(folder / "ours.bin", threads=2), task.raw(held_out.x))


def by_peer(model: Path, calibration: np.ndarray, inputs: np.ndarray, folder: Path, method: str) -> metrics.Outputs:
    ready = peer.preprocess(model, folder / "ready.onnx")
    return peer.run(peer.quantize(ready, folder / f"{method}.onnx", calibration, method), inputs)


def figures(
    task: Task, found: Mapping[str, metrics.Outputs], real: metrics.Outputs, held_out: Data
) -> dict[str, tuple[float | None, ...]]:
    """Each figure by name, in the order of NAMES."""
    judged = [task.judge(real, found[name], held_out) for name in NAMES]
    noise = (None, *(metrics.sqnr(real, found[name]) for name in NAMES[1:]))
    return {key: tuple(one[key] for one in judged) for key in judged[0]} | {"SQNR dB": noise}


def table(found: Sequence[Row]) -> str:
    """Rows as markdown."""
    heads = ("network", "samples", "figure", *NAMES, "ahead by")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in found:
        digits = 0 if row.figure.endswith("found") and len(row.splits) == 1 else 1
        cells = ["" if v is None else f"{v:.{digits}f}" for v in row.values]
        lines.append("| " + " | ".join((row.network, row.samples, row.figure, *cells, _ahead(row))) + " |")
    return "\n".join(lines)


def _ahead(row: Row) -> str:
    return f"{row.lead:.1f}" + (f" ± {row.noise:.1f}" if len(row.splits) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=BESIDE)
    parser.add_argument("--only", action="append", choices=list(BY_TASK), help="name of a network")
    parser.add_argument("--samples", type=int, help="at most so many to evaluate a network with")
    parser.add_argument("--quick", action="store_true", help=f"the same as --samples {QUICK}")
    parser.add_argument("--splits", type=int, default=1, help="how often to calibrate, each time with other samples")
    parser.add_argument("--bits", type=widths.parse, help="widths of features to compare, such as 8,10,12")
    parser.add_argument("--soc", default="host")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    most = QUICK if options.quick else options.samples
    tasks = [task for task in TASKS if not options.only or task.name in options.only]
    if options.bits:
        found_widths = [widths.measure(task, options.shared, most, options.bits) for task in tasks]
        print(json.dumps([asdict(w) for w in found_widths], indent=1) if options.json else widths.table(found_widths))
        return
    found: list[Row] = []
    for task in tasks:
        start = time.perf_counter()
        found += measure(task, options.shared, most, options.splits, options.soc)
        print(f"{task.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(json.dumps([asdict(row) for row in found], indent=1) if options.json else table(found))
    for row in found:
        if row.is_behind:
            print(f"behind: {row.network}, {row.figure}", file=sys.stderr)


if __name__ == "__main__":
    main()
