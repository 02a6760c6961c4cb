"""Route: features behind one another."""

from __future__ import annotations

from typing import Any

import torch

from magik_trainingkit import rules
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.layer import Layer
from magik_trainingkit.shortcut import parts
from magik_trainingkit.values import Value, same


class Route(Layer):
    """Join features of one width and sign along their channels."""

    def __init__(self, target_device: str = "Txx") -> None:
        super().__init__()
        self.target_device = target_device

    def forward(self, *inputs: Any) -> Any:
        values = parts(inputs, self.where)
        most = rules.MOST_JOINED.get(self.target_device, len(values))
        if len(values) > most:
            what, need = "a chip joins fewer features", f"at most {most} on {self.target_device}"
            raise TrainingError(what, where=self.where, found=f"{len(values)} features", need=need)
        kind = same(values, self.where)
        return Value(torch.cat([v.tensor for v in values], dim=1), kind.bits, min(v.clip_min for v in values))
