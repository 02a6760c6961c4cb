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
        quantizer: the node that the first constant passes through.
    """

    op: str
    constants: Sequence[Tensor] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    quantizer: Node | None = None


def feature(bits: int, clip_min: float, clip_max: float, device: str, name: str = "") -> Node:
    """The node that divides reals by the clip value and rounds them to codes; name: of the layer."""
    given = {"output_bitwidth": bits, "clip_min_value": float(clip_min), "clip_max_value": float(clip_max)}
    return Node("QuantizeFeature", (), {**given, "target_device": device, "version": VERSION, "tensor_name": name})


def is_exporting() -> bool:
    """Whether torch is writing ONNX."""
    return bool(torch.onnx.is_in_onnx_export())


def emit(node: Node, x: Tensor, shape: Sequence[int], more: Sequence[Tensor] = ()) -> Tensor:
    """Write a node; more: inputs between x and the constants."""
    inputs = [x, *more, *node.constants]
    if torch.compiler.is_exporting():
        return torch.onnx.ops.symbolic(node.op, inputs, dict(node.attributes), dtype=x.dtype, shape=tuple(shape))
    return _Symbol.apply(node, tuple(int(n) for n in shape), *inputs)  # type: ignore[no-any-return]


class _Symbol(torch.autograd.Function):
    """A node for the exporter that records traces."""

    @staticmethod
    def forward(ctx: Any, node: Node, shape: tuple[int, ...], *inputs: Tensor) -> Tensor:
        return inputs[0].new_zeros(shape)

    @staticmethod
    def symbolic(g: Any, node: Node, shape: tuple[int, ...], *inputs: Any) -> Any:
        kinds = {int: "i", float: "f", str: "s"}
        named = {f"{name}_{kinds[type(value)]}": value for name, value in node.attributes.items()}
        return g.op(node.op, *inputs, **named).setType(inputs[0].type().with_sizes(list(shape)))
