"""Evaluate a layer with the program that magik makes of it: the board's integers, by the board's kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from magik_trainingkit import dumps
from magik_trainingkit.graph import Node
from magik_trainingkit.values import in_kind

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from magik_core.net import Net

OPSET = 14
ALIGNMENT = 64
KEPT = 64  # shapes of a layer's input whose programs are kept,
KEPT_BYTES = 128 << 20  # of their arenas together, but always
LEAST_KEPT = 4


@dataclass(frozen=True, eq=False)
class Program:
    """A layer's program, and the numbers that it was made of."""

    numbers: tuple[Tensor, ...]
    net: Net

    def is_of(self, numbers: Sequence[Tensor]) -> bool:
        return len(numbers) == len(self.numbers) and all(map(torch.equal, numbers, self.numbers))


@dataclass(frozen=True, eq=False)
class Programs:
    """Those of a layer, which one thread at a time may run."""

    lock: Lock = field(default_factory=Lock)
    by_shape: dict[tuple[object, ...], Program] = field(default_factory=dict)

    def make_room(self) -> None:
        """Drop the oldest."""
        known = self.by_shape
        arenas = sum(program.net.arena_bytes for program in known.values())
        while len(known) >= KEPT or (len(known) >= LEAST_KEPT and arenas > KEPT_BYTES):
            arenas -= known.pop(next(iter(known))).net.arena_bytes


_PROGRAMS: WeakKeyDictionary[nn.Module, Programs] = WeakKeyDictionary()


def evaluate(
    layer: nn.Module, sources: Sequence[Node], nodes: Sequence[Node], inputs: Sequence[Tensor], rank: int
) -> Tensor:
    """What the program of some nodes in a row computes; rank: of the result."""
    return evaluate_many(layer, sources, nodes, inputs, [rank])[0]


def evaluate_many(
    layer: nn.Module, sources: Sequence[Node], nodes: Sequence[Node], inputs: Sequence[Tensor], ranks: Sequence[int]
) -> list[Tensor]:
    """What the program of some nodes in a row computes, all outputs of the last.

    It is made once for each shape, and again when numbers of the layer have changed. Numbers are f32, whatever the
    layer has them in.

    Args: sources: a node for each input, which says what its codes are; the first of `nodes` reads them all.
        ranks: of the results.
    """
    arrays = [x.detach().float().cpu().contiguous().numpy() for x in inputs]
    numbers = [c.detach().cpu() for node in nodes for c in node.constants]
    key = (*(a.shape for a in arrays), *(_settings(node) for node in (*sources, *nodes)))
    programs = _PROGRAMS.setdefault(layer, Programs())
    known, feeds = programs.by_shape, {f"x{i}": a for i, a in enumerate(arrays)}
    with programs.lock:
        if key not in known or not known[key].is_of(numbers):
            known.pop(key, None)
            programs.make_room()
            net = _net(sources, nodes, [a.shape for a in arrays], ranks)
            known[key] = Program(tuple(n.clone() for n in numbers), net)
        net = known[key].net
        dumps.layer(layer, net, feeds)
        results = net.run(feeds).values()
    return [in_kind(torch.from_numpy(y).to(inputs[0].device), inputs[0]) for y in results]


def _settings(node: Node) -> tuple[object, ...]:
    return (node.op, str(sorted(node.attributes.items())), node.quantizer and _settings(node.quantizer))


def _net(
    sources: Sequence[Node], nodes: Sequence[Node], shapes: Sequence[tuple[int, ...]], ranks: Sequence[int]
) -> Net:
    from magik_core import pipeline
    from magik_core.builtin import onnx_frontend
    from magik_core.net import Net
    from magik_core.pack import pack
    from magik_core.plan import plan

    model = onnx_frontend.of_proto(_model(sources, nodes, shapes, ranks), Path("layer.onnx"))
    program = pipeline.quantized(model).program()
    return Net(pack(program, plan(program, ALIGNMENT), names=True), threads=torch.get_num_threads())


def _array(constant: Tensor) -> np.ndarray:
    return (constant.float() if constant.is_floating_point() else constant).numpy(force=True)


def _model(
    sources: Sequence[Node], nodes: Sequence[Node], shapes: Sequence[tuple[int, ...]], ranks: Sequence[int]
) -> onnx.ModelProto:
    from onnx import NodeProto, TensorProto, helper, numpy_helper

    tensors: list[TensorProto] = []
    made: list[NodeProto] = []

    def add(node: Node, inputs: Sequence[str], out: str, *more: str) -> None:
        names = [f"{out}/{place}" for place in range(len(node.constants))]
        tensors.extend(numpy_helper.from_array(_array(c), n) for c, n in zip(node.constants, names, strict=True))
        if node.quantizer is not None:
            add(node.quantizer, names[:1], f"{out}/weight")
            names[0] = f"{out}/weight"
        made.append(helper.make_node(node.op, node.arranged(inputs, names), [out, *more], out, **node.attributes))

    x = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, shape) for i, shape in enumerate(shapes)]
    for i, source in enumerate(sources):
        add(source, [f"x{i}"], f"source{i}")
    before = [f"source{i}" for i in range(len(sources))]
    for i, node in enumerate(nodes):
        out = [f"y{k}" for k in range(len(ranks))] if node is nodes[-1] else [f"value{i}"]
        add(node, before, *out)
        before = out
    y = [helper.make_tensor_value_info(f"y{k}", TensorProto.FLOAT, [f"y{k}_{d}" for d in range(rank)])
         for k, rank in enumerate(ranks)]  # fmt: skip
    graph = helper.make_graph(made, "layer", x, y, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
