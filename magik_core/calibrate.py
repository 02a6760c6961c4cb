"""Find the range of every activation: run the float graph on samples and watch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import inf
from threading import Condition
from typing import Protocol, TypeVar

import numpy as np
import onnx_ir as ir

from magik_core import freed
from magik_core.cells import Cell, cells
from magik_core.errors import DataError, Problem, capped
from magik_core.float_session import Arrays, FloatSession
from magik_core.progress import Count
from magik_core.quantizers import Quantizer

PART_BYTES = 4 << 20  # of activations that a sample holds to be looked at: they stay in the processor's cache
_BEHIND = -1  # the part behind all others
In = TypeVar("In")
Out = TypeVar("Out")


class Observer(Protocol):
    """Sees one value, sample after sample."""

    def observe(self, x: np.ndarray) -> None:
        """Take in one batch: f32, any shape, all finite. Nothing of `x` is kept."""


def calibrate(
    model: ir.Model,
    samples: Iterable[Mapping[str, np.ndarray]],
    values: Mapping[str, int],
    method: Quantizer,
    *,
    others: Mapping[str, Observer] | None = None,
    progress: Count | None = None,
    threads: int = 1,
) -> dict[str, tuple[float, float]]:
    """The range of each of `values`, given with the bits of its codes, over all samples, lo <= 0 <= hi.

    `others` are shown the values whose names they have, so that one pass over the samples serves all. Samples run on
    `threads` threads and are seen in order, and of each of these a part of the activations is held; the result is the
    same for any number.

    Raises: DataError: no samples; per sample, the first value that is not finite.
    """
    assert method.activation is not None, f"{method.name} is not for activations"
    estimators = {name: method.activation(bits) for name, bits in values.items()}
    over_time = {name: cell for name, cell in cells(model).items() if name in values}
    plain = [(name, estimator) for name, estimator in estimators.items() if name not in over_time]
    observers = [*plain, *(others or {}).items()]
    shown = [(estimators[name], cell) for name, cell in over_time.items()]
    watch(model, samples, observers, shown, progress=progress, threads=threads)
    return {name: estimator.range() for name, estimator in estimators.items()}


def watch(
    model: ir.Model,
    samples: Iterable[Mapping[str, np.ndarray]],
    observers: Iterable[tuple[str, Observer]],
    over_time: Sequence[tuple[Observer, Cell]] = (),
    *,
    progress: Count | None = None,
    threads: int = 1,
) -> None:
    """Run all samples as `calibrate` does and show each observer the value whose name stands beside it.

    Args: over_time: observers that are shown all states c of an LSTM.
    Raises: DataError: as `calibrate`.
    """
    watching: dict[str, list[Observer]] = {}
    for name, observer in observers:
        watching.setdefault(name, []).append(observer)
    for _, cell in over_time:
        watching |= {name: watching.get(name, []) for name in cell.reads}
    freed.give_back()  # copies of the graph would stay beside the activations
    look = _looking(FloatSession(model, list(watching), part_bytes=PART_BYTES), watching, over_time)
    found = each_sample(look, samples, progress=progress, threads=threads)
    problems = [problem for problem in found if problem is not None]
    del look, found
    freed.trim()
    if problems:
        raise DataError(problems=capped(problems))


def _looking(
    session: FloatSession, watching: Mapping[str, Sequence[Observer]], over_time: Sequence[tuple[Observer, Cell]]
) -> Callable[[int, Mapping[str, np.ndarray]], Problem | None]:
    """What to do with each sample: run it and show every observer its value; several may be under way."""
    turns = _Turns()
    read = {name for _, cell in over_time for name in cell.reads}

    def look(index: int, feeds: Mapping[str, np.ndarray]) -> Problem | None:
        problem: Problem | None = None
        kept: Arrays = {}
        with turns.whole(index):
            for part, arrays in enumerate(session.parts(feeds)):
                with turns.turn(index, part):
                    problem = problem or _show(arrays, index, watching)
                kept |= {name: x for name, x in arrays.items() if name in read}
                arrays.clear()  # before the next part runs
            with turns.turn(index, _BEHIND):
                for observer, cell in over_time if problem is None else ():
                    observer.observe(cell.over_time(kept))
        return problem

    return look


def _show(arrays: Arrays, sample: int, watching: Mapping[str, Sequence[Observer]]) -> Problem | None:
    """Show all observers their values, unless one is not finite."""
    bad = next((name for name, x in arrays.items() if not _is_finite(x)), None)
    if bad is not None:
        return not_finite(f"value '{bad}'", sample, arrays[bad])
    for name, x in arrays.items():
        for observer in watching[name]:
            observer.observe(x)
    return None


class _Turns:
    """Samples that run at once have a part of the graph looked at one after the other, in their order."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}  # the sample whose turn it is, by part
        self._changed = Condition()
        self._failed = inf  # the first sample that has

    @contextmanager
    def turn(self, sample: int, part: int) -> Iterator[None]:
        """Wait for the turn and have it."""
        with self._changed:
            self._changed.wait_for(lambda: self._next.get(part, 0) == sample or self._failed < sample)
        yield
        with self._changed:
            self._next[part] = sample + 1
            self._changed.notify_all()

    @contextmanager
    def whole(self, sample: int) -> Iterator[None]:
        """Let nobody wait for a sample that fails."""
        try:
            yield
        except BaseException:
            with self._changed:
                self._failed = min(self._failed, sample)
                self._changed.notify_all()
            raise


def each_sample(
    run: Callable[[int, In], Out], samples: Iterable[In], *, progress: Count | None = None, threads: int = 1
) -> Iterator[Out]:
    """`run` of the index of every sample and the sample, in order, at most `threads` of them at once.

    Raises: DataError: there are no samples.
    """
    total = len(samples) if isinstance(samples, Sized) else 0
    done = 0
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        waiting: deque[Future[Out]] = deque()
        source = iter(samples)
        while True:
            while len(waiting) < max(threads, 1):
                try:
                    waiting.append(pool.submit(run, done + len(waiting), next(source)))
                except StopIteration:
                    break
            if not waiting:
                break
            yield waiting.popleft().result()
            done += 1
            if progress:
                progress(done, total)
    if not done:
        raise DataError("there are no samples to calibrate with", found="0 samples", need="at least 1")


def _is_finite(x: np.ndarray) -> bool:
    """Whether all are; the extremes of an array with a NaN are NaN."""
    return not x.size or bool(np.isfinite(x.min()) and np.isfinite(x.max()))


def not_finite(where: str, sample: int, x: np.ndarray) -> Problem:
    """The problem of a float model that overflows on a sample. Args: where: the value or layer."""
    bad = int(np.count_nonzero(~np.isfinite(x)))
    return Problem(
        "an activation is not finite",
        where=f"{where}, sample {sample}",
        found=f"{bad} of {x.size} values are NaN or infinite",
        need="finite values in the float model",
        hint="check MEAN, NORMAL and COLOR: the float model itself overflows on this sample",
    )
