"""Live ranges: from when until when the bytes of each tensor matter."""

from __future__ import annotations

from typing import NamedTuple

from magik_core.program import Program

BEFORE = -1  # the caller fills the inputs before step 0


class Life(NamedTuple):
    """First and last moment of a tensor, both inclusive.

    A moment is a step's index; BEFORE is the time before the first step and `len(steps)` the time
    after the last, when the caller reads the outputs.
    """

    first: int
    last: int

    def meets(self, other: Life) -> bool:
        return self.first <= other.last and other.first <= self.last


def lives(program: Program) -> dict[str, Life]:
    """The live range of every activation, in order of definition in `program.tensors`.

    An input lives from BEFORE to its last reader and may be overwritten then; an output lives to the
    end; a tensor that nobody reads lives in the step that writes it. A state enters as an input does and
    leaves as an output does.
    """
    names = [t.name for t in program.activations()]
    first = dict.fromkeys(names, BEFORE)
    last = dict.fromkeys(names, BEFORE)
    for index, step in enumerate(program.steps):
        for name in step.outputs:
            first[name] = last[name] = index
        for name in step.inputs:
            if name in last:
                last[name] = index
    for name in program.leaving:
        if name in last:
            last[name] = len(program.steps)
    return {name: Life(first[name], last[name]) for name in names}
