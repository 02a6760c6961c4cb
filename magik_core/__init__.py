"""magik: quantize a trained network and prove on the PC what a small SoC will compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magik_core.errors import MagikError

if TYPE_CHECKING:
    from magik_core.net import Net as Net
    from magik_core.net import load as load
    from magik_core.pipeline import check as check
    from magik_core.pipeline import convert as convert

__version__ = "0.1.0"
__all__ = ["MagikError", "Net", "check", "convert", "load"]

_HOME = {"Net": "net", "load": "net", "check": "pipeline", "convert": "pipeline"}


def __getattr__(name: str) -> Any:
    """Import the heavy modules only when somebody uses them: `magik --version` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'magik_core' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"magik_core.{_HOME[name]}"), name)
