"""Hold expand_variadic against onnxruntime."""

from __future__ import annotations

from typing import Any

import pytest

from magik_core.passes import expand_variadic

ABC = "agraph (float[2,3] a, float[2,3] b, float[3] c) => (float[2,3] y)"


@pytest.mark.parametrize(
    ("op", "ops"),
    [
        ("Sum", {"Add": 2}),
        ("Mean", {"Add": 2, "Mul": 1}),
        ("Min", {"Min": 2}),
        ("Max", {"Max": 2}),
    ],
)
def test_many_become_a_chain(rewrite: Any, op: str, ops: dict[str, int]) -> None:
    assert rewrite(expand_variadic, f"{ABC} {{ y = {op}(a, b, c) }}").ops == ops


def test_two_stay_two(rewrite: Any) -> None:
    text = "agraph (float[2] a, float[2] b) => (float[2] y, float[2] z) { y = Max(a, b) z = Sum(a, b) }"
    assert rewrite(expand_variadic, text).ops == {"Max": 1, "Add": 1}
