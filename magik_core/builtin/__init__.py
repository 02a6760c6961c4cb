"""What magik brings along, handed over through the same hooks as everyone's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from magik_core.hookspecs import Frontend, hookimpl

if TYPE_CHECKING:
    from magik_core.quantizers import Quantizer
    from magik_core.soc import SoC


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    """ONNX."""
    from magik_core.builtin import onnx_frontend as onnx

    register(Frontend("onnx", onnx.SUFFIXES, onnx.sniff, onnx.load))


@hookimpl
def register_quantizers(register: Callable[[Quantizer], None]) -> None:
    """Every file in magik_core/quantizers."""
    from magik_core import quantizers

    for quantizer in quantizers.found().values():
        register(quantizer)


@hookimpl
def register_backends(register: Callable[[SoC], None]) -> None:
    from magik_core.builtin.host import HOST

    register(HOST)
