"""What a chip is to magik: a value with limits, memories and checks, each with its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magik_core.program import Program, Step

Inspect = Callable[..., str | None]


def _as_text(value: object) -> str:
    """A limit in a sentence: lists as "a, b"."""
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


@dataclass(frozen=True)
class Check:
    """One restriction of a chip: its sentence is the rule, the message and the row in docs/socs.md.

    `op` is an operator class name or "*"; `sentence` has a {placeholder} per limit; `inspect(program,
    step, **limits)` returns what it found, or None. A notice does not block: it says what an
    accelerator would not take.
    """

    name: str
    op: str
    sentence: str
    inspect: Inspect
    limits: tuple[tuple[str, Any], ...] = ()
    is_notice: bool = False
    hint: str = ""
    source: str = ""

    @property
    def need(self) -> str:
        return self.sentence.format(**{name: _as_text(value) for name, value in self.limits})

    def with_limits(self, **limits: Any) -> Check:
        return replace(self, limits=tuple({**dict(self.limits), **limits}.items()))

    def __call__(self, program: Program, step: Step) -> str | None:
        if self.op not in ("*", type(step.op).__name__):
            return None
        return self.inspect(program, step, **dict(self.limits))


def check(
    op: str,
    sentence: str,
    *,
    name: str = "",
    notice: bool = False,
    hint: str = "",
    source: str = "",
    **limits: Any,
) -> Callable[[Inspect], Check]:
    """Make a Check of a function `(program, step, **limits) -> found or None`, named as that is."""

    def wrap(inspect: Inspect) -> Check:
        return Check(name or inspect.__name__, op, sentence, inspect, tuple(limits.items()), notice, hint, source)

    return wrap


@dataclass(frozen=True)
class SoC:
    """A chip.

    Args:
        name: as in SOC of the config file, e.g. "T41"; compared without case.
        title: one line for people.
        memory_bytes: RAM that model and arena may use together; None when there is no limit.
        alignment: bytes; a power of two, of every tensor in the arena.
        checks: restrictions, in the order in which they are reported.
        cpu, simd: what the runtime may assume of the processor.
        clock_hz: of the CPU, the slowest part of the family; None when it is not public.
        sources: where the figures come from, one "<field>: <source>" for each of memory_bytes,
            alignment, cpu, simd and clock_hz that is set; an uncertain one says so.
    """

    name: str
    title: str = ""
    memory_bytes: int | None = None
    alignment: int = 64
    checks: tuple[Check, ...] = ()
    cpu: str = ""
    simd: tuple[str, ...] = ()
    clock_hz: int | None = None
    sources: tuple[str, ...] = ()
