"""One function for each type of layer: it takes the layer and its bottoms and returns its tops."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_frontend_caffe.builder import Builder
    from magik_frontend_caffe.reader import Layer

    Made = ir.Value | Sequence[ir.Value]
    Function = Callable[..., Made]

ANY = 1 << 30


@dataclass(frozen=True)
class Converter:
    """How layers of a type become nodes: `function(layer, to, *bottoms)`; bottoms: the fewest and the most."""

    function: Function
    bottoms: tuple[int, int]
    tops: tuple[int, int]

    @property
    def text(self) -> str:
        """What the layer becomes, for the page of docs/."""
        return " ".join((self.function.__doc__ or "").split("\n\n")[0].split())

    def __call__(self, layer: Layer, to: Builder, bottoms: Sequence[ir.Value]) -> Sequence[ir.Value]:
        """The layer's tops.

        Raises: ModelError: the layer cannot be converted.
        """
        for what, names, (low, high) in (
            ("bottoms", layer.bottoms, self.bottoms),
            ("tops", layer.tops, self.tops),
        ):
            if not low <= len(names) <= high:
                need = f"{low}" if low == high else f"{low} or more" if high == ANY else f"{low} to {high}"
                raise to.problem(f"the layer has the wrong number of {what}", len(names), need)
        made = self.function(layer, to, *bottoms)
        return list(made) if isinstance(made, (list, tuple)) else [made]  # type: ignore[list-item]


_TABLE: dict[str, Converter] = {}


def layer(
    *types: str, bottoms: int | tuple[int, int] = 1, tops: int | tuple[int, int] = 1
) -> Callable[[Function], Function]:
    """Register a function for the types of layers that it converts."""

    def register(function: Function) -> Function:
        counts = [(n, n) if isinstance(n, int) else n for n in (bottoms, tops)]
        for name in types:
            _TABLE[name] = Converter(function, counts[0], counts[1])
        return function

    return register


@cache
def table() -> Mapping[str, Converter]:
    """Every type of layer that is converted, from every file of this folder."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return dict(sorted(_TABLE.items()))
