"""Keras models: `.keras`, `.h5` of Keras 2 and 3, and objects in memory, read without Keras and TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.hookspecs import Request

SUFFIXES = (".keras", ".h5", ".hdf5")
OPTIONS = {
    "architecture": "of a Keras file that holds weights only: the JSON that model.to_json() gave, or its path",
}
HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"


def sniff(path: Path) -> bool:
    """Whether a file is HDF5, or a zip archive with a Keras model in it."""
    import zipfile

    try:
        with path.open("rb") as file:
            head = file.read(len(HDF5))
        if head == HDF5:
            return True
        if head[:4] != ZIP:
            return False
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False
    return {"config.json", "metadata.json"} <= names


def used(path: Path) -> tuple[tuple[str, ...], str]:
    """The options that fit a file, and what it is called; an HDF5 file's depend on what it holds."""
    with path.open("rb") as file:
        is_archive = file.read(len(ZIP)) == ZIP
    return ((), "a Keras archive") if is_archive else (tuple(OPTIONS), "an HDF5 file")


def load(model: Any, request: Request) -> ir.Model:
    """Return the graph of a Keras file, or of a model in memory.

    Raises: ModelError: it cannot be read. GraphError: every layer that cannot be taken.
    """
    from magik_frontend_tf.keras_files import convert, reader

    return convert.convert(reader.read(model, request.options), request)
