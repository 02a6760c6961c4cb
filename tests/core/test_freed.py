"""What refers to itself is freed at once."""

from __future__ import annotations

import weakref

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
