"""Hold gather_to_slice against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import gather_to_slice

SPACED = {
    "contiguous": ([1, 2], {"Slice": 1}),
    "strided": ([1, 3, 5], {"Slice": 1}),
    "negative": ([-2, -1], {"Slice": 1}),
    "one": ([4], {"Slice": 1}),
    "scalar": (3, {"Slice": 1, "Reshape": 1}),
    "last": (-1, {"Slice": 1, "Reshape": 1}),
}


@pytest.mark.parametrize("form", SPACED)
def test_even_indices_are_a_slice(rewrite: Any, form: str) -> None:
    indices, ops = SPACED[form]
    text = "agraph (float[2,6,5] x) => (float[a,b,c] y) { y = Gather<axis=1>(x, i) }"
    text = text.replace("[a,b,c]", "[a,c]") if isinstance(indices, int) else text
    assert rewrite(gather_to_slice, text, i=np.array(indices)).ops == ops


@pytest.mark.parametrize("indices", [[0, 1, 3], [2, 1, 0], [1, 1], [[0, 1], [2, 3]]])
def test_other_indices_are_declined(rewrite: Any, indices: list[int]) -> None:
    rank = np.ndim(indices) + 2
    text = f"agraph (float[2,6,5] x) => (float[{','.join('abcd'[:rank])}] y) {{ y = Gather<axis=1>(x, i) }}"
    done = rewrite(gather_to_slice, text, i=np.array(indices))
    assert done.ops == {"Gather": 1}
    assert done.declined[0][1] == f"indices {indices} are not evenly spaced upwards"
