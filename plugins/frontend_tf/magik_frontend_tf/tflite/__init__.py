"""TFLite files, float and quantized, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.hookspecs import Request

SUFFIXES = (".tflite", ".lite")
OPTIONS: Mapping[str, str] = {
    "rounding": "how a quantized file's sums are rounded: \"once\" (as TFLite's default kernels do, the default) "
    'or "twice" (as its reference kernels do, on microcontrollers too)'
}
IDENTIFIER = b"TFL3"  # of a flatbuffer, behind the offset of its root


def sniff(path: Path) -> bool:
    """Whether a file is a TFLite model, from its bytes."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == IDENTIFIER
    except OSError:
        return False


def used(path: Path) -> tuple[tuple[str, ...], str]:
    """The options that fit a file, and what it is called."""
    return tuple(OPTIONS), "a TFLite file"


def load(path: Path, request: Request) -> ir.Model:
    """Read a file; a quantized one in QDQ form.

    Raises: ModelError: the file is damaged, or it holds operators that are not taken: all of them by name.
    """
    from magik_frontend_tf.tflite import convert, reader

    return convert.convert(reader.read(Path(path)), request)
