"""Attention over the steps of a sequence: their mean, weighed by what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_core.errors import Problem
from magik_trainingkit import graph, rules
from magik_trainingkit.errors import TrainingError
from magik_trainingkit.graph import Node
from magik_trainingkit.layer import Layer, marked, source
from magik_trainingkit.rounding import coded
from magik_trainingkit.values import Value, need_value


class Attention(Layer):
    """Base: the sum over steps of x times softmax of its scores; x is (N, steps, size), the result (N, size).

    Scores and weights are f32; the result is divided by the clip value and rounded, with a sign if x has one.
    """

    kind = ""  # in marks
    quantize: Any
    output_bitwidth: int
    clip_max_value: float
    target_device: str
    positive = ("clip_max_value",)

    def scores(self, x: Tensor) -> Tensor:
        """(N, steps, 1)."""
        raise NotImplementedError

    def score_nodes(self) -> Sequence[Node]:
        """`scores` as standard nodes."""
        raise NotImplementedError

    def rules(self) -> Sequence[Problem]:
        return [*rules.bits(REAL, self.output_bitwidth)] if self.quantize else []

    def forward(self, x: Any) -> Any:
        given, device = need_value(x, self.where), self.target_device
        if given.tensor.ndim != 3:
            found = str(tuple(given.tensor.shape))
            raise TrainingError("attention reads sequences", where=self.where, found=found, need="(N, steps, size)")
        kind, low = {"op_type": self.kind}, -1.0 if given.clip_min < 0 else 0.0
        clip = float(self.clip_max_value)
        bits = self.output_bitwidth if self.quantize else REAL
        wide = marked(given.tensor, f"{self.kind.lower()}_start", kind, device)
        if not self.runs(wide) or bits == REAL or given.bits == REAL or graph.is_exporting():
            share, sources = self.scores(wide).softmax(dim=1), [Node("Identity")] * 2
        else:
            sources = [source(given, device), Node("Identity")]
            share = self.run(sources[:1], [*self.score_nodes(), Node("Softmax", (), {"axis": 1})], [wide], 3)
        real = (wide * share).sum(dim=1)
        nodes = [Node("Mul"), Node("ReduceSum", [given.tensor.new_tensor([1]).long()], {"keepdims": 0})]
        y = coded(self, real, (bits, low * clip, clip, device), nodes, sources, [wide, share])
        return Value(marked(y, f"{self.kind.lower()}_end", kind, device), bits, low * clip)
