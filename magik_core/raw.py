"""Inputs that MEAN and NORMAL stand behind: pixels of 8 bits, or whatever else the data are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from magik_core.graph import is_raw
from magik_core.program import QuantParams
from magik_core.quantize import PIXELS

BRIGHT = 128  # from here on fractions are those of pixels that were resized; data of [0, 1] are none


class Seen:
    """What the data of an input are: between which numbers, and whether they are whole."""

    def __init__(self) -> None:
        self.low = self.top = 0.0
        self.is_whole = True

    def observe(self, x: np.ndarray) -> None:
        """Take in one sample."""
        self.low, self.top = min(self.low, float(x.min())), max(self.top, float(x.max()))
        self.is_whole = self.is_whole and bool((x == np.rint(x)).all())

    def codes(self, bits: int) -> QuantParams | None:
        """Parameters under which the data are their own codes: of pixels, or of as many bits; None: under none."""
        if self.low < 0:
            return None
        if self.top <= PIXELS.top and (self.is_whole or self.top >= BRIGHT):
            return PIXELS
        return QuantParams(1.0, 0.0, bits) if self.is_whole and self.top < 1 << bits else None


def observers(model: ir.Model) -> dict[str, Seen]:
    """One for each raw input of a graph, by name."""
    return {value.name or "": Seen() for value in model.graph.inputs if is_raw(value)}
