"""What magik brings along, handed over through the same hooks as everyone's."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from magik_core.hookspecs import Frontend, hookimpl

if TYPE_CHECKING:
    from magik_core.quantizers import Quantizer
    from magik_core.soc import SoC


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    """Every `<format>_frontend.py` in this folder."""
    for info in pkgutil.iter_modules(__path__):
        if info.name.endswith("_frontend"):
            register(importlib.import_module(f"{__name__}.{info.name}").FRONTEND)


@hookimpl
def register_quantizers(register: Callable[[Quantizer], None]) -> None:
    from magik_core.builtin import quantizers

    for quantizer in quantizers.found():
        register(quantizer)


@hookimpl
def register_backends(register: Callable[[SoC], None]) -> None:
    from magik_core.builtin.host import HOST

    register(HOST)
