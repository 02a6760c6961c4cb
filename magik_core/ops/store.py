"""Store: codes in another storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from magik_core.ops import Array, Op, Tensors
from magik_core.program import DTYPES


@dataclass(frozen=True)
class Store(Op):
    """The same codes in u8 or u16; what does not fit u8 is 255, which no program of ours has.

    Attributes: dtype: of y, "u8" or "u16".
    Shapes: x any, u16 or u8, y as x.
    Source: docs/quantization.md, "Activations".
    """

    dtype: str

    dtypes: ClassVar[tuple[str, ...]] = ("u8", "u16")

    def kernel(self, x: Tensors, y: Tensors) -> str:
        return f"store_{self.dtype}"

    def integer(self, p: object, x: Array) -> Array:
        return x.clip(0, 255).astype(DTYPES["u8"]) if self.dtype == "u8" else x.astype(DTYPES["u16"])
