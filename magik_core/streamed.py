"""Samples of a net with memory: frames in the order in which they come, each with the states that float leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized

import numpy as np
import onnx_ir as ir

from magik_core import carry, graph
from magik_core.float_session import FloatSession


class Streamed:
    """Frames as samples of all inputs: the float model runs over them, from states of zero on.

    What a sample itself has of a state is taken in the place of what was left.
    """

    def __init__(self, model: ir.Model, frames: Iterable[Mapping[str, np.ndarray]]) -> None:
        self._model, self._frames = model, frames

    def __len__(self) -> int:
        return len(self._frames) if isinstance(self._frames, Sized) else 0

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        states = carry.pairs(self._model)
        session = FloatSession(self._model, list(states.values()))
        left = {v.name or "": _zeros(v) for v in self._model.graph.inputs if v.name in states}
        for frame in self._frames:
            sample = {**left, **frame}
            yield sample
            found = session.run(sample)
            left = {before: found[after] for before, after in states.items()}


def _zeros(value: ir.Value) -> np.ndarray:
    shape, dtype = graph.static_shape(value), value.dtype
    assert shape is not None and dtype is not None
    return np.zeros(shape, dtype.numpy())
