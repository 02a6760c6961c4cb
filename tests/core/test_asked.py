"""What is asked of a model that it does not have."""

from __future__ import annotations

import pytest

from magik_core import asked
from magik_core.errors import UsageError


def test_a_tensor_has_near_names_or_none() -> None:
    problem = asked.tensor("OUTPUT", "Prob", ("prob", "conv1"), ["prob"])
    assert (problem.where, problem.hint) == ("OUTPUT: Prob", "did you mean 'prob'?")
    problem = asked.tensor("INPUT", "image", ("data", "conv1"), [f"data{i}" for i in range(9)])
    assert problem.hint == ""
    assert problem.need == "a tensor of the model, such as its inputs: data0, data1, data2, data3, data4, data5, …"


@pytest.mark.parametrize(("found", "known", "right"), [
    ((1, 3, 8, 9), (None, None, None, 3), "1,8,9,3"),
    ((2, 8, 9, 3), ("n", 3, "h", "w"), "2,3,8,9"),
    ((1, 8, 8, 3), (1, 3, 8, 8), "1,3,8,8"),
    ((1, 3, 8, 8), (1, 8, 8, 3), "1,8,8,3"),
    ((1, 3, 8, 9), (1, 3, 8, 8), ""),
    ((1, 3, 8, 9), (1, 3, 4, 4), ""),
    ((1, 5, 8, 9), (None, None, None, 3), ""),
    ((1, 3, 3, 3), (None, None, None, 3), ""),
    ((1, 8), (None, 3), ""),
])  # fmt: skip
def test_an_order_of_axes(found: tuple[int, ...], known: tuple[object, ...], right: str) -> None:
    problem = asked.other_order("x", found, known)
    assert (problem.hint if problem else "").removeprefix("sizes are in the source's order, e.g. ") == right


def test_every_option_that_does_not_fit() -> None:
    asked.check_options({"a": 1}, ("a", "b"), "a net", "net.x")
    with pytest.raises(UsageError) as caught:
        asked.check_options({"a": 1, "c": 1, "d": 2}, ("a", "b"), "a net", "net.x")
    assert [(p.what, p.where, p.found, p.need) for p in caught.value.problems] == [
        ("an option does not fit the model", "net.x", "c", "of a net: a, b"),
        ("an option does not fit the model", "net.x", "d", "of a net: a, b"),
    ]
