"""What a difference of two dumps of one layer looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from magik_core.program import Shape

Array = np.ndarray
LEFT = 0.02  # of the difference: what may be left for something to explain it
ROUNDED = 0.5  # of the variance of B: what may be left where it is no more than rounding
FEW = 4  # different numbers: no pattern is read out of fewer
PROBED = 2048  # numbers that are looked at before an order is tried on all
BORDER = 3  # widest border that is looked for


@dataclass(frozen=True)
class Guess:
    """A kind of difference and a sentence.

    Args:
        kind: "constant", "saturation", "layout", "channel order", "padding", "offset and scale", "rounding", "numbers".
    """

    kind: str
    text: str


def explain(a: Array, b: Array, differs: Array, shape: Shape, step: float) -> Guess:
    """What makes `b` of `a`, as far as it can be seen.

    Args:
        a, b: flat, f64; differs: where they do; shape: of both, channels last, or empty where it is not known.
        step: a difference of rounding: one code, or for floats what their last digits are.
    """
    largest = float(np.abs(a - b).max())
    if np.ptp(b) == 0 or np.ptp(a) == 0:
        which, value = ("A", a[0]) if np.ptp(a) == 0 else ("B", b[0])
        return Guess("constant", f"{which} is {value:g} everywhere")
    if largest <= step * (1 + 1e-6):
        return Guess("rounding", f"numbers: rounding, at most {largest:g} apart")
    found = _saturation(a, b, differs)
    if not found and np.count_nonzero(differs) >= FEW:
        found = _order(a, b, shape) or _padding(a, b, differs, shape) or _linear(a, b, step)
    return found or Guess("numbers", f"numbers: at most {largest:g} apart")


def _saturation(a: Array, b: Array, differs: Array) -> Guess | None:
    """B is A, cut off at its smallest or largest number."""
    low, high = float(b.min()), float(b.max())
    at = [end for end, wrong in ((low, differs & (a < low)), (high, differs & (a > high))) if wrong.any()]
    if not at or np.any(differs & (a >= low) & (a <= high)) or np.any(differs & (b != low) & (b != high)):
        return None
    return Guess("saturation", f"saturation: B is cut off at {' and '.join(f'{end:g}' for end in at)}")


def unlike(a: Array, b: Array) -> float:
    """1 - r^2 of two flat arrays: 0 where one is a scaled and shifted copy of the other, 1 without relation."""
    x, y = a - a.mean(), b - b.mean()
    scale = float(x @ x) * float(y @ y)
    return 1.0 - float(x @ y) ** 2 / scale if scale > 0 else 1.0


def _order(a: Array, b: Array, shape: Shape) -> Guess | None:
    """Another order of the axes or of the channels."""
    base = unlike(a, b)
    probe = np.random.default_rng(0).integers(0, a.size, min(PROBED, a.size))
    few = b[probe]
    places = np.arange(a.size)
    for guess, order in _orders(places, shape):
        moved = order.reshape(-1)
        if unlike(a[moved[probe]], few) <= 2 * LEFT * base + 1e-9 and unlike(a[moved], b) <= LEFT * base + 1e-12:
            return guess
    return None


def _orders(places: Array, shape: Shape) -> Iterator[tuple[Guess, Array]]:
    """Orders to try: where each number of b would come from in a."""
    n = places.size
    channels = shape[-1] if shape else 0
    for c in sorted({3, 4} if not shape else {channels} & {3, 4}):
        if n % c == 0:
            swapped = [2, 1, 0, *range(3, c)]
            text = "channel order: red and blue are exchanged"
            yield Guess("channel order", text), places.reshape(-1, c)[:, swapped]
            yield Guess("channel order", f"{text}, channels first"), places.reshape(c, -1)[swapped]
    if len(shape) >= 3:
        rows = places.reshape(-1, *shape[-3:])
        yield Guess("layout", "layout: height and width are exchanged"), rows.transpose(0, 2, 1, 3)
    known = [channels] if channels else []
    for c in dict.fromkeys([*known, *divisors(n)]):
        first, last = f"layout: A is NCHW with {c} channels where B is NHWC", "layout: A is NHWC where B is NCHW"
        batch = shape[0] if len(shape) == 4 and (n // shape[0]) % c == 0 else 1
        yield Guess("layout", first), places.reshape(batch, c, -1).transpose(0, 2, 1)
        yield Guess("layout", f"{last} with {c} channels"), places.reshape(batch, -1, c).transpose(0, 2, 1)


def divisors(n: int) -> list[int]:
    """Between 1 and n, both left out, in order."""
    small = [d for d in range(2, int(n**0.5) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)} - {n})


def _padding(a: Array, b: Array, differs: Array, shape: Shape) -> Guess | None:
    """Differences at the borders alone, or everything a pixel further."""
    for h, w, c in [shape[-3:]] if len(shape) >= 3 else _squares(a.size):
        wrong = differs.reshape(-1, h, w, c)
        for width in range(1, min(BORDER, (min(h, w) - 1) // 2) + 1):
            if not wrong[:, width:-width, width:-width].any():
                share = 100 * np.count_nonzero(differs) / differs.size
                text = f"padding: only the border of {width} differs, {share:.1f} % of the numbers"
                return Guess("padding", text)
        shifted = _shift(a.reshape(-1, h, w, c), b.reshape(-1, h, w, c))
        if shifted:
            return Guess("padding", f"padding: B is A moved by {shifted[0]} down and {shifted[1]} right")
    return None


def _squares(n: int) -> list[tuple[int, int, int]]:
    """Height, width and channels of square pictures with n numbers."""
    sides = [(round((n // c) ** 0.5), c) for c in [1, *divisors(n)]]
    return [(side, side, c) for side, c in sides if side * side * c == n and side > 2 * BORDER]


def _shift(a: Array, b: Array) -> tuple[int, int] | None:
    h, w = a.shape[1:3]
    base = unlike(a.reshape(-1), b.reshape(-1))
    for dy in (-1, 0, 1) if h > 4 else (0,):
        for dx in (-1, 0, 1) if w > 4 else (0,):
            inner = b[:, max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)]
            moved = a[:, max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)]
            if (dy, dx) != (0, 0) and unlike(moved.reshape(-1), inner.reshape(-1)) <= LEFT * base:
                return dy, dx
    return None


def _linear(a: Array, b: Array, step: float) -> Guess | None:
    """Another scale or zero point: little of the difference is left, and little of B but rounding of either."""
    factor, offset = fit(a, b)
    left = factor * a + offset - b
    is_rounded = np.abs(left).max() <= step * max(1.0, abs(factor))
    if np.sum(left**2) > LEFT * np.sum((a - b) ** 2) or unlike(a, b) > (ROUNDED if is_rounded else LEFT):
        return None
    return Guess("offset and scale", f"offset and scale: B is {factor:.6g} * A {'-+'[offset >= 0]} {abs(offset):.6g}")


def fit(a: Array, b: Array) -> tuple[float, float]:
    """Factor and offset that make the most of `b` out of `a`."""
    x = a - a.mean()
    square = float(x @ x)
    factor = float(x @ (b - b.mean())) / square if square > 0 else 0.0
    return factor, float(b.mean() - factor * a.mean())
