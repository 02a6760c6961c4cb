"""What a debug run found: every layer with its distances, every tensor with its codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from magik_core.debugging.measure import Layer, Measured
from magik_core.debugging.usage import Usage

SUSPECTS = 3  # layers that are named as the worst
DECIBELS = ("sqnr_db", "before", "after")  # fields


@dataclass(frozen=True)
class Trial:
    """What it gains to leave a layer in f32.

    Args: layer: its name; nodes: what QUANT_NODE_SKIP has to name; output: of the model, the one that suffers most;
        before, after: its SQNR in dB without and with.
    """

    layer: str
    nodes: tuple[str, ...]
    output: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """In dB."""
        before, after = rank(self.before), rank(self.after)
        return 0.0 if after == before else after - before


@dataclass(frozen=True)
class Report:
    """A quantized model beside the float one.

    Args: layers: in the order of the steps; tensors: those with codes; folder: where one sample was dumped, or empty;
        trials: layers left in f32, the largest gain first; warnings: what was chosen and has no effect.
    """

    model: str
    samples: int
    layers: tuple[Layer, ...]
    tensors: tuple[Usage, ...]
    folder: str = ""
    trials: tuple[Trial, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: str, found: Measured, folder: str = "", trials: Sequence[Trial] = ()) -> Report:
        return cls(model, found.samples, found.layers, found.tensors, folder, tuple(trials))

    def to_json(self) -> dict[str, Any]:
        """Everything; a number that is not finite is a text: as `decibel_text` has it, or "inf", "-inf" or "nan"."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def worst(layers: Sequence[Layer], count: int = SUSPECTS) -> list[Layer]:
    """The layers that lose most by themselves, the worst first; those in f32 lose nothing."""
    found = ((x, math.inf if x.isolated is None else rank(x.isolated.sqnr_db)) for x in layers if x.bits)
    return [x for x, _ in sorted((one for one in found if one[1] < math.inf), key=lambda one: one[1])][:count]


def rank(sqnr_db: float) -> float:
    """What decibels are sorted by: NaN is as bad as can be."""
    return -math.inf if math.isnan(sqnr_db) else sqnr_db


def decibel_text(value: float) -> str:
    """`41.2`; "exact" without a difference, "none" without a signal or of an infinite difference, "nan"."""
    if math.isinf(value):
        return "exact" if value > 0 else "none"
    return f"{value:.1f}"


def _plain(value: Any, field: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, field) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return decibel_text(value) if field in DECIBELS else str(value)
    return value
