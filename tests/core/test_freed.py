"""What refers to itself is freed at once."""

from __future__ import annotations

import gc
import weakref

import pytest

from magik_core import freed


class Node:
    def __init__(self) -> None:
        self.own = self


def test_what_refers_to_itself_is_freed() -> None:
    watched = weakref.ref(Node())
    freed.give_back()
    assert watched() is None


def test_it_is_harmless_where_the_system_has_no_trim(monkeypatch) -> None:
    monkeypatch.setattr(freed.sys, "platform", "other")
    watched = weakref.ref(Node())
    freed.give_back()
    assert watched() is None


def test_garbage_of_before_is_left_for_later() -> None:
    gc.collect()
    before = weakref.ref(Node())
    with freed.new_garbage_alone():
        within = weakref.ref(Node())
        freed.give_back()
        assert within() is None and before() is not None
    freed.give_back()
    assert before() is None and gc.get_freeze_count() == 0


def test_what_the_caller_has_frozen_stays_so() -> None:
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        with pytest.raises(ValueError, match="x"), freed.new_garbage_alone():
            raise ValueError("x")
        assert gc.get_freeze_count() == count
    finally:
        gc.unfreeze()
