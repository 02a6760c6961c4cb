"""Offsets for storage groups: small arenas, by several fits and a bounded, repeatable search."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from magik_core.live import Life
from magik_core.share import Member

WORK = 3_000_000  # comparisons the search may spend; under a second
TRIALS = 5000  # orders the search may try
Fit = Callable[[Sequence[tuple[int, int]]], int]


class Piece(NamedTuple):
    """Bytes [low, high) of a group and the time in which they are taken."""

    low: int
    high: int
    life: Life


Block = tuple[Piece, ...]  # one storage group; pieces do not overlap


class Apart(NamedTuple):
    """Base of this group minus base of group `other` must not lie in (low, high)."""

    other: int
    low: int
    high: int


def block(members: Sequence[Member], alignment: int) -> Block:
    """The aligned bytes that a group takes over time.

    A Concat whose inputs lie inside it takes their bytes one after the other, not all from the
    first: what it does not take yet is free for others.
    """
    spans = [
        (m.offset // alignment * alignment, _up(m.offset + m.nbytes, alignment), m.life) for m in members if m.nbytes
    ]
    edges = sorted({edge for low, high, _ in spans for edge in (low, high)})
    out: list[Piece] = []
    for low, high in pairwise(edges):
        inside = [life for a, b, life in spans if a <= low and high <= b]
        if not inside:
            continue
        life = Life(min(i.first for i in inside), max(i.last for i in inside))
        if out and out[-1].high == low and out[-1].life == life:
            low = out.pop().low
        out.append(Piece(low, high, life))
    return tuple(out)


def profile(blocks: Sequence[Block], steps: int) -> list[int]:
    """Bytes taken at each moment, from before the first step to after the last."""
    change = [0] * (steps + 3)
    for piece in (p for b in blocks for p in b):
        change[piece.life.first + 1] += piece.high - piece.low
        change[piece.life.last + 2] -= piece.high - piece.low
    out, total = [], 0
    for item in change[:-1]:
        total += item
        out.append(total)
    return out


def place(blocks: Sequence[Block], steps: int, trials: int = TRIALS) -> tuple[list[int], int]:
    """A base for every block such that no two take a byte at the same time, and the arena's size.

    Args:     trials: orders to try at most, after the fixed ones.
    """
    search = _Search(blocks, profile(blocks, steps), trials)
    return search.bases, search.peak


class _Search:
    """The best placement found so far, and the moves that look for a better one.

    Blocks are placed one by one at the lowest or tightest free address; what varies is the order.
    The random numbers are seeded, so the same blocks get the same bases everywhere.
    """

    def __init__(self, blocks: Sequence[Block], taken: Sequence[int], trials: int) -> None:
        self._blocks = blocks
        self._goal = max(taken, default=0)
        self._size = [b[-1].high if b else 0 for b in blocks]
        self._apart = _apart(blocks)
        self.bases = [0] * len(blocks)
        self.peak = sum(self._size) + 1
        self._order: list[int] = []
        self._fit: Fit = _first_fit
        for order in self._orders(taken):
            for fit in (_first_fit, _best_fit):
                self._try(order, fit)
                if self.peak == self._goal:
                    return
        self._climb(trials)

    def _orders(self, taken: Sequence[int]) -> Iterator[list[int]]:
        """Several orders that suit different nets, the generally best first."""
        life = [_hull(b) for b in self._blocks]
        size = self._size
        crowd = [max(taken[i.first + 1 : i.last + 2], default=0) for i in life]
        length = [i.last - i.first + 1 for i in life]
        keys: tuple[Callable[[int], tuple[int, ...]], ...] = (
            lambda i: (-size[i], life[i].first),
            lambda i: (-crowd[i], -size[i]),
            lambda i: (-size[i] * length[i], life[i].first),
            lambda i: (-length[i], -size[i]),
            lambda i: (life[i].first, -size[i]),
            lambda i: (-life[i].last, -size[i]),
            lambda i: (-crowd[i], -length[i]),
        )
        for key in keys:
            yield sorted(range(len(size)), key=key)

    def _try(self, order: list[int], fit: Fit) -> bool:
        """Place in this order; keep it if it is as good as the best (a tie moves the search on)."""
        bases = [-1] * len(order)
        peak = 0
        for item in order:
            taken = sorted(
                (bases[other] + low, bases[other] + high) for other, low, high in self._apart[item] if bases[other] >= 0
            )
            base = bases[item] = fit(taken)
            peak = max(peak, base + self._size[item])
            if peak > self.peak:
                return False
        self.bases, self.peak, self._order, self._fit = bases, peak, order, fit
        return True

    def _climb(self, trials: int) -> None:
        """Move a block that reaches the top, or one near it, to the front of the order."""
        rng = random.Random(len(self._blocks))
        cost = len(self._blocks) + sum(map(len, self._apart))
        for _ in range(min(trials, WORK // max(cost, 1))):
            top = [i for i, base in enumerate(self.bases) if base + self._size[i] == self.peak]
            item = rng.choice(top)
            if self._apart[item] and rng.random() < 0.5:
                item = rng.choice(self._apart[item]).other
            order = [i for i in self._order if i != item]
            order.insert(rng.randrange(len(order) + 1), item)
            self._try(order, rng.choice((_first_fit, _best_fit)))
            if self.peak == self._goal:
                return


def _apart(blocks: Sequence[Block]) -> list[list[Apart]]:
    """For each block, the differences of bases at which it would run into another one."""
    out: list[list[Apart]] = [[] for _ in blocks]
    hulls = [_hull(b) for b in blocks]
    for i, here in enumerate(blocks):
        for j in range(i):
            if not hulls[i].meets(hulls[j]):
                continue
            for p in here:
                for q in blocks[j]:
                    if p.life.meets(q.life):
                        out[i].append(Apart(j, q.low - p.high, q.high - p.low))
                        out[j].append(Apart(i, p.low - q.high, p.high - q.low))
    return out


def _first_fit(taken: Sequence[tuple[int, int]]) -> int:
    """The lowest base outside all open intervals, which are sorted."""
    base = 0
    for low, high in taken:
        if low >= base:
            break
        base = max(base, high)
    return base


def _best_fit(taken: Sequence[tuple[int, int]]) -> int:
    """The base in the tightest free range between two intervals, or the lowest above all."""
    base, best, slack = 0, -1, -1
    for low, high in taken:
        if low >= base and (best < 0 or low - base < slack):
            best, slack = base, low - base
        base = max(base, high)
    return base if best < 0 else best


def _hull(pieces: Block) -> Life:
    if not pieces:
        return Life(0, -1)
    return Life(min(p.life.first for p in pieces), max(p.life.last for p in pieces))


def _up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
