"""The text of an error, and problems of several steps at once."""

from __future__ import annotations

import pytest

from magik_core.errors import DataError, MagikError, ModelError, Problem, UsageError, capped, together


def test_the_five_fields_in_order() -> None:
    error = MagikError("Conv cannot run", where="node 'c'", found="7x7", need="at most 5x5", hint="use 5x5")
    assert str(error) == "error: Conv cannot run\nwhere: node 'c'\nfound: 7x7\n need: at most 5x5\n\n hint: use 5x5"


def test_empty_fields_are_left_out() -> None:
    assert str(MagikError("nothing to do")) == "error: nothing to do"


def test_problems_are_listed_one_after_the_other() -> None:
    error = DataError(problems=[Problem("first"), Problem("second", found="2")])
    assert str(error) == "error: first\n\nerror: second\nfound: 2"


def _fail(error: MagikError) -> None:
    raise error


def test_together_returns_what_each_step_returns() -> None:
    assert together(lambda: 1, lambda: "two") == [1, "two"]


def test_together_raises_every_problem_with_the_worst_exit_code() -> None:
    with pytest.raises(MagikError) as caught:
        together(lambda: _fail(ModelError("no model")), lambda: 3, lambda: _fail(UsageError("no SoC")))
    assert [p.what for p in caught.value.problems] == ["no model", "no SoC"]
    assert caught.value.exit_code == 2


def test_together_lets_a_bug_through() -> None:
    with pytest.raises(ZeroDivisionError):
        together(lambda: 1 // 0)


def test_the_capped_many_problems_and_their_count() -> None:
    problems = [Problem(str(i)) for i in range(22)]
    assert capped(problems[:20]) == problems[:20]
    assert capped(problems) == [*problems[:20], Problem("and 2 more problems of the same stage")]
