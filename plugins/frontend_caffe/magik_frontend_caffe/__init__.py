"""Caffe for magik: a prototxt and its caffemodel as an ONNX graph; neither Caffe nor protobuf is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from magik_core.hookspecs import Frontend, hookimpl
from magik_frontend_caffe.files import SUFFIXES, sniff

if TYPE_CHECKING:
    import onnx_ir as ir


def load(path: Path, options: Mapping[str, str]) -> ir.Model:
    from magik_frontend_caffe import convert

    return convert.load(path, options)


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    register(Frontend("caffe", SUFFIXES, sniff, load))
