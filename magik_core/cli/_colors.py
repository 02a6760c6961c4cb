"""The channel order that images are loaded in, held against the inputs of a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magik_core.errors import UsageError

if TYPE_CHECKING:
    from magik_core.net import Net


def check_color(net: Net, color: str | None) -> None:
    """Raises: UsageError: `--color` is no channel order, or GRAY and no image input is gray."""
    from magik_core import asked
    from magik_core.images import COLORS

    if color is None:
        return
    if color not in COLORS:
        raise UsageError("there is no such channel order", where="--color", found=color, need=", ".join(COLORS))
    images = [port for port in net.inputs if port.color]
    found = [asked.gray(port.name, color, 1 if port.color == "GRAY" else 3) for port in images]
    problems = [problem for problem in found if problem is not None]
    if problems and len(problems) == len(images):
        raise UsageError(problems=problems)
