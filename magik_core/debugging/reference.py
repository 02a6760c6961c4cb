"""What the float model computes, as the layers of a program are compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from magik_core import numerics
from magik_core.float_session import NARROW, FloatSession
from magik_core.program import QuantParams

Arrays = Mapping[str, np.ndarray]


class Reference:
    """The float model with some of its values as outputs; codes of less than 8 bits as the reals that they mean."""

    def __init__(self, model: ir.Model, names: Iterable[str]) -> None:
        known = _dequantized(model)
        self._asked = {name: known.get(name, name) for name in names}
        self._session = FloatSession(model, sorted(set(self._asked.values())))

    def run(self, feeds: Arrays) -> dict[str, np.ndarray]:
        """The values for one sample."""
        found = self._session.run(feeds)
        return {name: found[asked] for name, asked in self._asked.items()}


def _dequantized(model: ir.Model) -> dict[str, str]:
    """What a DequantizeLinear makes of codes that are narrow, by the name of these."""
    pairs = [(n.inputs[0], n.outputs[0]) for n in model.graph if n.op_type == "DequantizeLinear"]
    return {x.name or "": y.name or "" for x, y in pairs if x is not None and x.dtype in NARROW}


def rounded(want: np.ndarray, said: QuantParams | None, held: object) -> np.ndarray:
    """Values of the float model as its own QuantizeLinear saturates and rounds them.

    A source that brings its quantization rounds a value behind the node that makes it, a program within that node.

    Args: said: what the source says of the value, if anything; held: the parameters that the program has it with.
    """
    return want if said is None or said != held else numerics.dequantize(numerics.quantize(want, said), said)
