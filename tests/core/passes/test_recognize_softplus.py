"""Hold recognize_softplus against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from magik_core.passes import recognize_softplus


def test_log_of_one_plus_exp(rewrite: Any) -> None:
    text = "agraph (float[9] x) => (float[9] y) { e = Exp(x) a = Add(one, e) y = Log(a) }"
    done = rewrite(recognize_softplus, text, one=np.float32(1))
    assert done.ops == {"Softplus": 1}
    assert done.model.graph[0].name == "y"


def test_another_number_stays(rewrite: Any) -> None:
    text = "agraph (float[9] x) => (float[9] y) { e = Exp(x) a = Add(two, e) y = Log(a) }"
    assert rewrite(recognize_softplus, text, two=np.float32(2)).count == 0
