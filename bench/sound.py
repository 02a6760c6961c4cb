"""Networks with memory on real sound, quantized beside float: silero-vad's decisions, and what DTLN leaves of noise.

    python -m bench.sound [--shared FOLDER] [--feature-bits 8] [--weight-bits 8] [--method KL]
        [--skip OP…]

silero is calibrated on two of its recordings, DTLN on another than those that are evaluated. The quantized nets carry
their states themselves: they are given sound alone, and begin anew with each recording.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import wave
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

import magik_core as magik
from magik_core.net import load
from magik_core.recipe import Recipe

RATE = 16000
WINDOW, BEFORE = 512, 64  # of silero
BLOCK, HOP = 512, 128  # of DTLN
VAD = "models/silero-vad/silero_vad_16k_op15.onnx"
VAD_STATES = {"state": "stateN"}
DTLN_STATES = ({"input_3": "tf_op_layer_stack_2"}, {"input_5": "tf_op_layer_stack_5"})
CALIBRATED = ("short_wav_easy10s", "noise_1000ms")  # of the sounds


class Remembering(Protocol):
    """A network that carries its states from step to step."""

    def step(self, x: np.ndarray) -> np.ndarray:
        """The first output for one input."""

    def reset(self) -> None:
        """Begin anew."""


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


class Float:
    """The source model in onnxruntime, its states carried by us; what it was given is recorded."""

    def __init__(self, path: Path, states: Mapping[str, str], **constants: Any) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        self._session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        self._names, self._constants = states, constants
        self._shapes = {i.name: i.shape for i in self._session.get_inputs()}
        self.given: list[np.ndarray] = []
        self.reset()

    def reset(self) -> None:
        numbers = {name: [n if isinstance(n, int) else 1 for n in self._shapes[name]] for name in self._names}
        self._states = {name: np.zeros(shape, np.float32) for name, shape in numbers.items()}

    def step(self, x: np.ndarray) -> np.ndarray:
        self.given.append(x)
        first = next(iter(self._shapes))
        y, *states = self._session.run(
            [self._session.get_outputs()[0].name, *self._names.values()],
            {first: x, **self._states, **self._constants},
        )
        self._states = dict(zip(self._names, states, strict=True))
        return np.asarray(y)


class Quantized:
    """A model file that keeps its states in itself."""

    def __init__(self, path: Path) -> None:
        self._net = load(path)

    def reset(self) -> None:
        self._net.reset()

    def step(self, x: np.ndarray) -> np.ndarray:
        (y,) = self._net.run(x).values()
        return y


def converted(path: Path, folder: Path, given: list[np.ndarray], states: Mapping[str, str], **keys: Any) -> Quantized:
    """A network quantized on what it is given step by step."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = folder / f"{path.stem}_frames.npy"
    np.save(frames, np.concatenate(given))
    magik.convert(path, folder / path.stem, calibration=frames, states=dict(states), **keys)
    return Quantized(folder / f"{path.stem}.mgk")


def stream(net: Remembering, inputs: Iterator[np.ndarray]) -> np.ndarray:
    """What a network makes of a recording, from the beginning."""
    net.reset()
    return np.stack([net.step(x).reshape(-1) for x in inputs])


# ---- silero ------------------------------------------------------------------------------------------------------


def vad(shared: Path, folder: Path, **keys: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Speech probabilities, float and quantized, of each recording."""
    real = Float(shared / VAD, VAD_STATES, sr=np.array(RATE, np.int64))
    found = sounds(shared)
    used = [x for name in CALIBRATED for x in windows(found[name])]
    shapes = [[1, WINDOW + BEFORE], [2, 1, 128]]
    codes = converted(shared / VAD, folder, used, VAD_STATES, constants={"sr": RATE}, input_shape=shapes, **keys)
    return {
        name: (stream(real, windows(x)).reshape(-1), stream(codes, windows(x)).reshape(-1)) for name, x in found.items()
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


def denoise(stages: Sequence[Remembering], sound: np.ndarray) -> np.ndarray:
    """What the two stages leave of a sound."""
    first, second = stages
    for stage in stages:
        stage.reset()
    block, out = np.zeros(BLOCK, np.float32), np.zeros(len(sound) + BLOCK, np.float32)
    for at in range(0, len(sound) - HOP + 1, HOP):
        block = np.concatenate([block[HOP:], sound[at : at + HOP]])
        spectrum = np.fft.rfft(block)
        mask = first.step(np.abs(spectrum).astype(np.float32)[None, None])
        estimate = np.fft.irfft(spectrum * mask.reshape(-1)).astype(np.float32)[None, None]
        out[at : at + BLOCK] += second.step(estimate).reshape(-1)
    return out[BLOCK - HOP : BLOCK - HOP + len(sound)]


def si_sdr(clean: np.ndarray, found: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB."""
    clean, found = (x.astype(np.float64) - x.mean() for x in (clean, found))
    target = clean * (clean @ found) / (clean @ clean)
    return float(10 * np.log10((target @ target) / ((found - target) @ (found - target))))


def dtln(shared: Path, folder: Path, **keys: Any) -> dict[str, tuple[float, float]]:
    """SI-SDR in dB, float and quantized, of each spoken word in noise."""
    paths = [shared / f"models/dtln/model_{i}.onnx" for i in (1, 2)]
    real = [Float(path, states) for path, states in zip(paths, DTLN_STATES, strict=True)]
    noisy = sounds(shared)["short_wav_easy10s"]
    denoise(real, np.concatenate([noisy[: 5 * RATE], 2 * noisy[5 * RATE :]]))  # loud speech too
    codes = [
        converted(path, folder, net.given, states, **keys)
        for path, net, states in zip(paths, real, DTLN_STATES, strict=True)
    ]
    out = {}
    for name, (clean, mixed) in mixtures(shared).items():
        made = [denoise(pair, mixed)[: len(clean)] for pair in (real, codes)]
        out[name] = si_sdr(clean, made[0]), si_sdr(clean, made[1])
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
