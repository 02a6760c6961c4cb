"""Hold merge_reshapes against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.passes import merge_reshapes

FORMS = {
    "Flatten": "y = Flatten<axis=1>(x)",
    "Reshape with 0 and -1": "y = Reshape(x, open)",
    "Unsqueeze, Flatten": "u = Unsqueeze(x, axes) y = Flatten<axis=1>(u)",
    "Reshape, Reshape": "r = Reshape(x, flat) y = Reshape(r, two)",
    "Unsqueeze, Squeeze, Flatten": "u = Unsqueeze(x, axes) s = Squeeze(u, axes) y = Flatten<axis=1>(s)",
}
INTS = {"open": np.array([0, -1]), "axes": np.array([0]), "flat": np.array([120]), "two": np.array([2, 60])}


@pytest.mark.parametrize("form", FORMS)
def test_one_reshape_to_numbers(rewrite: Any, form: str) -> None:
    words = FORMS[form].replace("(", " ").replace(")", " ").replace(",", " ").split()
    used = {k: v for k, v in INTS.items() if k in words}
    done = rewrite(merge_reshapes, f"agraph (float[2,3,4,5] x) => (float[a,b] y) {{ {FORMS[form]} }}", **used)
    assert done.ops == {"Reshape": 1}
    shape = done.model.graph[0].inputs[1].const_value.numpy()
    np.testing.assert_array_equal(shape, done.model.graph.outputs[0].shape.numpy())


def test_an_inner_output_stays(rewrite: Any) -> None:
    text = "agraph (float[2,3] x) => (float[6] f, float[3,2] y) { f = Reshape(x, a) y = Reshape(f, b) }"
    done = rewrite(merge_reshapes, text, a=np.array([6]), b=np.array([3, 2]))
    assert done.ops == {"Reshape": 2}
