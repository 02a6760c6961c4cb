"""Convert in a process of its own: TensorFlow's C++ may stop it, and can be given a limit of time and memory."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core.errors import ModelError, Problem, UsageError
from magik_core.hookspecs import Request

if TYPE_CHECKING:
    import onnx_ir as ir

LIMIT_SECONDS = 900
PACKAGES = {"tensorflow": "tensorflow-cpu", "tf2onnx": "tf2onnx"}
MODEL, ANSWER, LOG = "model.onnx", "answer.json", "log.txt"
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore",
}


def load(path: Path, request: Request) -> ir.Model:
    """The graph of a SavedModel or a frozen graph.

    Raises: ModelError: it cannot be read. UsageError: names that it does not have.
    """
    import onnx
    import onnx_ir as ir

    _check_installed()
    with tempfile.TemporaryDirectory() as folder:
        _run(path, request, Path(folder))
        return ir.from_proto(onnx.load_model_from_string((Path(folder) / MODEL).read_bytes()))


def _check_installed() -> None:
    missing = [name for package, name in PACKAGES.items() if importlib.util.find_spec(package) is None]
    if missing:
        hint = f"pip install {' '.join(missing)}"
        raise ModelError("TensorFlow is needed to read this model", found=f"no {missing[0]}", hint=hint)


def _run(path: Path, request: Request, folder: Path) -> None:
    job = {
        "path": str(path),
        "inputs": request.inputs,
        "outputs": request.outputs,
        "input_shapes": request.input_shapes,
        "options": {key: str(value) for key, value in request.options.items()},
    }
    environment = {**os.environ, **QUIET, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "magik_frontend_tf.graphs.worker", str(folder)]
    with (folder / LOG).open("wb") as log:
        try:
            done = subprocess.run(
                command, input=json.dumps(job).encode(), stdout=log, stderr=log, env=environment, timeout=LIMIT_SECONDS
            )
        except subprocess.TimeoutExpired:
            found = f"no end after {LIMIT_SECONDS} seconds"
            raise ModelError("the model cannot be converted", where=str(path), found=found) from None
    if not (folder / ANSWER).exists():
        raise ModelError("TensorFlow stopped while it read the model", where=str(path), found=_end(done, folder))
    answer = json.loads((folder / ANSWER).read_text())
    if answer["problems"]:
        kind: Any = UsageError if answer["kind"] == "UsageError" else ModelError
        raise kind(problems=[Problem(**problem) for problem in answer["problems"]])


def _end(done: subprocess.CompletedProcess[bytes], folder: Path) -> str:
    """How a process ended: its signal, or its last words."""
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    lines = (folder / LOG).read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
