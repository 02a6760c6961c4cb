"""Convert the example's network for a SoC, run it on this machine, and hold it against the float model."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from data import make
from rich.console import Console
from rich.table import Table

import magik_core as magik

HERE = Path(__file__).parent
MODEL = HERE / "digits.onnx"
SAMPLES, PICTURES = 20, 500


def in_float(pictures: np.ndarray) -> np.ndarray:
    """Probabilities by onnxruntime, one picture at a time as the board runs them."""
    session = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    x = ((pictures.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    return np.concatenate([session.run(None, {"image": p[None]})[0] for p in x])


def quantized(path: Path, pictures: np.ndarray) -> np.ndarray:
    """Probabilities by the model file: raw pixels go in, the mean is part of the model."""
    net = magik.load(path)
    x = pictures.astype(np.float32).transpose(0, 3, 1, 2)
    return np.concatenate([net.run({"image": p[None]})["probabilities"] for p in x])


def main() -> None:
    console = Console()
    soc = sys.argv[1] if len(sys.argv) > 1 else "T41"
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "samples.npy", make(SAMPLES, seed=1)[0].astype(np.float32).transpose(0, 3, 1, 2))
        out = Path(folder) / "digits.bin"
        console.print(f"converting {MODEL.name} for {soc} with {SAMPLES} samples")
        result = magik.convert(MODEL, out, soc=soc, calibration=f"{folder}/samples.npy", mean=[127], normal=[128])
        pictures, digits = make(PICTURES, seed=2)
        real = in_float(pictures)
        start = time.perf_counter()
        codes = quantized(out, pictures)
        seconds = time.perf_counter() - start
        size = out.stat().st_size
    table = Table("", "float (onnxruntime)", "quantized (magik)")
    table.add_row("accuracy", *(f"{(p.argmax(1) == digits).mean():.1%}" for p in (real, codes)))
    table.add_row("same answer as float", "", f"{(real.argmax(1) == codes.argmax(1)).mean():.1%}")
    table.add_row("model", f"{MODEL.stat().st_size:,} bytes", f"{size:,} bytes")
    table.add_row("arena", "", f"{result.plan.arena_bytes:,} bytes, bound {result.plan.lower_bound:,}")
    table.add_row("time per picture here", "", f"{seconds / PICTURES * 1e3:.2f} ms, portable kernels")
    console.print(table)
    console.print("next: docs/getting-started.md, or `.venv/bin/magik convert --help`")


if __name__ == "__main__":
    main()
