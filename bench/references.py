"""Reference runtimes for what ref.npz does not record: TensorFlow Lite's interpreter, PyTorch, TensorFlow.

Each computes one sample after the other and gives arrays with the samples in front, as bench.formats has them. All
are of the plugins' own dependencies: where one is missing, ModuleNotFoundError says which.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.formats import Arrays, Format


def outputs(found: Format, models: Path) -> Arrays:
    """What a format's samples make, recorded or computed now."""
    feeds = found.samples(models)
    if callable(found.expected):
        return tuple(y[: len(feeds[0])] for y in found.expected(found.reference(models)))
    runtimes: dict[str, Callable[..., Iterator[Sequence[np.ndarray]]]] = {
        "tflite": tflite,
        "torch": torch,
        "tensorflow": tensorflow,
    }
    rows = runtimes[found.expected](found, models / found.path, zip(*feeds, strict=True))
    return tuple(np.stack([np.asarray(y) for y in column]) for column in zip(*rows, strict=True))


def tflite(found: Format, path: Path, samples: Iterable[Arrays]) -> Iterator[list[np.ndarray]]:
    """By the interpreter's reference kernels; integer tensors as the numbers that they mean."""
    lite = _tensorflow().lite
    resolver = lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = lite.Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    for sample in samples:
        for detail, x in zip(interpreter.get_input_details(), sample, strict=True):
            interpreter.set_tensor(detail["index"], _codes(x, detail))
        interpreter.invoke()
        yield [_reals(interpreter.get_tensor(d["index"]), d) for d in interpreter.get_output_details()]


def _codes(x: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if not scale:
        return x.astype(detail["dtype"])
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(x / np.float32(scale)) + zero_point, limits.min, limits.max).astype(detail["dtype"])


def _reals(y: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    return y if not scale else (y.astype(np.float32) - zero_point) * np.float32(scale)


def torch(found: Format, path: Path, samples: Iterable[Arrays]) -> Iterator[list[np.ndarray]]:
    """By the network that the format's options name, with the checkpoint's weights."""
    torch = importlib.import_module("torch")
    module, _, function = found.options["model"].partition(":")
    network = getattr(importlib.import_module(module), function)(**found.options.get("arguments", {}))
    network.load_state_dict(_weights(torch, path))
    network.eval()
    with torch.no_grad():
        for sample in samples:
            y = network(*map(torch.from_numpy, sample))
            values = y.values() if isinstance(y, dict) else y if isinstance(y, (tuple, list)) else (y,)
            yield [value.numpy() for value in values]


def _weights(torch: Any, path: Path) -> Any:
    if path.suffix == ".safetensors":
        return importlib.import_module("magik_frontend_torch.safetensors").read(path)
    return torch.load(path, weights_only=True)


def tensorflow(found: Format, path: Path, samples: Iterable[Arrays]) -> Iterator[list[np.ndarray]]:
    """By the signature of a SavedModel; each sample begins with the states that the file has."""
    v1 = _tensorflow().compat.v1
    for sample in samples:
        with _quiet(), v1.Session(graph=v1.Graph()) as session:
            meta = v1.saved_model.load(session, ["serve"], str(path))
            signature = meta.signature_def["serving_default"]
            names = [item.name for item in signature.inputs.values()]
            fetches = [item.name for item in signature.outputs.values()]
            yield session.run(fetches, dict(zip(names, sample, strict=False)))  # states are the file's variables


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with _quiet():
        return importlib.import_module("tensorflow")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what C++ writes to stderr."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
