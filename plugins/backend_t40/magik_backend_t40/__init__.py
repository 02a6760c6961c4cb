"""Ingenic T40 and X2500."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from magik_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from magik_core.soc import SoC


@hookimpl
def register_backends(register: Callable[[SoC], None]) -> None:
    from magik_backend_t40.soc import T40, X2500

    register(T40)
    register(X2500)
