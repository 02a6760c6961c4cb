"""A program for other sizes of its inputs: what the board's `magik_reshape` makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from magik_core.errors import MagikError, PackError, Problem
from magik_core.net import check_loads
from magik_core.pack import pack
from magik_core.plan import Plan
from magik_core.program import MAX_ELEMENTS, Program, Shape, Step, Tensor


class ShapeError(MagikError):
    """Sizes of the inputs that a model cannot have."""


def reshape(program: Program, shapes: Mapping[str, Shape]) -> Program:
    """The same steps over tensors of other sizes.

    Operators, constants and quantization stay; every step's `shape` says the sizes of its outputs, and the
    runtime's own checks whether the kernels take them.

    Args:   shapes: per input its stored shape (NHWC for images); inputs that are not named keep theirs.
    Raises: ShapeError: an unknown input, another number of axes, or a step that cannot have its sizes.
    """
    problems = list(_unfit(program, shapes))
    if problems:
        raise ShapeError(problems=problems)
    tensors = dict(program.tensors)
    for name, shape in shapes.items():
        tensors[name] = replace(tensors[name], shape=tuple(shape))
    for step in program.steps:
        for name, shape in zip(step.outputs, _outputs(program, step, tensors), strict=True):
            tensors[name] = replace(tensors[name], shape=shape)
    _check_states(program, tensors)
    out = replace(program, tensors=tensors)
    try:
        check_loads(pack(out, stacked(out), names=False), [step.name for step in out.steps])
    except PackError as error:
        raise ShapeError(problems=error.problems) from error
    return out


def _check_states(program: Program, tensors: Mapping[str, Tensor]) -> None:
    """Raises: ShapeError: states that would leave in another size than they entered; they keep theirs."""
    problems = [
        Problem(
            "a state cannot have another size", f"state '{state.before}'", str(shape), str(tensors[state.before].shape)
        )
        for state in program.states
        if (shape := tensors[state.after].shape) != tensors[state.before].shape
    ]
    if problems:
        raise ShapeError(problems=problems)


def stacked(program: Program, alignment: int = 64) -> Plan:
    """A plan with every activation after the one before it: made at once, and of the largest arena."""
    offsets, end = {}, 0
    for tensor in program.activations():
        offsets[tensor.name] = end
        end += -(-tensor.nbytes // alignment) * alignment
    return Plan(offsets, end, end, alignment=alignment)


def _unfit(program: Program, shapes: Mapping[str, Shape]) -> list[Problem]:
    problems = []
    for name, shape in shapes.items():
        if name not in program.inputs:
            need = ", ".join(program.inputs)
            problems.append(Problem("the model has no such input", program.name, found=name, need=need))
            continue
        old = program.tensors[name].shape
        if len(shape) != len(old) or not _is_possible(tuple(shape)):
            need = f"{len(old)} sizes of 1 and above, at most {MAX_ELEMENTS} elements"
            problems.append(Problem("an input cannot have this shape", f"input '{name}'", str(tuple(shape)), need))
    return problems


def _is_possible(shape: Shape) -> bool:
    count = 1
    for n in shape:
        count *= n
        if n < 1 or count > MAX_ELEMENTS:
            return False
    return True


def _outputs(program: Program, step: Step, tensors: Mapping[str, Tensor]) -> tuple[Shape, ...]:
    """Shapes of a step's outputs, of as many axes as before."""
    given = [tensors[name].shape for name in step.inputs]
    try:
        found = tuple(step.op.shape(*given))
    except MagikError as error:
        raise _refused(program, step, str(given), error.problems[0].what) from error
    for name, shape in zip(step.outputs, found, strict=True):
        if len(shape) != len(tensors[name].shape) or not _is_possible(shape):
            raise _refused(program, step, f"{given} gives {shape}", "sizes of 1 and above that the operator takes")
    return found


def _refused(program: Program, step: Step, found: str, need: str) -> ShapeError:
    where = f"step '{step.name}' in {program.name}"
    return ShapeError("the model cannot have these input sizes", where=where, found=found, need=need)
