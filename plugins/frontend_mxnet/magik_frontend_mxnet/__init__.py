"""MXNet: `NAME-symbol.json` and `NAME-0000.params`, read without MXNet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from magik_core.hookspecs import Frontend, Request, hookimpl

if TYPE_CHECKING:
    import onnx_ir as ir

SUFFIXES = ("-symbol.json", ".json", ".params")
MAGIC = (0x112).to_bytes(8, "little") + bytes(8)  # of a list of arrays, and a reserved word
SNIFF_BYTES = 16 << 20  # a symbol is far smaller


def sniff(path: Path) -> bool:
    """Whether a file is a symbol or a list of arrays, from its bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
            if head == MAGIC:
                return True
            if path.suffix.lower() != ".json" or not head.lstrip().startswith(b"{"):
                return False
            text = head + file.read(SNIFF_BYTES)
    except OSError:
        return False
    return b'"nodes"' in text and b'"arg_nodes"' in text


def load(path: Path, request: Request) -> ir.Model:
    """Read either file, and the other one beside it."""
    from magik_frontend_mxnet import convert, reader

    return convert.convert(reader.read(Path(path)))


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    register(Frontend("mxnet", SUFFIXES, sniff, load))
