"""Run a program in numpy: the definition of what the board computes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from magik_core import numerics
from magik_core.program import DTYPES, Program, QuantParams, Tensor

Arrays = dict[str, np.ndarray]


def run(program: Program, feeds: Mapping[str, np.ndarray], states: Mapping[str, np.ndarray] | None = None) -> Arrays:
    """Every tensor of a program.

    Args:    feeds: per program input, its stored tensor (NHWC codes for images); states: per state what a run before
             has left, as `left` has it; by default what the first run begins with.
    Returns: per tensor name its value, inputs and constants included.
    """
    values = {t.name: t.data for t in program.tensors.values() if t.data is not None}
    values.update({name: np.asarray(feeds[name]) for name in program.inputs})
    values.update(start(program) if states is None else states)
    for step in program.steps:
        x, y = program.reads(step), program.writes(step)
        out = step.op.run(x, y, tuple(values[t.name] for t in x))
        for t, value in zip(y, out, strict=True):
            assert value.shape == t.shape, f"{step.name}: {value.shape} is not {t.shape}"
            values[t.name] = value
    return values


def start(program: Program) -> Arrays:
    """The states before the first run: real zero."""
    return {s.before: _zero(program.tensors[s.before]) for s in program.states}


def left(program: Program, values: Mapping[str, np.ndarray]) -> Arrays:
    """The states that a run has left, for the next one."""
    return {s.before: values[s.after] for s in program.states}


class Stream:
    """A program that carries its states from run to run."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._states = start(program)

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """As `run`, on the states that the run before has left."""
        values = run(self._program, feeds, self._states)
        self._states = left(self._program, values)
        return values

    def reset(self) -> None:
        """Begin anew."""
        self._states = start(self._program)


def _zero(t: Tensor) -> np.ndarray:
    zeros = np.zeros(t.shape, DTYPES[t.dtype])
    return numerics.quantize(np.zeros(t.shape, np.float32), t.quant) if isinstance(t.quant, QuantParams) else zeros
