"""NOp: a mark in the exported graph, which says what is where and computes nothing."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from magik_trainingkit import graph
from magik_trainingkit.graph import VERSION, Node
from magik_trainingkit.older import Quantizer


class NOp(Quantizer):
    """Hand on what it is given: a tensor, or a layer's result.

    Args: op_target: where the mark is, such as "input" or "output"; op_attr: JSON about it.
    """

    settings = ("target_device",)
    op_target, op_attr, target_device = "", "", "Txx"  # of pickles that lack them

    def __init__(self, op_target: str = "", op_attr: str = "", target_device: str = "Txx") -> None:
        super().__init__()
        self.op_target, self.op_attr, self.target_device = op_target, op_attr, target_device

    def forward(self, x: Any) -> Any:
        if not graph.is_exporting():
            return x
        if isinstance(x, tuple):
            return (self._marked(x[0]), *x[1:])
        return self._marked(x)

    def _marked(self, x: Tensor) -> Tensor:
        texts = {"op_target": self.op_target, "op_attr": self.op_attr, "target_device": self.target_device}
        return graph.emit(Node("NOp", (), {**texts, "version": VERSION}), x, x.shape)


class InputNOp(NOp):
    """The mark behind an input of the network."""

    op_target, op_attr = "input", '{"op_type": "input", "attr": "input_index_1"}'

    def __init__(self) -> None:
        super().__init__(self.op_target, self.op_attr)


class OutputNOp(NOp):
    """The mark behind an output of the network, one of `model_output_num`."""

    op_target, op_attr = "output", '{"op_type": "output", "attr": "index_1"}'

    def __init__(self, model_output_num: int = 1) -> None:
        super().__init__(self.op_target, self.op_attr)
        self.model_output_num = model_output_num
