"""Hold a program against a chip: what it cannot run, and what its accelerator would not take."""

from __future__ import annotations

from dataclasses import dataclass

from magik_core.errors import CheckError, Problem
from magik_core.plan import Plan
from magik_core.program import Program
from magik_core.soc import SoC


@dataclass(frozen=True)
class Finding:
    """One restriction that a program meets.

    Args: node: name in the source; op: its kernel operator; check: `<soc>.<check>`, to search for.
    """

    node: str
    op: str
    check: str
    need: str
    found: str
    hint: str = ""
    is_notice: bool = False

    def as_problem(self, soc: SoC) -> Problem:
        return Problem(
            f"{self.op} cannot run on {soc.name}",
            f"node '{self.node}'",
            self.found,
            f"{self.need} ({self.check})",
            self.hint,
        )


def check(program: Program, soc: SoC) -> tuple[Finding, ...]:
    """Every restriction of the chip that a step of the program meets, in step order."""
    return tuple(
        Finding(
            step.name,
            type(step.op).__name__,
            f"{soc.name.lower()}.{rule.name}",
            rule.need,
            found,
            rule.hint,
            rule.is_notice,
        )
        for step in program.steps
        for rule in soc.checks
        if (found := rule(program, step)) is not None
    )


def check_memory(program: Program, plan: Plan, soc: SoC) -> tuple[Finding, ...]:
    """A finding when constants, arena and states do not fit the chip's memory together."""
    weights = weight_bytes(program)
    states = sum(program.tensors[s.before].nbytes for s in program.states)
    total = weights + plan.arena_bytes + states
    if soc.memory_bytes is None or total <= soc.memory_bytes:
        return ()
    found = f"{total} bytes: {weights} of constants, {plan.arena_bytes} of arena" + f", {states} of states" * (
        states > 0
    )
    need = f"at most {soc.memory_bytes} bytes"
    hint = "convert for a smaller input with INPUT_SHAPE"
    return (Finding(program.name, "the model", f"{soc.name.lower()}.memory_bytes", need, found, hint),)


def weight_bytes(program: Program) -> int:
    """Bytes of a program's constants, tables included."""
    constants = sum(t.nbytes for t in program.tensors.values() if t.is_constant)
    tables = sum(a.nbytes for s in program.steps for a in s.op.tables(program.reads(s), program.writes(s)))
    return constants + tables


def legalize(program: Program, soc: SoC) -> tuple[Finding, ...]:
    """The chip's notices for a program that it can run.

    Raises: CheckError: every blocker at once.
    """
    findings = check(program, soc)
    stop_at_blockers(findings, soc)
    return findings


def stop_at_blockers(findings: tuple[Finding, ...], soc: SoC) -> None:
    """Raises: CheckError: every finding that is not a notice."""
    blockers = [f.as_problem(soc) for f in findings if not f.is_notice]
    if blockers:
        raise CheckError(problems=blockers)
