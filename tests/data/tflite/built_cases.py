"""Files that are only read: the tail of a detector, operators that are refused."""

from __future__ import annotations

import numpy as np
from writer import Op, Tensor

boxes, scores = Tensor((1, 6, 4)), Tensor((1, 6, 3))
CASES = {
    "detector": [
        Op("RELU", [Tensor((1, 6, 4))], [boxes]),
        Op("LOGISTIC", [Tensor((1, 6, 3))], [scores]),
        Op("CUSTOM", [boxes, scores, np.zeros((6, 4), np.float32)], [Tensor((1, 2, 4)) for _ in range(4)],
           custom="TFLite_Detection_PostProcess"),
    ],
    "refused": [
        Op("RELU", [Tensor((1, 4))], [a := Tensor((1, 4))]),
        Op("CUSTOM", [a], [b := Tensor((1, 4))], custom="MyOperator"),
        Op("CUMSUM", [b, np.int32(0)], [c := Tensor((1, 4))], "CumsumOptions", {}),
        Op("ABS", [c], [d := Tensor((1, 4))]),
        Op("STABLEHLO_CBRT", [d], [Tensor((1, 4))]),
    ],
}  # fmt: skip
