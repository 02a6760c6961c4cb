"""What all operators share: settings that old pickles lack, names, marks of inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from magik_core.builtin.trainingkit.arithmetic import DEVICES, REAL
from magik_core.errors import Problem
from magik_trainingkit import dumps, graph, integer, older, rules
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.values import Pixels, Value


class Layer(nn.Module):
    """Base of the operators: its arguments are its attributes.

    Pickles of older kits lack some of them; `older` finds them.
    """

    name = ""  # of the layer in its network; checking.check sets it
    devices: Sequence[str] = DEVICES  # the chips that have it
    positive: Sequence[str] = ()  # attributes that are numbers above 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        nn.Module.__setstate__(self, state)
        older.settle(self)

    def __call__(self, *args: Any, **given: Any) -> Any:
        self.hold()
        y = super().__call__(*args, **given)
        if not self.training and not graph.is_exporting():
            dumps.intermediate(self, args, y)
        return y

    @property
    def where(self) -> str:
        """The layer, for messages."""
        kind = type(self).__name__
        return f"{kind} '{self.name}'" if self.name else kind

    def rules(self) -> Sequence[Problem]:
        """What of the layer its chip cannot compute."""
        return ()

    def runs(self, x: Tensor) -> bool:
        """Whether the layer's program computes its result: in eval(), of an input that is not empty."""
        return not self.training and x.numel() > 0

    def chip_rules(self) -> Iterator[Problem]:
        """Whether its chip has the layer."""
        return rules.device(getattr(self, "target_device", DEVICES[0]), self.devices)

    def problems(self, *more: Problem) -> list[Problem]:
        """Every rule that the layer breaks; more: what else it breaks."""
        names = self.positive if getattr(self, "quantize", False) else ()
        numbers = [p for name in names for p in rules.above_zero(name, getattr(self, name))]
        found = [*self.chip_rules()] or [*numbers, *self.rules(), *more]
        return [replace(p, where=self.where) for p in dict.fromkeys(found)]

    def hold(self, *more: Problem) -> None:
        """Hold the layer against the rules.

        Raises: TrainingError: every rule that is broken.
        """
        problems = self.problems(*more)
        if problems:
            raise TrainingError(problems=problems)

    def run(self, sources: Sequence[Node], nodes: Sequence[Node], inputs: Sequence[Tensor], rank: int) -> Tensor:
        """What the layer's program computes."""
        return integer.evaluate(self, sources, nodes, inputs, rank)

    def run_many(
        self, sources: Sequence[Node], nodes: Sequence[Node], inputs: Sequence[Tensor], ranks: Sequence[int]
    ) -> list[Tensor]:
        """The same of nodes with several outputs."""
        return integer.evaluate_many(self, sources, nodes, inputs, ranks)


def source(x: Value | Pixels, device: str) -> Node:
    """The node that says what the codes of an input are."""
    if isinstance(x, Pixels):
        return preprocess(x.mean, x.var, x.clip_min, device)
    if x.bits == REAL:
        return Node("Identity")
    return graph.feature(x.bits, -1.0 if x.clip_min < 0 else 0.0, 1.0, device)


def preprocess(mean: float, var: float, clip_min: float, device: str) -> Node:
    """The mark behind an input of pixels."""
    given = {"mean": float(mean), "var": float(var), "output_bitwidth": 8, "clip_min_value": clip_min}
    return mark("preprocess_end", {"op_type": "Preprocess", "attr": given}, device)


def mark(target: str, attributes: Mapping[str, Any], device: str) -> Node:
    """A node that only says what is where."""
    text = json.dumps(attributes)
    return Node("NOp", (), {"op_target": target, "op_attr": text, "target_device": device, "version": VERSION})


def marked(x: Tensor, target: str, attributes: Mapping[str, Any], device: str) -> Tensor:
    """The tensor behind a mark, while torch writes ONNX; else the tensor."""
    return graph.emit(mark(target, attributes, device), x, x.shape) if graph.is_exporting() else x
