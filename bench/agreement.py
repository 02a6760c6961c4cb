"""Formats of one network: float programs of theirs on the same samples, in the host's library."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.formats import Format, Same
from bench.imported import Mismatch, difference, float_program, is_installed, ordered, source
from bench.networks import BY_NAME
from magik_core.errors import MagikError
from magik_core.net import load
from magik_core.program import Program

MOVES = {"Reshape", "Transpose", "Concat", "Slice", "Copy", "Clip", "Relu"}  # that formats spell in their own ways


@dataclass(frozen=True)
class Agreement:
    """What was found.

    Args:
        formats: those that were compared; difference: the largest between the first and another, in units of the
            output's range, None where only the structure is compared, or nothing; is_right: None where nothing was.
    """

    name: str
    formats: tuple[str, ...]
    difference: float | None
    tolerance: float
    remark: str
    is_right: bool | None


@dataclass(frozen=True)
class Converted:
    """A float program, and what the library makes of the samples."""

    program: Program
    outputs: list[np.ndarray]


def agreement(same: Same, models: Path) -> Agreement:
    """Convert the formats whose frontends are installed, and hold their programs against the first."""
    formats = [BY_NAME[name] for name in same.formats]
    missing = {found.frontend for found in formats if not is_installed(found)}
    here = [found for found in formats if is_installed(found)]
    remark = "; ".join(filter(None, (same.why, *(f"frontend {name} is not installed" for name in sorted(missing)))))
    names = tuple(found.name for found in here)
    if len(here) < 2:
        return Agreement(same.name, names, None, same.tolerance, remark, None)
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = [converted(found, models, Path(folder)) for found in here]
            gap = None if not same.tolerance else farthest(same, here, made)
        except (MagikError, Mismatch) as error:
            return Agreement(same.name, names, None, same.tolerance, f"no: {words(error)}", False)
    if gap is not None:
        return Agreement(same.name, names, gap, same.tolerance, remark, gap <= same.tolerance)
    first, *others = map(structure, made)
    return Agreement(same.name, names, None, 0.0, remark, all(other == first for other in others))


def words(error: Exception) -> str:
    """What is wrong, in one line."""
    return error.problems[0].what if isinstance(error, MagikError) else str(error)


def farthest(same: Same, formats: Sequence[Format], made: Sequence[Converted]) -> float:
    """The largest difference between the first and another."""
    first, *rest = (common(same, found, one) for found, one in zip(formats, made, strict=True))
    return max(difference(y, first) for y in rest)


def converted(found: Format, models: Path, folder: Path) -> Converted:
    feeds = found.samples(models)
    program = float_program(found, models, source(found, models), folder / "net")
    net = load(folder / "net.bin")
    names = [port.name for port in net.inputs]
    if len(names) != len(feeds):
        raise Mismatch(f"{len(names)} inputs, not {len(feeds)}: {', '.join(names)}")
    rows = [net.run(dict(zip(names, sample, strict=True))) for sample in zip(*feeds, strict=True)]
    outputs = {port.name: np.stack([one[port.name] for one in rows]) for port in net.outputs}
    return Converted(program, ordered(found, outputs))


def common(same: Same, found: Format, made: Converted) -> list[np.ndarray]:
    """The outputs in the order and with the axes of the first format."""
    order = same.order.get(found.name, tuple(range(len(made.outputs))))
    axes = same.axes.get(found.name)
    return [turn(made.outputs[i], axes) for i in order]


def turn(y: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    return y.transpose(0, *(1 + axis for axis in axes)) if axes and y.ndim == 1 + len(axes) else y


def structure(made: Converted) -> tuple[Counter[str], Counter[int]]:
    """Operators that compute, and sizes of the outputs: what two sets of weights of one network share."""
    names = [type(step.op).__name__ for step in made.program.steps]
    return Counter(n for n in names if n not in MOVES), Counter(y[0].size for y in made.outputs)
