"""What a debug run found: every layer with its distances, every tensor with its codes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from magik_core.debugging.measure import Layer, Measured
from magik_core.debugging.usage import Usage

SUSPECTS = 3  # layers that are named as the worst


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
        return 0.0 if self.after == self.before else self.after - self.before


@dataclass(frozen=True)
class Report:
    """A quantized model beside the float one.

    Args: layers: in the order of the steps; tensors: those with codes; folder: where one sample was dumped, or empty;
        trials: layers left in f32, the largest gain first.
    """

    model: str
    samples: int
    layers: tuple[Layer, ...]
    tensors: tuple[Usage, ...]
    folder: str = ""
    trials: tuple[Trial, ...] = ()

    @classmethod
    def of(cls, model: str, found: Measured, folder: str = "", trials: Sequence[Trial] = ()) -> Report:
        return cls(model, found.samples, found.layers, found.tensors, folder, tuple(trials))

    def to_json(self) -> str:
        """Everything; a number that is not finite is null."""
        return json.dumps(_plain(asdict(self)), indent=2, ensure_ascii=False)


def worst(layers: Sequence[Layer], count: int = SUSPECTS) -> list[Layer]:
    """The layers that lose most by themselves, the worst first; those in f32 lose nothing."""
    lossy = [x for x in layers if x.bits and x.isolated is not None and math.isfinite(x.isolated.sqnr_db)]
    return sorted(lossy, key=lambda x: x.isolated.sqnr_db if x.isolated else math.inf)[:count]


def decibel_text(value: float) -> str:
    """`41.2`; "exact" without a difference, "none" without a signal."""
    if math.isinf(value):
        return "exact" if value > 0 else "none"
    return f"{value:.1f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
