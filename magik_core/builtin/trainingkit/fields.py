"""Fields of the training kit's nodes, which nobody vouches for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper

from magik_core.builtin.onnx_quantized.expansion import at
from magik_core.builtin.trainingkit.arithmetic import DEVICES, REAL, Array, Grid, feature_grid

if TYPE_CHECKING:
    from onnx import NodeProto

    from magik_core.builtin.onnx_quantized.expansion import Expansion

WEIGHT_BITS, FEATURE_BITS = (2, 8), (2, 16)
MAX_SIZE = 1 << 30


@dataclass(frozen=True)
class Fields:
    """The fields of a node: its attributes, and those of its `param_str`; each is checked where it is read."""

    to: Expansion
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, node: NodeProto, to: Expansion) -> Fields:
        found: dict[str, Any] = {}
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            found[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
        text = found.pop("param_str", None)
        if text is not None:
            found |= _json(to, "param_str", text)
        return cls(to, found)

    def inner(self, name: str) -> Fields:
        """The fields of an object among the fields."""
        found = self.values.get(name)
        return Fields(self.to, found if isinstance(found, dict) else {})

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number in [low, high]; `low` and a problem where it is none."""
        found = self.values.get(name, default)
        if isinstance(found, int) and low <= found <= high:
            return int(found)
        return self._refuse(name, found, f"a whole number in [{low}, {high}]", low)

    def real(self, name: str, default: float | None = None) -> float:
        """A finite number."""
        found = self.values.get(name, default)
        if isinstance(found, (int, float)) and math.isfinite(found) and abs(found) <= MAX_SIZE:
            return float(found)
        return self._refuse(name, found, "a finite number", 1.0)

    def positive(self, name: str, default: float | None = None) -> float:
        found = self.real(name, default)
        return found if found > 0 else self._refuse(name, found, "a number above 0", 1.0)

    def wholes(self, name: str, count: int, low: int, high: int) -> tuple[int, ...]:
        found = self.values.get(name)
        numbers = tuple(found) if isinstance(found, (list, tuple)) else ()
        if len(numbers) == count and all(isinstance(v, int) and low <= v <= high for v in numbers):
            return numbers
        return self._refuse(name, found, f"{count} whole numbers in [{low}, {high}]", (low,) * count)

    def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def text(self, name: str, default: str = "") -> str:
        found = self.values.get(name, default)
        return found if isinstance(found, str) else self._refuse(name, found, "text", default)

    def device(self, name: str = "target_device") -> str:
        found = self.values.get(name)
        if found in DEVICES:
            return str(found)
        return self._refuse(name, found, f"one of: {', '.join(DEVICES)}", DEVICES[0])

    def bits(self, name: str, limits: tuple[int, int]) -> int:
        """How many bits codes have; REAL says none."""
        found = self.values.get(name, REAL)
        return REAL if found == REAL else self.whole(name, *limits)

    def grid(self) -> Grid | None:
        """What the codes of the node's output mean; None where it is not rounded."""
        bits, device = self.bits("output_bitwidth", FEATURE_BITS), self.device()
        is_signed = self.real("clip_min_value") < 0
        return None if bits == REAL else feature_grid(bits, is_signed, device)

    def _refuse(self, name: str, found: object, need: str, stand_in: Any) -> Any:
        self.to.problem("a field of the training kit's node has no sensible value", f"{name} {found!r:.40}", need)
        return stand_in


def preprocessing(node: NodeProto, to: Expansion) -> Fields | None:
    """The fields of a Preprocess; other marks hold text that is no JSON, and say nothing that is needed."""
    text = Fields.of(node, to).text("op_attr")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_preprocess = isinstance(found, dict) and found.get("op_type") == "Preprocess"
    return Fields(to, found).inner("attr") if is_preprocess else None


def _json(to: Expansion, name: str, text: object) -> dict[str, Any]:
    try:
        found = json.loads(text if isinstance(text, str) else "")
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    to.problem("a field of the training kit's node has no sensible value", f"{name} {text!r:.40}", "a JSON object")
    return {}


def constant(to: Expansion, name: str) -> Array | None:
    """The values of a constant, also behind Identity: PyTorch writes constants that are equal once."""
    maker = to.source.maker.get(name)
    while name not in to.source.tensors and maker is not None and maker.op_type == "Identity" and maker.input:
        name = maker.input[0]
        maker = to.source.maker.get(name)
    return to.source.array(name)


def array(node: NodeProto, to: Expansion, place: int, what: str, count: int | None = None) -> Array:
    """The values of a constant input, `count` of them where that is given; a problem, and zeros, where it is none."""
    found = constant(to, at(node, place))
    if found is None or found.dtype.kind != "f":
        to.problem(
            f"{what} of a layer are no constant", f"'{at(node, place)}'", "f32 numbers that are part of the model"
        )
        return np.zeros(count or 1, np.float32)
    if count is not None and found.size != count:
        to.problem(f"{what} of a layer do not fit it", f"{found.size} numbers", f"{count}")
        return np.zeros(count, np.float32)
    return found if count is None else found.reshape(-1)
