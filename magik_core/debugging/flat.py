"""Where what reads a value is flat, so that saturating there changes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx_ir as ir

from magik_core.program import QuantParams
from magik_core.quantize import useful

SLACK = 0.05  # of the range: how far apart its end and that of the flat part may be
Limits = Mapping[str, tuple[float, float]]


def flat_ends(model: ir.Model, values: Mapping[str, QuantParams]) -> dict[str, tuple[float, float]]:
    """(low, high) of the values whose readers are all flat beyond; an end that matters is infinite.

    `quantize` spends no codes there: HardSwish is 0 below -3. What float has beyond counts as the end itself.
    """
    ranges = {name: _range(q) for name, q in values.items()}
    wide = {name: (2 * low - high, 2 * high - low) for name, (low, high) in ranges.items()}
    out = {}
    for name, (first, last) in useful(model, wide, {name: q.bits for name, q in values.items()}).items():
        low, high = ranges[name]
        slack = SLACK * (high - low)
        out[name] = (
            low if wide[name][0] + slack < first and first > low - slack else -math.inf,
            high if last < wide[name][1] - slack and last < high + slack else math.inf,
        )
    return out


def _range(q: QuantParams) -> tuple[float, float]:
    return q.scale * -q.zero_point, q.scale * (q.top - q.zero_point)
