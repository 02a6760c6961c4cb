"""Quantized operators for PyTorch whose evaluation computes what the board does.

`magik_trainingkit.ops` holds the operators; nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magik_trainingkit import ops as ops
    from magik_trainingkit import quantize_ops as quantize_ops
    from magik_trainingkit.checking import check as check

__version__ = "0.1.0"
__all__ = ["check", "ops", "quantize_ops"]


def __getattr__(name: str) -> Any:
    import importlib

    if name == "check":
        return importlib.import_module("magik_trainingkit.checking").check
    if name in __all__:
        return importlib.import_module(f"magik_trainingkit.{name}")
    raise AttributeError(f"module 'magik_trainingkit' has no attribute {name!r}")
