"""Networks with memory on real sound, quantized beside float: silero-vad's decisions, and what DTLN leaves of noise.

    python -m bench.sound [--shared FOLDER] [--feature-bits 8] [--weight-bits 8] [--method KL]
        [--skip OP…]

Both are calibrated on other sounds than those that are evaluated. States are carried from run to run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

import magik_core as magik
from magik_core.net import load
from magik_core.recipe import Recipe

Step = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # x, state -> y, state
RATE = 16000
WINDOW, BEFORE = 512, 64  # of silero
BLOCK, HOP = 512, 128  # of DTLN
VAD = "models/silero-vad/silero_vad_16k_op15.onnx"
VAD_STATE = (2, 1, 128)
DTLN_STATE = (1, 2, 128, 2)
CALIBRATED = ("short_wav_easy10s", "noise_1000ms")  # files of sounds; all others are evaluated


@dataclass(frozen=True)
class Recording:
    """What a network was given, step by step, and what it made of it."""

    x: np.ndarray
    states: np.ndarray
    y: np.ndarray


def sounds(shared: Path) -> dict[str, np.ndarray]:
    """The recordings in [-1, 1], one channel each, by name."""
    out = {}
    for path in sorted((shared / "data/audio").glob("*.wav")):
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getsampwidth()) == (RATE, 2)
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        out[path.stem] = (data[:, 0] / 32768).astype(np.float32)
    return out


def windows(sound: np.ndarray) -> Iterator[np.ndarray]:
    """silero's inputs (1, 576): 512 samples and the 64 before them."""
    padded = np.concatenate([np.zeros(BEFORE, np.float32), sound])
    for at in range(0, len(sound) - WINDOW + 1, WINDOW):
        yield padded[None, at : at + BEFORE + WINDOW]


def stream(step: Step, inputs: Iterator[np.ndarray], state: np.ndarray) -> Recording:
    """Run a network over inputs, its state carried on."""
    rows = []
    for x in inputs:
        y, after = step(x, state)
        rows.append((x, state, y))
        state = after
    return Recording(*(np.stack(column) for column in zip(*rows, strict=True)))


