"""Sharing of storage: which tensors may lie on the same bytes, and how they then lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from magik_core.live import Life, lives
from magik_core.ops import Op, Tensors
from magik_core.program import DTYPES, Program, Step


class Edge(NamedTuple):
    """An offer: `child` may lie inside `parent` at `offset` bytes.

    `is_view`: the child's bytes equal the parent's; otherwise the child overwrites the parent.
    """

    child: str
    parent: str
    offset: int
    is_view: bool
    is_whole: bool  # as many bytes as the parent


@dataclass(frozen=True)
class Member:
    """One tensor in a storage group; `offset` is in bytes from the start of the group."""

    name: str
    offset: int
    nbytes: int
    life: Life


def offers(program: Program) -> Iterator[Edge]:
    """Every sharing that the operators allow, in order of execution; not all fit together."""
    for step in program.steps:
        yield from _view_offers(program, step)
        yield from _in_place_offers(program, step)


def _view_offers(program: Program, step: Step) -> Iterator[Edge]:
    for view in step.op.views(program.reads(step), program.writes(step)):
        child, parent = program.tensors[view.child], program.tensors[view.parent]
        assert 0 <= view.offset <= parent.nbytes - child.nbytes, f"{step.name}: {view} is out of bounds"
        is_input = child.name in program.entering  # the caller's storage is not part of something else
        if not (child.is_constant or parent.is_constant or is_input):
            yield Edge(child.name, parent.name, view.offset, True, child.nbytes == parent.nbytes)


def overwritable(op: Op, x: Tensors) -> tuple[int, ...]:
    """Inputs `x` of a step that its first output may overwrite, where it has as many bytes."""
    # An input read a second time in another role would be read after it was overwritten.
    names = [t.name for t in x]
    shared = {n for i, n in enumerate(names) if i not in op.in_place}
    return tuple(i for i in op.in_place if i < len(x) and not x[i].is_constant and names[i] not in shared)


def _in_place_offers(program: Program, step: Step) -> Iterator[Edge]:
    if not step.outputs:
        return
    y, reads = program.tensors[step.outputs[0]], program.reads(step)
    for x in (reads[i] for i in overwritable(step.op, reads)):
        if x.nbytes == y.nbytes:
            yield Edge(y.name, x.name, 0, False, True)


def groups_of(program: Program, offsets: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """Which tensors share storage where they lie at `offsets`: names of each group of several."""
    home = {t.name: [t.name] for t in program.activations()}
    for edge in offers(program):
        one, other = home[edge.child], home[edge.parent]
        if one is not other and offsets[edge.child] == offsets[edge.parent] + edge.offset:
            other += one
            home.update(dict.fromkeys(one, other))
    order = {name: i for i, name in enumerate(home)}
    found = {id(group): tuple(sorted(group, key=order.__getitem__)) for group in home.values()}
    return tuple(group for group in found.values() if len(group) > 1)


class Sharing:
    """Storage groups under construction: every tensor starts alone, accepted offers join groups.

    Two tensors of a group may overlap only if they are never alive together, if one is handed over
    to the other in place, or if views say that the bytes they have in common are equal.
    """

    def __init__(self, program: Program) -> None:
        self._lives = lives(program)
        tensors = [program.tensors[name] for name in self._lives]
        self._nbytes = {t.name: t.nbytes for t in tensors}
        self._unit = {t.name: DTYPES[t.dtype].itemsize for t in tensors}
        self._offset = dict.fromkeys(self._nbytes, 0)
        self._members: dict[str, list[str]] = {name: [name] for name in self._nbytes}
        self._home = {name: name for name in self._nbytes}
        self._links: dict[str, list[tuple[str, int]]] = {name: [] for name in self._nbytes}
        self._handovers: set[tuple[str, str]] = set()

    def offer(self, edge: Edge) -> bool:
        """Accept `edge` if no tensor loses its bytes by it; says whether it was accepted."""
        shift = self._offset[edge.parent] + edge.offset - self._offset[edge.child]
        here, there = self._home[edge.child], self._home[edge.parent]
        if here == there:
            if shift == 0 and edge.is_view:
                self._link(edge)
            return shift == 0
        self._link(edge)
        if not self._can_join(here, there, shift):
            self._unlink(edge)
            return False
        for name in self._members.pop(here):
            self._offset[name] += shift
            self._home[name] = there
            self._members[there].append(name)
        return True

    def groups(self) -> tuple[tuple[Member, ...], ...]:
        """Every storage group, each with offsets from 0, in order of definition."""
        out = []
        for names in self._members.values():
            low = min(self._offset[name] for name in names)
            out.append(
                tuple(Member(name, self._offset[name] - low, self._nbytes[name], self._lives[name]) for name in names)
            )
        return tuple(out)

    def _link(self, edge: Edge) -> None:
        if edge.is_view:
            self._links[edge.child].append((edge.parent, -edge.offset))
            self._links[edge.parent].append((edge.child, edge.offset))
        elif self._lives[edge.parent].last == self._lives[edge.child].first:
            self._handovers.add((edge.parent, edge.child))

    def _unlink(self, edge: Edge) -> None:
        if edge.is_view:
            self._links[edge.child].remove((edge.parent, -edge.offset))
            self._links[edge.parent].remove((edge.child, edge.offset))
        self._handovers.discard((edge.parent, edge.child))

    def _can_join(self, here: str, there: str, shift: int) -> bool:
        moved = {name: self._offset[name] + shift for name in self._members[here]}
        fixed = {name: self._offset[name] for name in self._members[there]}
        low = min(*moved.values(), *fixed.values())
        both = moved | fixed
        if any((offset - low) % self._unit[name] for name, offset in both.items()):
            return False
        return all(self._fit(a, at, b, bt) for a, at in moved.items() for b, bt in fixed.items())

    def _fit(self, a: str, a_offset: int, b: str, b_offset: int) -> bool:
        """Whether `a` and `b` keep their contents at these offsets of one group."""
        low = max(a_offset, b_offset)
        high = min(a_offset + self._nbytes[a], b_offset + self._nbytes[b])
        if low >= high or not self._lives[a].meets(self._lives[b]):
            return True
        if a_offset == b_offset and ((a, b) in self._handovers or (b, a) in self._handovers):
            return True
        return self._is_equal(a, a_offset, b, low, high)

    def _is_equal(self, a: str, a_offset: int, b: str, low: int, high: int) -> bool:
        """Whether views tie `b` to `a` through tensors that all contain [low, high)."""
        seen = {a}
        queue = [(a, a_offset)]
        while queue:
            name, offset = queue.pop()
            if name == b:
                return True
            for other, step in self._links[name]:
                at = offset + step
                if other not in seen and at <= low and high <= at + self._nbytes[other]:
                    seen.add(other)
                    queue.append((other, at))
        return False
