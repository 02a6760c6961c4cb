"""Caffe for magik: a prototxt and its caffemodel as an ONNX graph; neither Caffe nor protobuf is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from magik_core.hookspecs import Frontend, Request, hookimpl
from magik_frontend_caffe.files import SUFFIXES, sniff

if TYPE_CHECKING:
    import onnx_ir as ir

OPTIONS = {
    "weights": "the caffemodel of a prototxt, or the other way around, where it does not lie beside",
    "detection": 'what becomes of a DetectionOutput: "cut" (offsets and scores are the outputs) or "decode"',
}


def load(path: Path, request: Request) -> ir.Model:
    from magik_frontend_caffe import convert

    return convert.load(path, request.options)


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    register(Frontend("caffe", SUFFIXES, sniff, load, OPTIONS))