def by_onnxruntime(path: Path, **more: Any) -> Step:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()][:2]

    def step(x: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, after = session.run(None, {**dict(zip(names, (x, state), strict=True)), **more})
        return y, after

    return step


def by_magik(path: Path) -> Step:
    net = load(path)
    names = [p.name for p in net.inputs]

    def step(x: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, after = net.run(dict(zip(names, (x, state), strict=True))).values()
        return y.copy(), after.copy()

    return step


def converted(path: Path, folder: Path, recordings: list[Recording], names: tuple[str, str], **keys: Any) -> Step:
    """A network quantized on what was recorded."""
    samples = folder / f"{path.stem}_samples"
    samples.mkdir(parents=True, exist_ok=True)
    for key, name in zip(("x", "states"), names, strict=True):
        data = np.concatenate([getattr(r, key) for r in recordings])
        for i, row in enumerate(data):
            (samples / f"{i:04}").mkdir(exist_ok=True)
            np.save(samples / f"{i:04}" / f"{name}.npy", row)
    magik.convert(path, folder / path.stem, calibration=samples, **keys)
    return by_magik(folder / f"{path.stem}.mgk")


# ---- silero ------------------------------------------------------------------------------------------------------


def vad(shared: Path, folder: Path, **keys: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Speech probabilities, float and quantized, of each recording."""
    real = by_onnxruntime(shared / VAD, sr=np.array(RATE, np.int64))
    zeros = np.zeros(VAD_STATE, np.float32)
    recorded = {name: stream(real, windows(x), zeros) for name, x in sounds(shared).items()}
    used = [recorded[name] for name in CALIBRATED]
    names = ("input", "state")
    step = converted(
        shared / VAD,
        folder,
        used,
        names,
        constants={"sr": RATE},
        input_shape=[[1, WINDOW + BEFORE], list(VAD_STATE)],
        **keys,
    )
    return {
        name: (recorded[name].y.reshape(-1), stream(step, windows(x), zeros).y.reshape(-1))
        for name, x in sounds(shared).items()
    }


# ---- DTLN --------------------------------------------------------------------------------------------------------


def mixtures(shared: Path, decibels: float = 5.0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(speech, speech in noise) of the spoken words."""
    found = sounds(shared)
    out = {}
    for i, name in enumerate(("yes_1000ms", "no_1000ms", "marvin_617de221_0")):
        clean = np.tile(found[name][:RATE], 3)
        noise = np.tile(np.roll(found["noise_1000ms"][:RATE], 3000 * i), 4)[: len(clean)]
        gain = np.sqrt((clean**2).mean() / (noise**2).mean() / 10 ** (decibels / 10))
        out[name] = clean, (clean + gain * noise).astype(np.float32)
    return out


def denoise(first: Step, second: Step, sound: np.ndarray) -> tuple[np.ndarray, Recording, Recording]:
    """What the two stages leave of a sound, and what each was given."""
    states = [np.zeros(DTLN_STATE, np.float32)] * 2
    block, out = np.zeros(BLOCK, np.float32), np.zeros(len(sound) + BLOCK, np.float32)
    rows: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[], []]
    for at in range(0, len(sound) - HOP + 1, HOP):
        block = np.concatenate([block[HOP:], sound[at : at + HOP]])
        spectrum = np.fft.rfft(block)
        magnitude = np.abs(spectrum).astype(np.float32)[None, None]
        mask, after = first(magnitude, states[0])
        rows[0].append((magnitude, states[0], mask))
        estimate = np.fft.irfft(spectrum * mask.reshape(-1)).astype(np.float32)[None, None]
        y, after_second = second(estimate, states[1])
        rows[1].append((estimate, states[1], y))
        states = [after, after_second]
        out[at : at + BLOCK] += y.reshape(-1)
    made = [Recording(*(np.stack(column) for column in zip(*stage, strict=True))) for stage in rows]
    return out[BLOCK - HOP : BLOCK - HOP + len(sound)], made[0], made[1]


def si_sdr(clean: np.ndarray, found: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB."""
    clean, found = (x.astype(np.float64) - x.mean() for x in (clean, found))
    target = clean * (clean @ found) / (clean @ clean)
    return float(10 * np.log10((target @ target) / ((found - target) @ (found - target))))


def dtln(shared: Path, folder: Path, **keys: Any) -> dict[str, tuple[float, float]]:
    """SI-SDR in dB, float and quantized, of each spoken word in noise."""
    paths = [shared / f"models/dtln/model_{i}.onnx" for i in (1, 2)]
    real = [by_onnxruntime(path) for path in paths]
    noisy = sounds(shared)["short_wav_easy10s"]
    noisy = np.concatenate([noisy[: 5 * RATE], 2 * noisy[5 * RATE :]])  # loud speech too
    _, *recordings = denoise(real[0], real[1], noisy)
    names = (("input_2", "input_3"), ("input_4", "input_5"))
    steps = [
        converted(path, folder, [r], given, **keys) for path, r, given in zip(paths, recordings, names, strict=True)
    ]
    out = {}
    for name, (clean, mixed) in mixtures(shared).items():
        made = [denoise(*pair, mixed)[0] for pair in (real, steps)]
        out[name] = si_sdr(clean, made[0][: len(clean)]), si_sdr(clean, made[1][: len(clean)])
    return out


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sound")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--feature-bits", type=int, default=8)
    parser.add_argument("--weight-bits", type=int, default=8)
    parser.add_argument("--method", default="KL")
    parser.add_argument("--skip", nargs="*", default=[], help="types of nodes that stay in f32")
    given = parser.parse_args(arguments)
    recipe = Recipe(
        feature_method=given.method,
        feature_bits=given.feature_bits,
        weight_bits=given.weight_bits,
        skip_ops=frozenset(given.skip),
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, (real, codes) in vad(given.shared, Path(folder), recipe=recipe).items():
            same = np.mean((real > 0.5) == (codes > 0.5))
            sys.stdout.write(f"vad  {name:20} same decisions {same:.3f}  off by {np.abs(real - codes).max():.3f}\n")
        for name, (wanted, found) in dtln(given.shared, Path(folder), recipe=recipe).items():
            sys.stdout.write(f"dtln {name:20} SI-SDR {wanted:.2f} dB float, {found:.2f} dB quantized\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
