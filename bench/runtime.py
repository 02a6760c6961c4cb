"""How fast quantized models run on this machine: magik beside onnxruntime, the same model in the same run.

    python -m bench.runtime [--shared FOLDER] [--only NAME]… [--threads N]… [--rounds N] [--json]

Both are quantized from the same calibration samples: magik with its defaults, onnxruntime.quantization to QDQ with
u8 activations and s8 weights per channel. The runs of all are interleaved; a figure is the median in milliseconds
from input array to output arrays. ratio: the fastest kind of kernels to onnxruntime; best: the same of the quickest
run of each, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

import magik_core as magik
from bench import ours, peer
from bench.datasets import Frame, labeled
from bench.mobilenet import mobilenet_v2
from bench.tasks import BY_TASK, Task, as_onnx, classified
from bench.timing import times
from magik_core import library

CALIBRATE = 10
HALF = (127.5,) * 3
MOBILENET = Task("mobilenet-v2", "", labeled("detect"), Frame((224, 224)), classified, HALF, HALF)
NAMES = ("ultraface", "ultraface-simplified", "ultraface-raw", "ppocr-cls", "fastestdet")
MODELS = (*(BY_TASK[name] for name in NAMES), MOBILENET)


def source(task: Task, shared: Path, folder: Path, x: np.ndarray) -> Path:
    """The float model; one without a source is built here."""
    if task.source:
        return as_onnx(task, shared, folder, x)
    onnx.save(mobilenet_v2(), folder / "source.onnx")
    return folder / "source.onnx"


def by_onnxruntime(path: Path, x: np.ndarray, threads: int) -> Callable[[], object]:
    """One inference of a QDQ model."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feeds)


def by_magik(path: Path, pixels: np.ndarray, threads: int, isa: str) -> Callable[[], object]:
    """One inference of a model file with the kernels of `isa`."""
    net = magik.load(path, threads=threads, isa=isa)
    return lambda: net.run_quantized(pixels)


def measure(task: Task, shared: Path, threads: list[int], rounds: int) -> list[dict[str, object]]:
    """A row per number of threads."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x = task.data(shared).x
        calibration, pixels = x[:CALIBRATE], np.ascontiguousarray(x[CALIBRATE : CALIBRATE + 1])
        path = source(task, shared, folder, x)
        ours.convert(task, path, calibration, folder)
        ready = peer.preprocess(path, folder / "ready.onnx")
        theirs = peer.quantize(ready, folder / "peer.onnx", task.normalized(calibration), "MinMax")
        for n in threads:
            runners = {isa: by_magik(folder / "ours.bin", pixels, n, isa) for isa in library.isas()}
            runners["onnxruntime"] = by_onnxruntime(theirs, task.normalized(pixels), n)
            found = times(runners, rounds)
            medians, fastest = ({k: float(f(v)) for k, v in found.items()} for f in (np.median, np.min))
            ratio, best = (t[library.isas()[-1]] / t["onnxruntime"] for t in (medians, fastest))
            rows.append({"model": task.name, "threads": n, **medians, "ratio": ratio, "best": best})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Rows as markdown."""
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    for row in rows:
        cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--only", action="append", choices=[m.name for m in MODELS], help="name of a model")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    rows: list[dict[str, object]] = []
    for model in MODELS:
        if not options.only or model.name in options.only:
            rows += measure(model, options.shared, options.threads, options.rounds)
            print(f"done: {model.name}", file=sys.stderr)
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
