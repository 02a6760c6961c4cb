"""Every error a user can cause: what, where, found, need, hint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_PROBLEMS = 20  # of one stage that are told in full
MOST_TEXT = 200  # characters of a source's text in a message


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in the five fields of every magik message.

    `what` is a phrase without a full stop; `where` names a file, node or key; `found` is the
    offending value; `need` is the rule it breaks; `hint` is one thing that works, or empty.
    """

    what: str
    where: str = ""
    found: str = ""
    need: str = ""
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"error: {self.what}"]
        lines += [f"{label}: {text}" for label, text in self._fields() if text]
        if self.hint:
            lines += ["", f" hint: {self.hint}"]
        return "\n".join(lines)

    def _fields(self) -> list[tuple[str, str]]:
        return [("where", self.where), ("found", self.found), (" need", self.need)]


class MagikError(Exception):
    """Base of every error that a user's input can cause; holds one or more problems.

    `exit_code` is the process status: 1 the model or the data cannot, 2 wrong usage.
    """

    exit_code = 1

    def __init__(
        self,
        what: str = "",
        *,
        where: str = "",
        found: str = "",
        need: str = "",
        hint: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        self.problems = tuple(problems) or (Problem(what, where, found, need, hint),)
        super().__init__("\n\n".join(str(p) for p in self.problems))


class UsageError(MagikError):
    """A wrong command line, configuration key or argument."""

    exit_code = 2


class ModelError(MagikError):
    """A source model that cannot be read."""


class GraphError(MagikError):
    """A source model that was read but does not hold together."""


class DataError(MagikError):
    """Calibration or input data that cannot be used."""


class QuantizeError(MagikError):
    """A range, scale or weight that has no integer form."""


class LowerError(MagikError):
    """A node that has no kernel operator."""


class CheckError(MagikError):
    """A program that the SoC cannot run."""


class PackError(MagikError):
    """A program that does not fit the model file, or a file that cannot be written."""


class LoadError(MagikError):
    """A model file that the runtime refuses."""


class RunError(MagikError):
    """Inputs that do not fit the loaded model."""


class BuildError(MagikError):
    """A board program that cannot be built or run."""


def capped(problems: Sequence[Problem]) -> Sequence[Problem]:
    """The first MAX_PROBLEMS of some problems, and how many more there are."""
    left = len(problems) - MAX_PROBLEMS
    more = [Problem(f"and {left} more problems of the same stage")] if left > 0 else []
    return [*problems[:MAX_PROBLEMS], *more]


def short(text: object, most: int = MOST_TEXT) -> str:
    """Text of a source for a message: on one line, without what a terminal would obey, cut at `most` characters."""
    line = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * most])
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 2]} …"


def together(*steps: Callable[[], Any]) -> list[Any]:
    """What each of some independent steps returns.

    Raises: MagikError: the problems of all that fail, as the one with the highest exit code.
    """
    out, errors = [], []
    for step in steps:
        try:
            out.append(step())
        except MagikError as error:
            errors.append(error)
    if errors:
        worst = max(errors, key=lambda error: error.exit_code)
        raise type(worst)(problems=[p for error in errors for p in error.problems])
    return out
