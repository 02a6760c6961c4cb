"""Hold fold_gemm against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import fold_gemm

RNG = np.random.default_rng(0)
W = RNG.standard_normal((4, 3)).astype(np.float32)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1,)])
def test_a_bias_per_column(rewrite: Any, shape: tuple[int, ...]) -> None:
    text = "agraph (float[2,4] x) => (float[2,3] y) { p = MatMul(x, w) y = Add(b, p) }"
    done = rewrite(fold_gemm, text, w=W, b=RNG.standard_normal(shape).astype(np.float32))
    assert done.ops == {"Gemm": 1}
    assert done.model.graph[0].inputs[2].shape == (3,)


def test_a_bias_per_row_is_declined(rewrite: Any) -> None:
    text = "agraph (float[2,4] x) => (float[2,3] y) { p = MatMul(x, w) y = Add(p, b) }"
    done = rewrite(fold_gemm, text, w=W, b=np.ones((2, 1), np.float32))
    assert done.count == 0
    assert done.declined == [("y", "the sum of shape [2, 1] is no bias per column")]


def test_a_second_reader_is_declined(rewrite: Any) -> None:
    text = "agraph (float[2,4] x) => (float[2,3] y, float[2,3] p) { p = MatMul(x, w) y = Add(p, b) }"
    done = rewrite(fold_gemm, text, w=W, b=np.ones(3, np.float32))
    assert done.count == 0
    assert "has another reader" in done.declined[0][1]


def test_a_higher_rank_stays(rewrite: Any) -> None:
    text = "agraph (float[1,2,4] x) => (float[1,2,3] y) { p = MatMul(x, w) y = Add(p, b) }"
    assert rewrite(fold_gemm, text, w=W, b=np.ones(3, np.float32)).count == 0
