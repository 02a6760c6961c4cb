"""Hold expand_batch_norm against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import expand_batch_norm

RNG = np.random.default_rng(0)
STATS = {name: RNG.uniform(0.5, 2, 4).astype(np.float32) for name in ("s", "b", "m", "v")}


@pytest.mark.parametrize("shape", ["[1,4,6,6]", "[2,4]", "[1,4,7]"])
def test_it_is_a_product_and_a_sum(rewrite: Any, shape: str) -> None:
    text = f"agraph (float{shape} x) => (float{shape} y) {{ y = BatchNormalization<epsilon=0.1>(x, s, b, m, v) }}"
    assert rewrite(expand_batch_norm, text, **STATS).ops == {"Mul": 1, "Add": 1}


def test_statistics_that_are_computed_are_declined(rewrite: Any) -> None:
    text = (
        "agraph (float[1,4,6,6] x, float[4] z) => (float[1,4,6,6] y)"
        " { t = Exp(z) y = BatchNormalization(x, t, b, m, v) }"
    )
    done = rewrite(expand_batch_norm, text, **{k: v for k, v in STATS.items() if k != "s"})
    assert done.count == 0
    assert done.declined == [("y", "scale, bias, mean or variance is not constant")]
