"""Who converts which operator: functions register themselves by domain and name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import onnx

    from magik_core.builtin.onnx_quantized.expansion import Expansion

Function: TypeAlias = "Callable[[onnx.NodeProto, Expansion], None]"

ANY = 1 << 30
PACKAGES = ("magik_core.builtin.onnx_quantized.layers", "magik_core.builtin.thinker.layers",
            "magik_core.builtin.trainingkit.layers")  # fmt: skip
STANDARD, MICROSOFT = "", "com.microsoft"


@dataclass(frozen=True)
class Converter:
    """How nodes of an operator become the quantize-dequantize form.

    Args:
        function: emits what the node becomes. inputs, outputs: the fewest and the most of them.
        optional: places among the fewest that may be empty.
    """

    function: Function
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    optional: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """What a node becomes, for the page of docs/."""
        return " ".join((self.function.__doc__ or "").split("\n\n")[0].split())


_TABLE: dict[tuple[str, str], Converter] = {}


def converts(
    *operators: str,
    domains: tuple[str, ...],
    inputs: int | tuple[int, int],
    outputs: int | tuple[int, int] = 1,
    optional: tuple[int, ...] = (),
) -> Callable[[Function], Function]:
    """Register a function for operators of some domains."""

    def register(function: Function) -> Function:
        counts = [(n, n) if isinstance(n, int) else n for n in (inputs, outputs)]
        for key in ((domain, name) for domain in domains for name in operators):
            assert key not in _TABLE, key
            _TABLE[key] = Converter(function, counts[0], counts[1], optional)
        return function

    return register


@cache
def table() -> Mapping[tuple[str, str], Converter]:
    """Every operator that is converted, from every file of the packages."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for info in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{name}.{info.name}")
    return dict(sorted(_TABLE.items()))
