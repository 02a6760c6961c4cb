"""Flatten: the same numbers in another shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magik_trainingkit.layer import Layer, marked
from magik_trainingkit.values import Value, need_value


class Flatten(Layer):
    """Reshape to `shape_list`, in which one number may be -1."""

    def __init__(self, shape_list: Sequence[int], target_device: str = "Txx") -> None:
        super().__init__()
        self.shape_list, self.target_device = list(shape_list), target_device

    def forward(self, x: Any) -> Any:
        given, kind = need_value(x, self.where), {"op_type": "Flatten"}
        y = marked(given.tensor, "flatten_start", kind, self.target_device).reshape(self.shape_list)
        return Value(marked(y, "flatten_end", kind, self.target_device), given.bits, given.clip_min)
