"""TensorFlow: SavedModel folders and frozen graphs, Keras models, TFLite files. Each format has a package here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core.errors import ModelError
from magik_core.hookspecs import Frontend, Request, hookimpl
from magik_frontend_tf import graphs, tflite

if TYPE_CHECKING:
    import onnx_ir as ir

# Each has SUFFIXES, OPTIONS, sniff(path) and load(path, request), and imports nothing heavy before `load`.
FORMATS: tuple[Any, ...] = (graphs, tflite)
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
        from magik_frontend_tf import keras_files

        return keras_files.load(model, request)
    path = Path(model)
    for one in FORMATS:
        if one.sniff(path):
            return one.load(path, request)
    raise ModelError(
        "the model is of no format of TensorFlow", where=str(path), need=f"one of: {', '.join(suffixes())}"
    )


def suffixes() -> tuple[str, ...]:
    """Of all formats."""
    return tuple(suffix for one in FORMATS for suffix in one.SUFFIXES)


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    options = {name: text for one in FORMATS for name, text in one.OPTIONS.items()}
    register(Frontend("tf", suffixes(), sniff, load, options, takes))
