"""Hold expand_depth_to_space against onnxruntime."""

from __future__ import annotations

from typing import Any

import pytest

from magik_core.passes import expand_depth_to_space

FORMS = {
    "DCR": ("[1,12,2,3]", 'DepthToSpace<blocksize=2, mode="DCR">'),
    "CRD": ("[1,12,2,3]", 'DepthToSpace<blocksize=2, mode="CRD">'),
    "space": ("[2,3,4,6]", "SpaceToDepth<blocksize=2>"),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_is_a_move_of_axes(rewrite: Any, form: str) -> None:
    shape, op = FORMS[form]
    text = f"agraph (float{shape} x) => (float[a,b,c,d] y) {{ y = {op}(x) }}"
    assert rewrite(expand_depth_to_space, text).ops == {"Reshape": 2, "Transpose": 1}
