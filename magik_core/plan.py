"""The memory plan: an offset in the arena for every activation of a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from magik_core.place import TRIALS, block, place, profile
from magik_core.plan_check import check_plan as check_plan
from magik_core.program import Program
from magik_core.share import Edge, Member, Sharing, offers

Groups = tuple[tuple[Member, ...], ...]
FEW_TRIALS = 50  # orders to try for a sharing that is only an attempt
ATTEMPTS = 24  # sharings to try without one of their parts


@dataclass(frozen=True)
class Plan:
    """Where every activation lies.

    Args:
        offsets: bytes from the start of the arena, by tensor name.
        arena_bytes: size of the arena.
        lower_bound: the most bytes alive at one time, given the sharing; no plan needs less.
        groups: names of tensors that share storage, where there are several.
        alignment: bytes; every storage group starts at a multiple of it.
    """

    offsets: Mapping[str, int]
    arena_bytes: int
    lower_bound: int
    groups: tuple[tuple[str, ...], ...] = ()
    alignment: int = 64


def plan(program: Program, alignment: int = 64) -> Plan:
    """Give every activation an offset, in an arena near the smallest that can be.

    Sharing never adds live bytes, but it ties tensors together and so can make them harder to
    place; with all of it the arena is mostly the smallest, and where it misses the bound the
    weaker choices are tried too. The same program gives the same plan.

    Args:     alignment: bytes; a power of two.
    """
    assert alignment > 0 and alignment & (alignment - 1) == 0, f"alignment {alignment} is not a power of two"
    edges = list(offers(program))
    best = _placed(program, edges, alignment, TRIALS)
    best = _untied(program, edges, alignment, best)
    for weaker in ([e for e in edges if e.is_whole], [e for e in edges if not e.is_view], []):
        if best.arena_bytes == best.lower_bound:
            break
        best = min(best, _placed(program, weaker, alignment, FEW_TRIALS), key=lambda p: p.arena_bytes)
    return best


def _untied(program: Program, edges: list[Edge], alignment: int, best: Plan) -> Plan:
    """Leave out one part of a Concat or Split after the other where that makes the arena smaller.

    The parts that reach the top of the arena come first.
    """
    parts = [e for e in edges if not e.is_whole]
    tensors = program.tensors
    parts.sort(key=lambda e: -(best.offsets[e.parent] + tensors[e.parent].nbytes))
    for part in parts[:ATTEMPTS]:
        if best.arena_bytes == best.lower_bound:
            break
        fewer = [e for e in edges if e is not part]
        found = _placed(program, fewer, alignment, FEW_TRIALS)
        if found.arena_bytes < best.arena_bytes:
            best, edges = found, fewer
    return best


def _groups(program: Program, edges: Iterable[Edge]) -> Groups:
    sharing = Sharing(program)
    for edge in edges:
        sharing.offer(edge)
    return sharing.groups()


def _placed(program: Program, edges: Iterable[Edge], alignment: int, trials: int) -> Plan:
    groups = _groups(program, edges)
    blocks = [block(g, alignment) for g in groups]
    bases, peak = place(blocks, len(program.steps), trials)
    offsets = {m.name: base + m.offset for g, base in zip(groups, bases, strict=True) for m in g}
    return Plan(
        offsets={t.name: offsets[t.name] for t in program.activations()},
        arena_bytes=peak,
        lower_bound=max(profile(blocks, len(program.steps)), default=0),
        groups=tuple(tuple(m.name for m in g) for g in groups if len(g) > 1),
        alignment=alignment,
    )
