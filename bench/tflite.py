"""Codes of quantized TFLite files: magik's programs beside TFLite's interpreter, on twenty inputs each.

    python -m bench.tflite [--shared FOLDER]

TFLite has two sets of kernels: the default ones round a rescaled sum once, the reference ones twice. The frontend's
option `rounding` chooses which of them a program follows. Each number is the largest difference of an output code.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import magik_core as magik
from bench import planner
from magik_core.net import load

KWS, VWW = "mlperf-tiny-kws/kws_ref_model.tflite", "mlperf-tiny-vww/vww_96_int8.tflite"
MOBILENET = "mobilenet-v1-0.25-quant/mobilenet_v1_0.25_128_quant.tflite"
FILES = (KWS, VWW, MOBILENET)
DEFAULT, REFERENCE = "AUTO", "BUILTIN_REF"  # names of OpResolverType
WAYS = (("once", DEFAULT), ("once", REFERENCE), ("twice", REFERENCE))
COUNT = 20


def codes(x: np.ndarray, how: np.ndarray) -> np.ndarray:
    """Real numbers as codes of (scale, zero point)."""
    return np.rint(np.asarray(x, np.float64) / how[0] + how[1])


def real(q: np.ndarray, how: np.ndarray) -> np.ndarray:
    """What codes of (scale, zero point) mean."""
    return ((q.astype(np.float32) - np.float32(how[1])) * np.float32(how[0])).astype(np.float32)


def inputs(path: str, how: np.ndarray, shared: Path) -> np.ndarray:
    """Twenty inputs as the file's codes: recorded features, recorded images and their mirrors, or photographs."""
    if path == MOBILENET:
        from PIL import Image

        found = sorted((shared / "data/caltech101/images").glob("*.jpg"))[::15][:COUNT]
        return np.stack([np.asarray(Image.open(p).convert("RGB").resize((128, 128))) for p in found])
    ref = np.load(shared / "models" / Path(path).parts[0] / "ref.npz")
    if path == KWS:
        return np.clip(codes(ref["x"][:COUNT, ..., None], how), -128, 127).astype(np.int8)
    x = ref["image_u8"]
    return (np.concatenate([x, x[:, :, ::-1], x[:, ::-1]])[:COUNT].astype(np.int16) - 128).astype(np.int8)


@dataclass(frozen=True)
class Integers:
    """TFLite's interpreter with one of its sets of kernels."""

    interpreter: Any

    @classmethod
    def of(cls, path: Path, kernels: str) -> Integers:
        import tensorflow

        lite = tensorflow.lite
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = lite.Interpreter(
                str(path),
                experimental_op_resolver_type=lite.experimental.OpResolverType[kernels],
                experimental_preserve_all_tensors=kernels != DEFAULT,
            )
        made.allocate_tensors()
        return cls(made)

    def quantization(self) -> tuple[np.ndarray, np.ndarray]:
        details = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        return np.array(details[0]["quantization"]), np.array(details[1]["quantization"])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], x[None])
        self.interpreter.invoke()
        return np.asarray(self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"]))


def differences(path: str, rounding: str, kernels: str, shared: Path, soc: str = "host") -> Iterator[int]:
    """Of each input, the largest difference between a program's codes and TFLite's."""
    file = shared / "models" / path
    tflite = Integers.of(file, kernels)
    before, after = tflite.quantization()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        magik.convert(file, out, soc=soc, frontend_options={"rounding": rounding})
        net = load(out.with_suffix(".mgk"))
        for x in inputs(path, before, shared):
            (y,) = net.run(real(x[None], before)).values()
            yield int(abs(codes(y, after) - tflite(x)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=planner.shared_folder())
    shared = parser.parse_args().shared
    titles = [f"{rounding}, {'default' if kernels == DEFAULT else 'reference'} kernels" for rounding, kernels in WAYS]
    print(f"| model | {' | '.join(titles)} |\n| --- |{' --- |' * len(WAYS)}")
    for path in FILES:
        most = [str(max(differences(path, *way, shared))) for way in WAYS]
        print(f"| {Path(path).parts[0]} | {' | '.join(most)} |", flush=True)


if __name__ == "__main__":
    main()
