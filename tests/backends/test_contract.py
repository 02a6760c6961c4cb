"""Every SoC keeps the contract, and the contract notices what breaks it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from magik_core import soc_contract
from magik_core.ops import Op
from magik_core.program import Program, QuantParams, Step, Tensor
from magik_core.soc import SoC, check
from tests.conftest import repository

PLUGINS = repository()
SOCS = PLUGINS.socs


def test_the_chips_of_this_repository_are_there() -> None:
    assert {"host", "T40", "X2500", "T41", "A1"} <= set(SOCS)


@pytest.mark.parametrize("rule", soc_contract.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", SOCS)
def test_contract(name: str, rule) -> None:
    assert rule(SOCS[name]) == []


@pytest.mark.parametrize("name", SOCS)
def test_found_in_any_case(name: str) -> None:
    assert PLUGINS.soc(name.upper()) is PLUGINS.soc(name.lower()) is SOCS[name]


@pytest.mark.parametrize("name", SOCS)
def test_checks_take_a_step_that_they_know_nothing_of(name: str) -> None:
    program = _program()
    for one in SOCS[name].checks:
        found = replace(one, op="*")(program, program.steps[0])
        assert found is None or (found and not found.endswith(".")), one.name


@dataclass(frozen=True)
class Strange(Op):
    """An operator without attributes."""


def _program() -> Program:
    x = Tensor("x", "u8", (1, 4, 4, 2), QuantParams(0.5))
    y = Tensor("y", "u8", (1, 4, 4, 2), QuantParams(0.5))
    step = Step("node", Strange(), ("x",), ("y",))
    return Program("tiny", {"x": x, "y": y}, (step,), ("x",), ("y",))


GOOD = SoC("good", "a chip", sources=("alignment: a test",))
rank = check("*", "at most {n} axes", name="rank", n=4, source="a test")(lambda program, step, *, n: None)


@pytest.mark.parametrize(
    ("soc", "fault"),
    [
        (replace(GOOD, name="a b"), "name 'a b' has spaces"),
        (replace(GOOD, title=""), "no title"),
        (replace(GOOD, alignment=48), "alignment 48 is not a power of two"),
        (replace(GOOD, memory_bytes=0), "memory_bytes 0 is not positive"),
        (replace(GOOD, memory_bytes=1 << 20), "memory_bytes has no source"),
        (replace(GOOD, cpu="mips"), "cpu has no source"),
        (replace(GOOD, sources=("alignment: ",)), "alignment has no source"),
        (replace(GOOD, checks=(rank, rank)), "two checks are called rank"),
        (replace(GOOD, checks=(replace(rank, name="a-b"),)), "check 'a-b' is not an identifier"),
        (replace(GOOD, checks=(replace(rank, source=""),)), "check rank has no source"),
        (replace(GOOD, checks=(replace(rank, sentence="four axes"),)), "placeholders [] but limits ['n']"),
        (replace(GOOD, checks=(replace(rank, sentence="at most {n} axes."),)), "without a full stop"),
    ],
)
def test_contract_notices(soc: SoC, fault: str) -> None:
    assert soc_contract.broken(GOOD) == ()
    assert any(fault in text for text in soc_contract.broken(soc)), soc_contract.broken(soc)


def test_with_limits_changes_what_the_check_finds() -> None:
    @check("*", "the last axis is at most {n}", n=1, source="a test")
    def last_axis(program: Program, step: Step, *, n: int) -> str | None:
        last = program.tensors["x"].shape[-1]
        return f"{last}" if last > n else None

    program = _program()
    assert last_axis(program, program.steps[0]) == "2"
    assert last_axis.with_limits(n=2)(program, program.steps[0]) is None
    assert last_axis.need == "the last axis is at most 1"
    assert last_axis.with_limits(n=2).need == "the last axis is at most 2"
