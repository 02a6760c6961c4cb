"""TensorFlow: SavedModel folders and frozen graphs, Keras models, TFLite files. Each format has a package here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core import asked, model_file
from magik_core.errors import ModelError
from magik_core.hookspecs import Frontend, Request, hookimpl
from magik_frontend_tf import graphs, keras_files, tflite

if TYPE_CHECKING:
    import onnx_ir as ir

# Each has SUFFIXES, OPTIONS, sniff(path), used(path) and load(path, request), and imports nothing heavy before `load`.
FORMATS: tuple[Any, ...] = (graphs, keras_files, tflite)
KERAS = frozenset({"keras", "tf_keras", "tensorflow"})


def sniff(path: Path) -> bool:
    """Whether one of the formats knows a file or folder, from its bytes."""
    return any(one.sniff(path) for one in FORMATS)


def takes(model: object) -> bool:
    """Whether an object is a Keras model, by the name of its class."""
    kinds = type(model).__mro__
    return any(kind.__name__ == "Model" and kind.__module__.partition(".")[0] in KERAS for kind in kinds)


def load(model: Any, request: Request) -> ir.Model:
    """Read what `sniff` knows, or a Keras model in memory.

    Raises: ModelError: it is of none of the formats.
    """
    if takes(model):
        asked.check_options(request.options, (), "a Keras model in memory", type(model).__name__)
        return keras_files.load(model, request)
    path = Path(model)
    model_file.check(path)
    for one in FORMATS:
        if one.sniff(path):
            used, kind = one.used(path)
            asked.check_options(request.options, used, kind, str(path))
            return one.load(path, request)
    found, need = model_file.content(path), f"one of: {', '.join(suffixes())}"
    raise ModelError("the model is of no format of TensorFlow", where=str(path), found=found, need=need)


def suffixes() -> tuple[str, ...]:
    """Of all formats."""
    return tuple(suffix for one in FORMATS for suffix in one.SUFFIXES)


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    options = {name: text for one in FORMATS for name, text in one.OPTIONS.items()}
    register(Frontend("tf", suffixes(), sniff, load, options, takes))
