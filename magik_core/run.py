"""Run a program in numpy: the definition of what the board computes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from magik_core.program import Program


def run(program: Program, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor of a program.

    Args:    feeds: per program input, its stored tensor (NHWC codes for images).
    Returns: per tensor name its value, inputs and constants included.
    """
    values = {t.name: t.data for t in program.tensors.values() if t.data is not None}
    values.update({name: np.asarray(feeds[name]) for name in program.inputs})
    for step in program.steps:
        x, y = program.reads(step), program.writes(step)
        out = step.op.run(x, y, tuple(values[t.name] for t in x))
        for t, value in zip(y, out, strict=True):
            assert value.shape == t.shape, f"{step.name}: {value.shape} is not {t.shape}"
            values[t.name] = value
    return values
