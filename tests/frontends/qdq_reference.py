"""The quantize-dequantize form computed as magik rounds: half up, where ONNX rounds half to even."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class QuantizeLinear(OpRun):
    """QuantizeLinear with a tie going up; per tensor."""

    op_domain = ""

    def _run(self, x: Any, scale: Any, zero: Any, **_: Any) -> tuple[np.ndarray]:
        info = np.iinfo(zero.dtype)
        t = x.astype(np.float64) / np.float64(scale) + np.float64(zero)
        return (np.clip(np.floor(t + 0.5), info.min, info.max).astype(zero.dtype),)


def evaluate(model: ir.Model | onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs; exact where every product and sum is."""
    proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
    return list(ReferenceEvaluator(proto, new_ops=[QuantizeLinear]).run(None, dict(feeds)))
