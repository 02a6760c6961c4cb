"""Ingenic T41 and A1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from magik_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from magik_core.soc import SoC


@hookimpl
def register_backends(register: Callable[[SoC], None]) -> None:
    from magik_backend_t41.soc import A1, T41

    register(T41)
    register(A1)
