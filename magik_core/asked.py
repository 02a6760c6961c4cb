"""What is asked of a model that it does not have: tensors, sizes, options; one wording for all frontends."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence

from magik_core.errors import Problem, UsageError, short

MOST_NAMES = 6
CUTOFF = 0.75  # of difflib's ratio: two letters of six may differ
ENDS = {"INPUT": "inputs", "OUTPUT": "outputs"}
IMAGE_RANK = 4
MANY = 1 << 31


def tensor(key: str, name: str, known: Iterable[str], ends: Sequence[str]) -> Problem:
    """A name in INPUT or OUTPUT that no tensor has; ends: what the model begins or ends with."""
    more = ", …" if len(ends) > MOST_NAMES else ""
    need = f"a tensor of the model, such as its {ENDS[key]}: {', '.join(map(short, ends[:MOST_NAMES]))}{more}"
    return Problem("the model has no tensor of this name", f"{key}: {short(name)}", need=need, hint=near(name, known))


def near(name: str, known: Iterable[str]) -> str:
    """A hint with the names that are really like one; empty where none is."""
    by_fold = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=CUTOFF)
    return f"did you mean {' or '.join(repr(by_fold[c]) for c in close)}?" if close else ""


def other_order(name: str, found: Sequence[int], known: Sequence[object]) -> Problem | None:
    """INPUT_SHAPE of an image with the channels at another axis than the source has them; known: the source's sizes."""
    if len(found) != IMAGE_RANK or len(known) != IMAGE_RANK:
        return None
    sizes = {axis: known[axis] for axis in (3, 1)}
    fewest_first = sorted(sizes, key=lambda axis: n if isinstance(n := sizes[axis], int) and n > 0 else MANY)
    for own in fewest_first:  # an image has fewer channels than rows or columns
        channels, other = sizes[own], 4 - own
        if isinstance(channels, int) and channels > 0 and found[own] != channels == found[other] != known[other]:
            pixels = [n for axis, n in enumerate(found) if axis not in (0, other)]
            right = [found[0], *pixels, channels] if own == 3 else [found[0], channels, *pixels]
            need = f"[{', '.join(str(n) if isinstance(n, int) and n > 0 else '?' for n in known)}]"
            hint = f"sizes are in the source's order, e.g. {','.join(map(str, right))}"
            return Problem("INPUT_SHAPE does not fit an input", f"input '{name}'", str(list(found)), need, hint)
    return None


def gray(name: str, color: str, channels: int | None) -> Problem | None:
    """GRAY for an image of three channels: pictures would lose their colors; channels: None of what is no image."""
    if color != "GRAY" or channels != 3:
        return None
    hint = "with several inputs, give one for each: RGB,GRAY"
    return Problem("COLOR does not fit the input's channels", f"input {name}", color, "RGB or BGR: 3 channels", hint)


def check_options(given: Mapping[str, object], used: Collection[str], kind: str, where: str) -> None:
    """Raises: UsageError: options that this kind of source does not use, all of them."""
    need = f"of {kind}: {', '.join(used) or 'none'}"
    problems = [Problem("an option does not fit the model", where, name, need) for name in given if name not in used]
    if problems:
        raise UsageError(problems=problems)
