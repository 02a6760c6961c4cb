"""onnxruntime and its quantization, which magik is held against."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from bench.metrics import Outputs

METHODS = ("MinMax", "Entropy", "Percentile")


class Reader(CalibrationDataReader):
    """Hands quantize_static the samples."""

    def __init__(self, name: str, x: Iterable[np.ndarray]) -> None:
        self._rows = ({name: one[None]} for one in x)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def session(path: Path | bytes) -> ort.InferenceSession:
    """A session that computes in f32 between QuantizeLinear and DequantizeLinear.

    Products of u8 and s8 saturate in onnxruntime's integer kernels on x86 without VNNI, so that its answers would
    depend on the machine, and be far worse on such a one.
    """
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(path: Path, x: np.ndarray) -> Outputs:
    """Outputs for samples (n, …), computed one by one."""
    model = session(path)
    name, names = model.get_inputs()[0].name, [o.name for o in model.get_outputs()]
    rows = [model.run(None, {name: one[None]}) for one in x]
    return {n: np.concatenate([row[i] for row in rows]) for i, n in enumerate(names)}


def preprocess(model: Path, output: Path) -> Path:
    """The model as quantize_static wants it: optimized, with its shapes."""
    quant_pre_process(model, output, skip_symbolic_shape=True)
    return output


def quantize(ready: Path, output: Path, x: Iterable[np.ndarray], method: str) -> Path:
    """Codes u8 for activations and s8 per channel for weights, everything else at its default."""
    with contextlib.redirect_stdout(sys.stderr):  # it says what it does
        quantize_static(
            ready,
            output,
            Reader(session(ready).get_inputs()[0].name, x),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=False,
            calibrate_method=CalibrationMethod[method],
        )
    return output
