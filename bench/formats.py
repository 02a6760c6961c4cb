"""A model in one of its formats: how it is read, fed, and what has to come out. bench.networks lists them.

Arrays have the samples in front: feeds are (samples, *shape of the input), in the order of the graph's inputs, and
what is expected is the same for its outputs. Pre-processing is that of each folder's README.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, ...]
Reference = Mapping[str, np.ndarray]  # of ref.npz
Make = Callable[[Reference], Arrays]
MOST = 1e-4  # of an output's range, float formats
CODES = 4 / 255  # quantized formats: their graph is computed in float here, the interpreter computes in integers
MOST_SAMPLES = 8


@dataclass(frozen=True)
class Format:
    """A model in one format.

    Args:
        name: of the network and of the format; path: below models/; frontend: that reads it.
        feeds: from ref.npz; expected: from ref.npz too, or the reference runtime that computes it: "tflite", "torch",
            "tensorflow" (of bench.references).
        outputs: their names, in the order of `expected`; empty: whatever they are called.
        options, inputs, constants: as the frontend and the core need them; others: files that mean the same model.
        tolerance: in units of the output's range; least: mean cosine that it keeps on T41, 0 where that is not tried.
        recorded: the folder whose ref.npz is read, the file's own by default.
        refused: what the message says where the format cannot be read; why: a remark, for people.
    """

    name: str
    path: str
    frontend: str
    feeds: Make
    expected: Make | str
    outputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    tolerance: float = MOST
    least: float = 0.0
    recorded: str = ""
    refused: str = ""
    why: str = ""

    @property
    def against(self) -> str:
        """What the outputs are held against."""
        return self.expected if isinstance(self.expected, str) else "ref.npz"

    def reference(self, models: Path) -> dict[str, np.ndarray]:
        """What is recorded."""
        path = models / (self.recorded or self.path.partition("/")[0]) / "ref.npz"
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)

    def samples(self, models: Path) -> Arrays:
        """The feeds, some of them."""
        return tuple(x[:MOST_SAMPLES] for x in self.feeds(self.reference(models)))


# ---- how arrays of ref.npz become tensors --------------------------------------------------------------------


def pictures(key: str, mean: Any = 0.0, normal: Any = 1.0, *, is_nhwc: bool = False) -> Make:
    """Pictures (n, H, W[, C]) u8 as `(x - mean) / normal`, one a sample."""

    def make(ref: Reference) -> Arrays:
        pixels = ref[key] if ref[key].ndim == 4 else ref[key][..., None]
        x = (pixels.astype(np.float32) - np.float32(mean)) / np.float32(normal)
        return (np.ascontiguousarray(x if is_nhwc else x.transpose(0, 3, 1, 2))[:, None],)

    return make


def tensors(*keys: str, shape: tuple[int, ...] = ()) -> Make:
    """Arrays (n, …), each sample with a batch of one. Args: shape: of a sample where it is another."""

    def make(ref: Reference) -> Arrays:
        return tuple(ref[key].reshape(len(ref[key]), *(shape or (1, *ref[key].shape[1:]))) for key in keys)

    return make


def turned(make: Make, *axes: int) -> Make:
    """The same arrays with the axes behind the samples in another order."""
    return lambda ref: tuple(x.transpose(0, *(1 + axis for axis in axes)) for x in make(ref))


def swapped(make: Make) -> Make:
    """The same pictures, NCHW, with their channels in the other order."""
    return lambda ref: tuple(np.ascontiguousarray(x[:, :, ::-1]) for x in make(ref))


def before(states: np.ndarray) -> np.ndarray:
    """The states that a step begins with: zeros, then what each step left."""
    return np.concatenate([np.zeros_like(states[:1]), states[:-1]])


# ---- the same network in several formats ---------------------------------------------------------------------


@dataclass(frozen=True)
class Same:
    """Formats of one network, float programs of which compute the same.

    Args:
        order: per format the indices of its outputs in a common order; axes: per format the order of the axes of its
            4-D outputs, both where they are others than the first's.
        tolerance: in units of the output's range; 0: another set of weights, so only the structure agrees.
        why: what is not the same, for people.
    """

    name: str
    formats: tuple[str, ...]
    tolerance: float = MOST
    order: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    why: str = ""
