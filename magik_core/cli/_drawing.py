"""The memory plan as text: time from left to right, memory from bottom to top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

from magik_core.report import Description, Slot, live_bytes, short_bytes

FREE = -1
SHADES = "█▒▓░"  # touching tensors get unlike ones: the picture is readable without color
LEVELS = " ▁▂▃▄▅▆▇█"
LABELS = ascii_uppercase + ascii_lowercase
MARGIN = 10  # columns of the memory axis
WIDEST = 160  # columns; wider pictures say no more


@dataclass(frozen=True)
class Picture:
    """The drawn cells.

    Args:
        owners: rows from the top; the slot that a cell shows, or FREE.
        shades: per slot, an index into SHADES (or a palette); touching slots differ where four suffice.
        labels: letter of the slots that are large enough for one, the largest first.
    """

    owners: tuple[tuple[int, ...], ...]
    shades: tuple[int, ...]
    labels: dict[int, str]

    def text(self, row: int) -> str:
        """One row: shades, and each label once near the middle of its slot."""
        spots = {self._spot(item): label for item, label in self.labels.items()}
        return "".join(
            spots.get((row, x)) or (" " if owner == FREE else SHADES[self.shades[owner] % len(SHADES)])
            for x, owner in enumerate(self.owners[row])
        )

    def _spot(self, item: int) -> tuple[int, int]:
        """The middle of the longest stretch of cells that a slot has, in the middle of such rows."""
        runs = [(row.count(item), y, row.index(item)) for y, row in enumerate(self.owners) if item in row]
        longest = max(count for count, _, _ in runs)
        rows = [(y, x) for count, y, x in runs if count == longest]
        y, x = rows[len(rows) // 2]
        return y, x + (longest - 1) // 2


def picture(slots: Sequence[Slot], arena_bytes: int, moments: int, width: int, height: int) -> Picture:
    """Decide what each of width x height cells shows: the tensor that takes most of it.

    Args:   moments: before the first step, the steps, and after the last.
    """
    best = [[(0.0, 0, FREE)] * width for _ in range(height)]
    for item, slot in enumerate(slots):
        left, right = (slot.first + 1) * width / moments, (slot.last + 2) * width / moments
        low, high = (edge * height / max(arena_bytes, 1) for edge in (slot.offset, slot.offset + slot.nbytes))
        for y in range(int(low), min(math.ceil(high), height)):
            tall = min(high, y + 1) - max(low, y)
            for x in range(int(left), min(math.ceil(right), width)):
                area = tall * (min(right, x + 1) - max(left, x))
                cell = best[height - 1 - y]
                # Of tensors on the same bytes (a part and its whole) the smaller one is shown.
                cell[x] = max(cell[x], (round(area, 6), -slot.nbytes, item)) if area > 0.2 else cell[x]
    owners = tuple(tuple(item for _, _, item in row) for row in best)
    return Picture(owners, _shades(owners, len(slots)), _labels(owners))


def draw(description: Description, width: int = 80, height: int = 16) -> list[str]:
    """The memory plan as lines of at most `width` columns: picture, axes, live bytes and legend."""
    if not description.memory or not description.arena_bytes:
        return []
    found = picture_of(description, width, height)
    lines = [f"{_tick(description.arena_bytes, y, height):>{MARGIN - 2}} │{found.text(y)}" for y in range(height)]
    return [*lines, *_axis(description, width), "", *legend(description, found, width)]


def picture_of(description: Description, width: int, height: int) -> Picture:
    """The picture inside the axes of `draw` with the same arguments."""
    moments = len(description.rows) + 2
    return picture(description.memory, description.arena_bytes or 0, moments, _columns(width), height)


def legend(description: Description, found: Picture, width: int) -> list[str]:
    """One line per labeled tensor: letter, name, size, steps."""
    end = len(description.rows)
    rows = []
    for item, label in found.labels.items():
        slot = description.memory[item]
        since = "input" if slot.first < 0 else f"step {slot.first}"
        until = "output" if slot.last >= end else f"step {slot.last}"
        life = since if since == until else f"{since} to {until}"
        rows.append((label, slot.tensor, short_bytes(slot.nbytes), life))
    name = max((len(row[1]) for row in rows), default=0)
    name = min(name, max(width - 36, 8))
    return [f"  {label}  {_cut(tensor, name):{name}}  {size:>9}  {life}"[:width] for label, tensor, size, life in rows]


def _columns(width: int) -> int:
    return max(min(width, WIDEST) - MARGIN, 10)


def _tick(arena_bytes: int, y: int, height: int) -> str:
    """The label of a row: the arena's size at the top, 0 at the bottom, quarters between."""
    if y == height - 1:
        return "0"
    return short_bytes(arena_bytes * (height - y) // height) if y % max(height // 4, 1) == 0 else ""


def _axis(description: Description, width: int) -> list[str]:
    """The time axis with step numbers, and the live bytes under it."""
    columns, steps = _columns(width), len(description.rows)
    moments = steps + 2
    pad = " " * (MARGIN - 2)
    ticks = [" "] * columns
    every = _round_step(steps * 12 / columns)
    for step in range(0, steps, every):
        text, at = str(step), (step + 1) * columns // moments
        if at + len(text) < columns and not "".join(ticks[max(at - 1, 0) : at + len(text)]).strip():
            ticks[at : at + len(text)] = text
    live, top = live_bytes(description), description.arena_bytes or 1
    bars = []
    for x in range(columns):
        first = x * moments // columns
        most = max(live[first : max((x + 1) * moments // columns, first + 1)])
        bars.append(LEVELS[math.ceil(most * (len(LEVELS) - 1) / top)])
    return [
        f"{pad} └{'─' * columns}",
        f"{'step':>{MARGIN - 2}}  {''.join(ticks)}".rstrip(),
        f"{'live':>{MARGIN - 2}}  {''.join(bars)}".rstrip(),
    ]


def _round_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … that is not below `least`."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= least:
                return digit * power
        power *= 10


def _shades(owners: Sequence[Sequence[int]], count: int) -> tuple[int, ...]:
    """Color the map: neighbors in the picture get different shades, the least used first."""
    touching: list[set[int]] = [set() for _ in range(count)]
    for y, row in enumerate(owners):
        for x, item in enumerate(row):
            for other in (*row[x + 1 : x + 2], *(below[x] for below in owners[y + 1 : y + 2])):
                if FREE not in (item, other) and item != other:
                    touching[item].add(other)
                    touching[other].add(item)
    shades = [-1] * count
    uses = [0] * len(SHADES)
    for item in range(count):
        near = [shades[other] for other in touching[item]]
        choice = min(range(len(SHADES)), key=lambda s: (near.count(s), uses[s]))
        shades[item] = choice
        uses[choice] += bool(touching[item])
    return tuple(shades)


def _labels(owners: Sequence[Sequence[int]], most: int = 12) -> dict[int, str]:
    """Letters for the slots with most cells, in order of appearance from the left."""
    cells: dict[int, int] = {}
    start: dict[int, int] = {}
    for row in owners:
        for x, item in enumerate(row):
            if item != FREE:
                cells[item] = cells.get(item, 0) + 1
                start[item] = min(start.get(item, x), x)
    large = sorted(cells, key=lambda item: (-cells[item], item))[:most]
    large.sort(key=lambda item: (start[item], item))
    return {item: LABELS[i] for i, item in enumerate(large)}


def _cut(text: str, width: int) -> str:
    """Text of at most `width` columns, without the middle where it is longer."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return text[:head] + "…" + text[len(text) - (width - 1 - head) :]
