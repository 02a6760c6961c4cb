"""Embedding: a row of numbers for each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from magik_core.builtin.trainingkit.arithmetic import REAL
from magik_core.errors import Problem
from magik_trainingkit import rules
from magik_trainingkit.layer import Layer, marked
from magik_trainingkit.rounding import coded
from magik_trainingkit.values import unpack


class Embedding(Layer):
    """Rows of a table by index, as a bare tensor; with `multi_inputs` those of both halves of axis 1 side by side.

    Quantized the table has signed codes of `output_bitwidth` bits, reals in [-1, 1]; the next layer is told of it as
    `(tensor, output_bitwidth, -1.0)`.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, first_layer: bool = False,
        quantize: Any = False, input_bitwidth: int = 32, output_bitwidth: int = 32, multi_inputs: bool = True,
        target_device: str = "Txx", pre_lstm_layer: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.first_layer, self.quantize, self.multi_inputs = first_layer, quantize, multi_inputs
        self.input_bitwidth, self.output_bitwidth = input_bitwidth, output_bitwidth
        self.target_device, self.pre_lstm_layer = target_device, pre_lstm_layer
        self.embedding = nn.Embedding(num_embeddings, embedding_dim, padding_idx)

    def rules(self) -> Sequence[Problem]:
        return [*rules.bits(REAL, self.output_bitwidth)] if self.quantize else []

    def forward(self, x: Any) -> Tensor:
        index, kind = unpack(x, self.where).tensor, {"op_type": "Embedding"}
        parts = index.long().chunk(2, dim=1) if self.multi_inputs else [index.long()]
        rows = [functional.embedding(part, self.embedding.weight, self.padding_idx) for part in parts]
        real = marked(torch.cat(rows, dim=-1), "embedding_start", kind, self.target_device)
        bits = self.output_bitwidth if self.quantize else REAL
        y = coded(self, real, (bits, -1.0, 1.0, self.target_device))
        return marked(y, "embedding_end", kind, self.target_device)
