"""Proof that a plan keeps every tensor: the program run on symbols in place of bytes.

Nothing here knows of live ranges or of how the plan was found. Every byte of the arena holds a
symbol; steps read and write symbols as their kernels read and write bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from magik_core.errors import Problem
from magik_core.program import DTYPES, Program, Step, Tensor

if TYPE_CHECKING:
    from magik_core.plan import Plan


class PlanError(AssertionError):
    """A memory plan under which a tensor would lose its contents: the planner's fault, never the user's."""


class Run(NamedTuple):
    """Bytes [low, high) of some storage: byte i is byte `i - zero` of the value called `value`."""

    low: int
    high: int
    value: str
    zero: int


class Symbols:
    """What a stretch of storage holds: runs in order, without overlap; a gap holds nothing."""

    def __init__(self, runs: tuple[Run, ...] = ()) -> None:
        self._runs = list(runs)

    def read(self, low: int, high: int) -> tuple[Run, ...]:
        """The runs in [low, high), moved so that `low` becomes 0; equal contents read equal."""
        out: list[Run] = []
        for run in self._runs:
            a, b = max(run.low, low), min(run.high, high)
            if a >= b:
                continue
            piece = Run(a - low, b - low, run.value, run.zero - low)
            if out and (out[-1].high, *out[-1][2:]) == (piece.low, *piece[2:]):
                piece = piece._replace(low=out.pop().low)
            out.append(piece)
        return tuple(out)

    def write(self, low: int, runs: tuple[Run, ...], size: int) -> None:
        """Put `runs` (which start at 0) at `low`; they replace [low, low + size)."""
        high = low + size
        left = [r._replace(high=min(r.high, low)) for r in self._runs if r.low < low]
        right = [r._replace(low=max(r.low, high)) for r in self._runs if r.high > high]
        new = [Run(r.low + low, r.high + low, r.value, r.zero + low) for r in runs]
        self._runs = left + new + right


def check_plan(program: Program, plan: Plan) -> None:
    """Check that under `plan` every read finds what was written.

    Raises: PlanError: a tensor has no place, a wrong one, or loses bytes that are still read.
    """
    problems = list(_places(program, plan))
    if not problems:
        problems = list(_Machine(program, plan).run())
    if problems:
        raise PlanError("\n\n".join(map(str, problems)))


def _places(program: Program, plan: Plan) -> Iterator[Problem]:
    """Tensors without a place, outside the arena, or at an address that kernels cannot read."""
    shared = {name for group in plan.groups for name in group}
    for tensor in program.activations():
        offset = plan.offsets.get(tensor.name)
        where = f"tensor '{tensor.name}' in {program.name}"
        if offset is None:
            yield Problem("tensor has no place in the memory plan", where)
            continue
        if offset < 0 or offset + tensor.nbytes > plan.arena_bytes:
            yield Problem(
                "tensor lies outside the arena",
                where,
                f"bytes {_span(tensor, offset)}",
                f"[0, {plan.arena_bytes})",
            )
        unit = DTYPES[tensor.dtype].itemsize if tensor.name in shared else plan.alignment
        if offset % unit:
            yield Problem("tensor is not aligned", where, f"offset {offset}", f"a multiple of {unit}")


class _Machine:
    """The arena during a run, and what each tensor ought to hold."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self._program = program
        self._plan = plan
        self._arena = Symbols()
        self._ought: dict[str, tuple[Run, ...]] = {}

    def run(self) -> Iterator[Problem]:
        inputs = [self._program.tensors[name] for name in self._program.entering]
        for tensor in inputs:
            self._define(tensor, ())
            self._store(tensor)
        yield from self._lost(inputs, "before the first step")
        for step in self._program.steps:
            x = [t for t in dict.fromkeys(self._program.reads(step)) if not t.is_constant]
            y = self._program.writes(step)
            yield from self._lost(x, f"step '{step.name}'")
            self._values(step)
            yield from self._collisions(step, x, y)
            for tensor in y:
                self._store(tensor)
            yield from self._lost(y, f"after step '{step.name}'")
        outputs = [self._program.tensors[name] for name in self._program.leaving]
        yield from self._lost([t for t in outputs if not t.is_constant], "after the last step")

    def _values(self, step: Step) -> None:
        """Say what the step's outputs ought to hold: new values, or those of the tensors they view."""
        x, y = self._program.reads(step), self._program.writes(step)
        views = step.op.views(x, y)
        for tensor in y:
            parts: list[tuple[int, int, tuple[Run, ...]]] = []
            for view in views:
                if view.child == tensor.name and view.parent in self._ought:
                    whole = Symbols(self._ought[view.parent])
                    parts.append((0, tensor.nbytes, whole.read(view.offset, view.offset + tensor.nbytes)))
                elif view.parent == tensor.name and view.child in self._ought:
                    size = self._program.tensors[view.child].nbytes
                    parts.append((view.offset, size, self._ought[view.child]))
            self._define(tensor, tuple(parts))

    def _define(self, tensor: Tensor, parts: tuple[tuple[int, int, tuple[Run, ...]], ...]) -> None:
        value = Symbols((Run(0, tensor.nbytes, tensor.name, 0),))
        for low, size, runs in parts:
            value.write(low, runs, size)
        self._ought[tensor.name] = value.read(0, tensor.nbytes)

    def _store(self, tensor: Tensor) -> None:
        self._arena.write(self._plan.offsets[tensor.name], self._ought[tensor.name], tensor.nbytes)

    def _lost(self, tensors: list[Tensor] | tuple[Tensor, ...], when: str) -> Iterator[Problem]:
        for tensor in tensors:
            low = self._plan.offsets[tensor.name]
            found = self._arena.read(low, low + tensor.nbytes)
            if found == self._ought.get(tensor.name):
                continue
            others = sorted({r.value for r in found} - {tensor.name}) or ["nothing"]
            yield Problem(
                "tensor has lost its contents",
                f"{when}, tensor '{tensor.name}' in {self._program.name}",
                f"bytes {_span(tensor, low)} hold {', '.join(others)}",
            )

    def _collisions(self, step: Step, x: list[Tensor], y: tuple[Tensor, ...]) -> Iterator[Problem]:
        """Outputs that a kernel would write over an input it still reads, or over each other."""
        for tensor in y:
            for other in x:
                if not (self._is_same(tensor, other) or self._is_in_place(step, tensor, other)):
                    yield self._collision(step, tensor, other)
        for i, tensor in enumerate(y):
            for other in y[:i]:
                if not self._is_same(tensor, other):
                    yield self._collision(step, tensor, other)

    def _collision(self, step: Step, tensor: Tensor, other: Tensor) -> Problem:
        spans = [f"'{t.name}' {_span(t, self._plan.offsets[t.name])}" for t in (tensor, other)]
        return Problem(
            "tensors of one step overlap", f"step '{step.name}' in {self._program.name}", " and ".join(spans)
        )

    def _is_same(self, a: Tensor, b: Tensor) -> bool:
        """Whether the two ought to hold the same where they overlap: then nothing is moved there."""
        at, bt = self._plan.offsets[a.name], self._plan.offsets[b.name]
        low, high = max(at, bt), min(at + a.nbytes, bt + b.nbytes)
        one, two = Symbols(self._ought[a.name]), Symbols(self._ought[b.name])
        return one.read(low - at, high - at) == two.read(low - bt, high - bt)

    def _is_in_place(self, step: Step, y: Tensor, x: Tensor) -> bool:
        roles = {i for i, name in enumerate(step.inputs) if name == x.name}
        return (
            y.name == step.outputs[0]
            and roles <= set(step.op.in_place)
            and x.nbytes == y.nbytes
            and self._plan.offsets[x.name] == self._plan.offsets[y.name]
        )


def _span(tensor: Tensor, offset: int) -> str:
    return f"[{offset}, {offset + tensor.nbytes})"
