"""The estimators of magik_core/quantizers, found by looking in that folder."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import magik_core.quantizers as folder

if TYPE_CHECKING:
    from magik_core.quantizers import Quantizer


def found() -> tuple[Quantizer, ...]:
    """Every `QUANTIZER` in the folder, in order of file names."""
    modules = (
        importlib.import_module(f"{folder.__name__}.{i.name}") for i in pkgutil.iter_modules(folder.__path__)
    )
    return tuple(module.QUANTIZER for module in modules if hasattr(module, "QUANTIZER"))
