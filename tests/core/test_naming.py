from __future__ import annotations

from magik_core.naming import free_name, take_name


def test_a_free_name_is_itself_and_a_taken_one_is_numbered() -> None:
    taken = {"conv", "conv_1"}

    assert free_name("pool", taken) == "pool"
    assert free_name("conv", taken) == "conv_2"
    assert taken == {"conv", "conv_1"}


def test_a_name_that_was_taken_is_given_once() -> None:
    taken: set[str] = set()

    assert [take_name("conv", taken) for _ in range(3)] == ["conv", "conv_1", "conv_2"]
    assert taken == {"conv", "conv_1", "conv_2"}
