"""Hold share_constants against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np

from magik_core.passes import share_constants


def test_equal_constants_become_one(rewrite: Any) -> None:
    text = "agraph (float[2,4] x) => (float[2,4] y, float[2,4] z) { y = MatMul(x, a) z = MatMul(y, b) }"
    w = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    done = rewrite(share_constants, text, a=w, b=w.copy())
    assert done.count == 1
    assert len(done.model.graph.initializers) == 1


def test_other_bytes_stay(rewrite: Any) -> None:
    text = "agraph (float[2,4] x) => (float[2,4] y, float[2,4] z) { y = MatMul(x, a) z = MatMul(y, b) }"
    w = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    assert rewrite(share_constants, text, a=w, b=-w).count == 0
