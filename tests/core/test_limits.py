"""What a tensor of a program can hold."""

from __future__ import annotations

from typing import get_args

import pytest

from magik_core.cli._options import SomeThreads
from magik_core.limits import MOST_THREADS, oversize, some_threads
from magik_core.pipeline import convert
from magik_core.program import MAX_ELEMENTS


@pytest.mark.parametrize("shape", [(), (1,) * 8, (MAX_ELEMENTS,), (1, 3, 640, 640)])
def test_what_fits(shape: tuple[int, ...]) -> None:
    assert oversize(shape) is None


def test_too_many_axes() -> None:
    assert oversize((1,) * 9) == ("9 axes", "at most 8")


def test_too_many_elements() -> None:
    assert oversize((MAX_ELEMENTS + 1,)) == (f"{MAX_ELEMENTS + 1} elements", f"at most {MAX_ELEMENTS}")


def test_threads_by_default_are_those_of_the_process_but_few(monkeypatch: pytest.MonkeyPatch) -> None:
    for mine, want in ((1, 1), (3, 3), (64, MOST_THREADS)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=mine: set(range(n)), raising=False)
        assert some_threads(None) == want and some_threads(7) == 7
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert some_threads(None) == 1


def test_users_are_told_how_many_threads_there_are_by_default() -> None:
    said = f"by default one per CPU, at most {MOST_THREADS}"
    assert said in get_args(SomeThreads)[1].help and said in (convert.__doc__ or "")
