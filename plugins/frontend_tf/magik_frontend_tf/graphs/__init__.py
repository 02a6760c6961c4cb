"""Graphs of TensorFlow: SavedModel folders and frozen GraphDefs, through tf2onnx."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from magik_core.hookspecs import Request

if TYPE_CHECKING:
    import onnx_ir as ir

SUFFIXES = (".pb", "saved_model.pb")
OPTIONS = {
    "signature": "which function of a SavedModel to read, by default serving_default",
    "tag": "which graph of a SavedModel to read, by default serve",
}
PROTO = "saved_model.pb"
HEAD_BYTES = 4096
NODE, NODE_NAME, NODE_OP = 0x0A, 0x0A, 0x12  # keys of GraphDef.node, NodeDef.name and NodeDef.op
NAME = re.compile(rb"[\w./>\\-]+")
OP = re.compile(rb"[A-Za-z_][\w>]*")


def sniff(path: Path) -> bool:
    """Whether a folder holds a SavedModel, or a file begins as a GraphDef does."""
    if path.is_dir():
        return (path / PROTO).is_file()
    if path.name == PROTO:
        return path.is_file()
    try:
        with path.open("rb") as file:
            return is_graph(file.read(HEAD_BYTES))
    except OSError:
        return False


def is_graph(head: bytes) -> bool:
    """Whether bytes begin with a node that has a name and an operator."""
    node, _ = _field(head, NODE)
    name, rest = _field(node, NODE_NAME)
    op, _ = _field(rest, NODE_OP)
    return bool(NAME.fullmatch(name) and OP.fullmatch(op))


def _field(data: bytes, key: int) -> tuple[bytes, bytes]:
    """The first field, as far as it is there, and what is behind it; nothing where its key is another."""
    size = 0
    if data[:1] == bytes([key]):
        for i, byte in enumerate(data[1:6]):
            size |= (byte & 0x7F) << 7 * i
            if byte < 0x80:
                begin = i + 2
                return data[begin : begin + size], data[begin + size :]
    return b"", b""


def used(path: Path) -> tuple[tuple[str, ...], str]:
    """The options that fit a path, and what it is called."""
    is_saved = path.is_dir() or path.name == PROTO
    return (tuple(OPTIONS), "a SavedModel") if is_saved else ((), "a frozen graph")


def load(path: Path, request: Request) -> ir.Model:
    """Read a SavedModel folder or a frozen GraphDef."""
    from magik_frontend_tf.graphs.convert import load as read

    return read(path, request)
