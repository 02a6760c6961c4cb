"""The nodes that a layer exports, and the way into torch's two exporters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

VERSION = 1002  # of the nodes


@dataclass(frozen=True, eq=False)
class Node:
    """One node of a layer; its first input is what comes before.

    Args: constants: the inputs behind the first; attributes: of integers, floats, text and lists of integers;
        quantizer: the node that the first constant passes through; behind: how many of the values that it reads
        stand behind the constants.
    """

    op: str
    constants: Sequence[Tensor] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    quantizer: Node | None = None
    behind: int = 0

    def arranged(self, values: Sequence[Any], constants: Sequence[Any]) -> list[Any]:
        """All inputs, in order."""
        first = len(values) - self.behind
        return [*values[:first], *constants, *values[first:]]


def feature(bits: int, clip_min: float, clip_max: float, device: str, name: str = "") -> Node:
    """The node that divides reals by the clip value and rounds them to codes; name: of the layer."""
    given: dict[str, Any] = {"output_bitwidth": bits, "clip_min_value": float(clip_min)}
    given |= {"clip_max_value": float(clip_max), "target_device": device, "data_format": "NCHW", "pre_lstm_layer": 0}
    return Node("QuantizeFeature", (), {**given, "version": VERSION, "tensor_name": name})


def is_exporting() -> bool:
    """Whether torch is writing ONNX."""
    return bool(torch.onnx.is_in_onnx_export())


def emit(node: Node, x: Tensor, shape: Sequence[int], more: Sequence[Tensor] = ()) -> Tensor:
    """Write a node; more: what it reads beside x."""
    return emit_many(node, x, [shape], more)[0]


def emit_many(node: Node, x: Tensor, shapes: Sequence[Sequence[int]], more: Sequence[Tensor] = ()) -> Sequence[Tensor]:
    """Write a node of several outputs; more: what it reads beside x."""
    inputs, sizes = node.arranged([x, *more], node.constants), [tuple(int(n) for n in shape) for shape in shapes]
    if torch.compiler.is_exporting():
        kinds = [x.dtype] * len(sizes)
        return torch.onnx.ops.symbolic_multi_out(node.op, inputs, dict(node.attributes), dtypes=kinds, shapes=sizes)
    made: tuple[Tensor, ...] = _Symbol.apply(node, sizes, *inputs)
    return made


class _Symbol(torch.autograd.Function):
    """A node for the exporter that records traces."""

    @staticmethod
    def forward(ctx: Any, node: Node, shapes: Sequence[tuple[int, ...]], *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(inputs[0].new_zeros(shape) for shape in shapes)

    @staticmethod
    def symbolic(g: Any, node: Node, shapes: Sequence[tuple[int, ...]], *inputs: Any) -> Any:
        kinds = {int: "i", float: "f", str: "s", list: "i"}
        named = {f"{name}_{kinds[type(value)]}": value for name, value in node.attributes.items()}
        made = g.op(node.op, *inputs, outputs=len(shapes), **named)
        for value, shape in zip(made if len(shapes) > 1 else [made], shapes, strict=True):
            value.setType(inputs[0].type().with_sizes(list(shape)))
        return made
