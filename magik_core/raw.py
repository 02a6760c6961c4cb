"""Inputs that MEAN and NORMAL stand behind: pixels of 8 bits, or whatever else the data are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from magik_core.graph import is_raw
from magik_core.program import QuantParams
from magik_core.quantize import PIXELS


class Seen:
    """What the data of an input are: whole numbers from 0 on, and up to which."""

    def __init__(self) -> None:
        self.is_whole = True
        self.top = 0.0

    def observe(self, x: np.ndarray) -> None:
        """Take in one sample."""
        self.is_whole = self.is_whole and bool(x.min() >= 0 and (x == np.rint(x)).all())
        self.top = max(self.top, float(x.max()))

    def codes(self, bits: int) -> QuantParams | None:
        """Parameters under which the data are their own codes: of pixels, or of as many bits; None: under none."""
        if not self.is_whole or self.top >= 1 << max(bits, PIXELS.bits):
            return None
        return PIXELS if self.top <= PIXELS.top else QuantParams(1.0, 0.0, bits)


def observers(model: ir.Model) -> dict[str, Seen]:
    """One for each raw input of a graph, by name."""
    return {value.name or "": Seen() for value in model.graph.inputs if is_raw(value)}
