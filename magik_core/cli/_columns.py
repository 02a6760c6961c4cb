"""Which columns of a table a terminal has room for, and how wide they are: names fold, numbers never."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

GAP = 2  # between columns
NAME = 13  # characters that a name folds to at the least: ConvTranspose
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?( ?[%a-z]{1,3})?|")
_SIZE = re.compile(r"[(]?-?[\d?][\d?,.x%]*[,;:)]*")  # a word of a text that is a number or a shape


@dataclass(frozen=True)
class Column:
    """A column. Args: index: among those of the table; width: in characters; is_number: stands to the right."""

    index: int
    width: int
    is_number: bool


def fit(names: Sequence[str], lines: Sequence[Sequence[str]], spare: Sequence[str], room: int) -> list[Column]:
    """The columns to show, at their widths.

    Args: names: of all columns; lines: their cells; spare: what may be left out, the first of them first; empty
          ones go before; room: characters in a line, which is exceeded only if numbers would be split.
    """
    cells = [[line[i] for line in lines] for i in range(len(names))]
    least = [_least(name, column) for name, column in zip(names, cells, strict=True)]
    shown = list(range(len(names)))
    empty = [i for i in shown if names[i] and not any(cells[i])]
    for i in (*empty, *(names.index(name) for name in spare if name in names)):
        if _total([least[k] for k in shown]) > room and i in shown:
            shown.remove(i)
    widths = {i: max(len(text) for text in (names[i], *cells[i])) for i in shown}
    while _total(widths.values()) > room and any(widths[i] > least[i] for i in shown):
        widths[max((i for i in shown if widths[i] > least[i]), key=widths.__getitem__)] -= 1
    return [Column(i, widths[i], _is_number(cells[i])) for i in shown]


def _total(widths: Collection[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _is_number(cells: Sequence[str]) -> bool:
    return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def _least(name: str, cells: Sequence[str]) -> int:
    """Narrower than this a heading's word, a number or a shape would be split."""
    heading = max(map(len, name.split()), default=0)
    if _is_number(cells):
        return max(heading, *map(len, cells))
    words = {word for cell in cells for word in cell.split()}
    return max([heading, *(len(word) if _SIZE.fullmatch(word) else min(len(word), NAME) for word in words)])
