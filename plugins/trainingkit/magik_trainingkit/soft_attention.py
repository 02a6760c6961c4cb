"""SoftAttention: the mean of a sequence, weighed by a small network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from magik_trainingkit.attention import Attention
from magik_trainingkit.graph import Node


class SoftAttention(Attention):
    """Weighed by softmax of `linear(tanh(fc(x)))`, of which `linear` has no bias."""

    kind = "SoftAttention"

    def __init__(
        self, input_size: int, hidden_size: int, quantize: Any = False, output_bitwidth: int = 32,
        clip_max_value: float = 6.0, target_device: str = "T40",
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.quantize = input_size, hidden_size, quantize
        self.output_bitwidth, self.clip_max_value = output_bitwidth, clip_max_value
        self.target_device = target_device
        self.fc = nn.Sequential(nn.Linear(input_size, hidden_size), nn.Tanh())  # "fc.0" in a state
        self.linear = nn.Linear(hidden_size, 1, bias=False)

    def scores(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.fc(x))
        return y

    def score_nodes(self) -> Sequence[Node]:
        inner = self.fc[0]
        assert isinstance(inner, nn.Linear)
        first = [Node("MatMul", [inner.weight.t()]), Node("Add", [inner.bias]), Node("Tanh")]
        return [*first, Node("MatMul", [self.linear.weight.t()])]
