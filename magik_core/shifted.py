"""Parameters of values that one number apart from quantized ones: the same codes, other reals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from magik_core import graph
from magik_core.numerics import LEAST_SCALE
from magik_core.program import QuantParams

OPERATORS = ("Add", "Sub", "Mul")
NEAR = 2.0**-12  # codes by which f32 may miss a whole number or a half


def line(node: ir.Node) -> tuple[float, float] | None:
    """(gain, offset) of x + c, x - c and x * c, x being input 0 and c one number."""
    c = graph.constant(node.inputs[1]) if len(node.inputs) == 2 else None
    if c is None or c.size != 1 or node.op_type not in OPERATORS or graph.constant(node.inputs[0]) is not None:
        return None
    number = float(c.reshape(-1)[0])
    return {"Add": (1.0, number), "Sub": (1.0, -number), "Mul": (number, 0.0)}[node.op_type]


def after(node: ir.Node, values: Mapping[str, QuantParams]) -> dict[str, QuantParams]:
    """Parameters of a quantized value and a number, where they are codes of half a code more or less."""
    found, x = line(node), node.inputs[0]
    known = values.get(x.name or "") if x is not None else None
    if found is None or known is None or found[0] != 1:
        return {}
    moved = _moved(known, known.scale, known.zero_point - found[1] / known.scale)
    return {} if moved is None else {node.outputs[0].name or "": moved}


def before(node: ir.Node, told: QuantParams) -> QuantParams | None:
    """Parameters of what a node reads, from those of what it writes: the codes stay; None where they cannot."""
    found = line(node)
    if found is None or found[0] <= 0:
        return None
    gain, offset = found
    return _moved(told, float(np.float32(told.scale / gain)), told.zero_point + offset / told.scale)


def limits(node: ir.Node) -> tuple[float, float] | None:
    """The constant limits of a Clip."""
    bounds = [graph.constant(v) for v in node.inputs[1:]]
    if node.op_type != "Clip" or len(bounds) != 2 or any(b is None or b.size != 1 for b in bounds):
        return None
    low, high = (float(b.reshape(-1)[0]) for b in bounds if b is not None)
    return low, high


def is_neutral(q: QuantParams, low: float, high: float) -> bool:
    """Whether limits cut off nothing that codes can say."""
    return low / q.scale + q.zero_point < NEAR and high / q.scale + q.zero_point > q.top - NEAR


def narrowed(node: ir.Node, q: QuantParams) -> QuantParams:
    """Parameters of a QuantizeLinear's codes: as few bits as a Clip before it leaves, as ONNX has not all widths."""
    here: QuantParams | None = q
    maker = node.inputs[0].producer() if node.inputs[0] is not None else None
    while maker is not None and here is not None and maker.op_type in OPERATORS and maker.inputs[0] is not None:
        here, maker = before(maker, here), maker.inputs[0].producer()
    found = limits(maker) if maker is not None else None
    if found is None or here is None:
        return q
    low, high = (limit / here.scale + here.zero_point for limit in found)
    bits = (round(high) + 1).bit_length() - 1 if abs(high) < q.top else q.bits
    is_whole = abs(low) < NEAR and abs(high - (2**bits - 1)) < NEAR
    return replace(q, bits=bits) if is_whole and 2 <= bits < q.bits else q


def _moved(q: QuantParams, scale: float, zero_point: float) -> QuantParams | None:
    near = round(2 * zero_point) / 2
    if abs(zero_point - near) > NEAR or not 0 <= near <= q.top or scale < LEAST_SCALE:
        return None
    return replace(q, scale=scale, zero_point=near)


def is_same(node: ir.Node, x: QuantParams, y: QuantParams) -> bool:
    """Whether a node of this kind leaves every code as it is."""
    found = line(node)
    if found is None or x.bits != y.bits:
        return False
    gain, offset = found
    zero_point = x.zero_point - offset / (gain * x.scale) if gain else -1.0
    return abs(gain * x.scale / y.scale - 1) < 2.0**-20 and abs(zero_point - y.zero_point) < NEAR
