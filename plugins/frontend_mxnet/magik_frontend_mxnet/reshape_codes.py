"""The special sizes of MXNet's Reshape, 0 and -1 to -4, as parts of the input's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magik_frontend_mxnet.builder import Size
from magik_frontend_mxnet.refusal import Refusal


@dataclass(frozen=True)
class Dims:
    """The product of sizes of the input, divided."""

    axes: tuple[int, ...]
    divisor: int = 1


Part = int | Dims  # -1 is the size that is left


def parts(codes: Sequence[int], rank: int | None, is_reverse: bool = False) -> list[Part]:
    """Say what each size of the result is; `rank` may be unknown without -2 and `is_reverse`.

    0 keeps a size, -1 is what is left, -2 keeps all that follow, -3 multiplies two, -4 splits one into the
    next two codes, of which one may be -1. `is_reverse` reads both shapes from the back.
    """
    if is_reverse:
        assert rank is not None
        if -4 in codes:
            raise Refusal("a reshape is not supported", f"shape {tuple(codes)}, reverse", "no -4 with reverse")
        found = parts(codes[::-1], rank)
        return [p if isinstance(p, int) else Dims(tuple(rank - 1 - a for a in p.axes[::-1])) for p in found[::-1]]
    out: list[Part] = []
    source, waiting = 0, list(codes)
    while waiting:
        code = waiting.pop(0)
        if code == -4:
            out += _split(waiting, source, codes)
        elif code == -3:
            out.append(Dims((source, source + 1)))
            source += 1
        elif code == -2:
            assert rank is not None
            out += [Dims((axis,)) for axis in range(source, rank)]
            source = rank
            continue
        elif code == 0:
            out.append(Dims((source,)))
        elif code >= -1:
            out.append(code)
        else:
            raise Refusal("a reshape is damaged", f"shape {tuple(codes)}", "sizes of -4 or more")
        source += 1
    if out.count(-1) > 1:
        raise Refusal("a reshape is damaged", f"shape {tuple(codes)}", "one -1 at most")
    last = max((axis for p in out if isinstance(p, Dims) for axis in p.axes), default=-1)
    if rank is not None and last >= rank:
        raise Refusal("a reshape does not fit its input", f"shape {tuple(codes)}", f"codes for {rank} axes")
    return out


def _split(waiting: list[int], source: int, codes: Sequence[int]) -> list[Part]:
    """The two sizes behind a -4."""
    pair, waiting[:2] = waiting[:2], []
    if len(pair) < 2 or max(pair) < 1 or not (min(pair) == -1 or min(pair) > 0):
        raise Refusal("a reshape is damaged", f"shape {tuple(codes)}", "two sizes behind -4, one of them -1 at most")
    known = max(pair)
    return [Dims((source,), known) if size == -1 else size for size in pair]


def sizes(found: Sequence[Part], shape: Sequence[Size]) -> list[int] | None:
    """The target of ONNX's Reshape, as far as the input's sizes are known; None where they leave too much open."""
    out: list[int | None] = [_size(part, position, shape) for position, part in enumerate(found)]
    if out.count(None) == 1 and -1 not in out:
        out[out.index(None)] = -1
    return None if None in out else [n for n in out if n is not None]


def _size(part: Part, position: int, shape: Sequence[Size]) -> int | None:
    if isinstance(part, int):
        return part
    known = [shape[axis] if axis < len(shape) else None for axis in part.axes]
    product = part.divisor
    if all(isinstance(n, int) for n in known):
        product = 1
        for n in known:
            product *= int(n or 0)
        return product // part.divisor
    return 0 if part == Dims((position,)) else None
