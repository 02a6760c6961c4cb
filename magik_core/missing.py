"""The errors for what is not installed: which distribution has it, or which names are near."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from magik_core import model_file
from magik_core.errors import ModelError, Problem, UsageError

SOCS: Mapping[str, str] = {
    "T40": "magik-backend-t40",
    "X2500": "magik-backend-t40",
    "T41": "magik-backend-t41",
    "A1": "magik-backend-t41",
}
FRONTENDS: Mapping[str, str] = {
    "torch": "magik-frontend-torch",
    "tf": "magik-frontend-tf",
    "caffe": "magik-frontend-caffe",
    "mxnet": "magik-frontend-mxnet",
}
TORCH = "what torch.save or torch.jit.save has written, whole"
SUFFIXES: Mapping[str, tuple[str, str]] = {  # the frontend, and what it knows a file by
    ".onnx": ("onnx", "a file of ONNX"),
    ".pt": ("torch", TORCH),
    ".pth": ("torch", TORCH),
    ".jit": ("torch", TORCH),
    ".ckpt": ("torch", TORCH),
    ".pt2": ("torch", "what torch.export.save has written, whole"),
    ".safetensors": ("torch", "the length of a JSON header in 8 bytes, the header, then the tensors"),
    ".pb": ("tf", "a frozen GraphDef, or the saved_model.pb of a SavedModel"),
    ".tflite": ("tf", "a flatbuffer with the mark TFL3 at byte 4"),
    ".h5": ("tf", "an HDF5 file of Keras"),
    ".hdf5": ("tf", "an HDF5 file of Keras"),
    ".keras": ("tf", "a zip archive with config.json, metadata.json and model.weights.h5, whole"),
    ".caffemodel": ("caffe", "a file with the weights of a net"),
    ".prototxt": ("caffe", "a file with the text of a net"),
    ".params": ("mxnet", "arrays as mx.nd.save writes them"),
    "-symbol.json": ("mxnet", 'an object with "nodes", "arg_nodes" and "heads"'),
}
PACKAGES: Mapping[str, str] = {"torch": "torch", "tensorflow": "tf", "keras": "tf", "tf_keras": "tf"}  # of objects


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`, or an empty string."""
    by_fold = {key.casefold(): key for key in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=1)
    return by_fold[close[0]] if close else ""


def hint(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint with the known name most like `name`, or what else helps."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise


def soc(name: str, known: Iterable[str]) -> NoReturn:
    """Raise for an SoC that nobody registered."""
    _refuse("SoC", "SOC", name, known, {key.casefold(): value for key, value in SOCS.items()})


def frontend(name: str, known: Iterable[str]) -> NoReturn:
    """Raise for a frontend that nobody registered."""
    _refuse("frontend", "--frontend", name, known, FRONTENDS)


def quantizer(name: str, known: Iterable[str], key: str) -> NoReturn:
    """Raise for a quantizer that nobody registered; key: the config's that asks for it."""
    _refuse("quantizer", key, name, known, {})


def format_of(model: object, known: Iterable[str]) -> NoReturn:
    """Raise for a model, a path or an object, that no frontend knows."""
    known = tuple(known)
    if isinstance(model, (str, Path)):
        path = Path(model)
        other, form = next((s for end, s in SUFFIXES.items() if path.name.lower().endswith(end)), ("", ""))
        other = "tf" if (path / "saved_model.pb").is_file() else other
        where, found = str(path), model_file.content(path)
    else:
        packages = {base.__module__.partition(".")[0] for base in type(model).__mro__}
        other = next((name for package, name in PACKAGES.items() if package in packages), "")
        where, form, found = "", "", f"a {type(model).__module__}.{type(model).__qualname__}"
    raise ModelError(
        "no frontend knows this format",
        where=where,
        found=found,
        need=form if other in known and form else f"a model of one of: {', '.join(known)}",
        hint=f"pip install {FRONTENDS[other]}" if other in FRONTENDS and other not in known else "",
    )


def option(frontend: str, name: str, known: Iterable[str]) -> Problem:
    """An option that a frontend does not have."""
    known = tuple(known)
    what, need = f"the {frontend} frontend has no such option", f"one of: {', '.join(known)}" if known else "none"
    return Problem(what, "FRONTEND_OPTIONS", name, need, hint(name, known))


def _refuse(kind: str, where: str, name: str, known: Iterable[str], homes: Mapping[str, str]) -> NoReturn:
    known = tuple(known)
    home = homes.get(name.casefold(), "")
    raise UsageError(
        f"{kind} {name} is not installed" if home else f"there is no {kind} {name!r}",
        where=where,
        found=name,
        need=f"one of: {', '.join(known)}",
        hint=f"pip install {home}" if home else hint(name, known),
    )
