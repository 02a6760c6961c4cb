"""MILPoolAttention: the mean of the instances of a bag, weighed by one product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from magik_trainingkit.attention import Attention
from magik_trainingkit.graph import Node


class MILPoolAttention(Attention):
    """Weighed by softmax of `tanh(linear(x) + bias)`; `bias` is one number."""

    kind = "MILPoolAttention"

    def __init__(
        self, hidden_size: int, quantize: Any = False, output_bitwidth: int = 32, clip_max_value: float = 6.0,
        target_device: str = "T40",
    ) -> None:  # fmt: skip
        super().__init__()
        self.hidden_size, self.quantize, self.output_bitwidth = hidden_size, quantize, output_bitwidth
        self.clip_max_value, self.target_device = clip_max_value, target_device
        self.linear = nn.Linear(hidden_size, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(1))

    def scores(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x) + self.bias)

    def score_nodes(self) -> Sequence[Node]:
        return [Node("MatMul", [self.linear.weight.t()]), Node("Add", [self.bias]), Node("Tanh")]
