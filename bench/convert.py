"""What calibration costs: magik's whole conversion beside onnxruntime's quantize_static, on efficientnet-lite0.

    python -m bench.convert [--shared FOLDER] [--samples N] [--rounds N] [--json]

Methods of the same kind stand beside each other: extremes (MAX_ABS, MinMax) and relative entropy (KL, magik's default,
and Entropy). Each runs in a process of its own, from the same float model and the same samples in files; what is
measured is from the call to the file written, with imports before. onnxruntime uses every core; magik runs as it does
by default, and once more with one thread. CPU seconds are of all threads, peak MB of the whole process (resident, as
the system counts it); with several rounds, the least. onnxruntime's figures include quant_pre_process, magik's the
whole of `magik.convert`, correction of biases included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

NETWORK = "efficientnet-lite0"
ONE_THREAD = ", one thread"
RUNS = ("MAX_ABS", f"MAX_ABS{ONE_THREAD}", "MinMax", "KL", f"KL{ONE_THREAD}", "Entropy")
THEIRS = ("MinMax", "Entropy")
PREPARE = "prepare"
SETTINGS = "settings.json"
SAMPLES = 40
BESIDE = Path(__file__).resolve().parents[2] / "shared"


def prepare(shared: Path, folder: Path, samples: int) -> None:
    """Write the float model, the samples that magik reads and those that onnxruntime reads."""
    import numpy as np

    from bench.datasets import split
    from bench.tasks import BY_TASK, as_onnx

    task = BY_TASK[NETWORK]
    calibration, _ = split(task.data(shared), samples)
    as_onnx(task, shared, folder, calibration.x)
    np.save(folder / "raw.npy", task.raw(calibration.x))
    np.save(folder / "normalized.npy", task.normalized(calibration.x))
    (folder / SETTINGS).write_text(json.dumps({"mean": task.mean, "normal": task.normal}), encoding="utf-8")


def run(name: str, folder: Path) -> dict[str, float]:
    """Quantize in this process; what it took."""
    quantize = by_onnxruntime(name, folder) if name in THEIRS else by_magik(name, folder)
    start, before = time.perf_counter(), _cpu()
    quantize()
    seconds, cpu = time.perf_counter() - start, _cpu() - before
    return {"seconds": seconds, "CPU seconds": cpu, "peak MB": _peak_bytes() / 1e6}


def by_magik(name: str, folder: Path) -> Callable[[], object]:
    import onnxruntime  # noqa: F401  what a conversion imports is not what is measured
    import onnxscript.optimizer  # noqa: F401

    import magik_core as magik
    from magik_core import ops, plugins

    convert, _, _ = magik.convert, ops.by_onnx(), plugins.load()  # all are imported when they are first asked for
    threads = 1 if name.endswith(ONE_THREAD) else None
    method = name.removesuffix(ONE_THREAD)
    keys = {"quant_feature_method": method, "calibration": folder / "raw.npy"}
    keys |= json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return lambda: convert(folder / "float.onnx", folder / "ours.bin", soc="host", threads=threads, **keys)


def by_onnxruntime(name: str, folder: Path) -> Callable[[], object]:
    import numpy as np

    from bench import peer

    x = np.load(folder / "normalized.npy", mmap_mode="r")

    def quantize() -> None:
        ready = peer.preprocess(folder / "float.onnx", folder / "ready.onnx")
        peer.quantize(ready, folder / "theirs.onnx", x, name)

    return quantize


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(shared: Path, samples: int, rounds: int) -> dict[str, dict[str, float]]:
    """The least of each figure by run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _in_a_process(PREPARE, folder, "--shared", str(shared), "--samples", str(samples))
        found: dict[str, list[dict[str, float]]] = {run: [] for run in RUNS}
        for _ in range(rounds):
            for one in RUNS:
                found[one].append(_in_a_process(one, folder))
    return {one: {key: min(row[key] for row in rows) for key in rows[0]} for one, rows in found.items()}


def _in_a_process(name: str, folder: Path, *more: str) -> dict[str, float]:
    """What a run says; this process stays small, since a peak is handed down to those that it starts."""
    command = [sys.executable, "-m", "bench.convert", "--run", name, "--folder", str(folder), *more]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Rows as markdown."""
    keys = list(next(iter(found.values())))
    lines = ["| run | " + " | ".join(keys) + " |", "|" + " --- |" * (len(keys) + 1)]
    lines += [f"| {name} | " + " | ".join(f"{row[key]:.1f}" for key in keys) + " |" for name, row in found.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=BESIDE)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", choices=(*RUNS, PREPARE), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run == PREPARE:
        prepare(options.shared, options.folder, options.samples)
        print("{}")
        return
    if options.run:
        print(json.dumps(run(options.run, options.folder)))
        return
    if not options.shared.is_dir():
        sys.exit(f"no such folder: {options.shared}")
    found = measure(options.shared, options.samples, options.rounds)
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
