"""A graph of TensorFlow as plain values: nodes by name, functions by name, and what goes in and out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from magik_core.errors import ModelError, Problem

MAX_NODES = 200_000
IDENTITIES = frozenset({"Identity", "StopGradient", "Snapshot", "PreventGradient"})


@dataclass
class Net:
    """A graph; nodes are NodeDefs and functions FunctionDefs of TensorFlow's.

    Args:
        inputs, outputs: the tensor ("node:0") behind each name that people use for it.
        shapes: what is known of the shape of each input; None for an open size, or for everything.
    """

    where: str
    nodes: dict[str, Any]
    functions: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int | None, ...] | None] = field(default_factory=dict)


def node_of(ref: str) -> str:
    """The node that an input of a node refers to, by "node", "node:1" or "^node"."""
    return ref.lstrip("^").partition(":")[0]


def tensor_of(ref: str) -> str:
    """A reference as "node:0"."""
    return ref if ":" in ref else f"{ref}:0"


def data_inputs(node: Any) -> list[str]:
    """The tensors that a node reads; what it only waits for is left out."""
    return [ref for ref in node.input if not ref.startswith("^")]


def collect(nodes: Iterable[Any], where: str) -> dict[str, Any]:
    """Nodes by name.

    Raises: ModelError: too many, or names that stand for two nodes or for none.
    """
    found: dict[str, Any] = {}
    problems = []
    for node in nodes:
        if not node.name or node.name in found:
            problems.append(Problem("a name stands for two nodes", where, f"{node.op} '{node.name}'"))
        found[node.name] = node
    if len(found) > MAX_NODES:
        problems.append(Problem("the graph is too large", where, f"{len(found)} nodes", f"at most {MAX_NODES}"))
    for node in found.values():
        missing = [ref for ref in node.input if node_of(ref) not in found]
        if missing:
            place = f"{node.op} '{node.name}' in {where}"
            problems.append(Problem("a node reads what no node makes", place, ", ".join(missing)))
    if problems:
        raise ModelError(problems=problems)
    return found


def needed(nodes: dict[str, Any], tensors: Iterable[str], ends: Iterable[str] = ()) -> dict[str, Any]:
    """The nodes that some tensors depend on, in the order of the graph.

    Args: ends: tensors at which the search stops; their nodes are left out.
    """
    stops, waiting, seen = set(ends), [tensor_of(t) for t in tensors], set()
    while waiting:
        tensor = waiting.pop()
        name = node_of(tensor)
        if tensor in stops or name in seen:
            continue
        seen.add(name)
        waiting += [tensor_of(ref) for ref in data_inputs(nodes[name])]
    return {name: node for name, node in nodes.items() if name in seen}


def prune(net: Net) -> None:
    """Leave what the outputs need, and every input."""
    nodes = needed(net.nodes, net.outputs.values())
    nodes.update({node_of(ref): net.nodes[node_of(ref)] for ref in net.inputs.values()})
    net.nodes = nodes


def origin(nodes: dict[str, Any], ref: str) -> Any:
    """The node behind a tensor and nodes that only pass it on."""
    node, steps = nodes[node_of(ref)], 0
    while node.op in IDENTITIES and data_inputs(node) and steps < MAX_NODES:
        node, steps = nodes[node_of(node.input[0])], steps + 1
    return node


def constant(nodes: dict[str, Any], ref: str) -> np.ndarray | None:
    """The array of a constant, or None."""
    from tensorflow.python.framework import tensor_util

    node = origin(nodes, ref)
    return np.asarray(tensor_util.MakeNdarray(node.attr["value"].tensor)) if node.op == "Const" else None


def const_node(name: str, array: np.ndarray) -> Any:
    """A Const."""
    from tensorflow.python.framework import tensor_util

    tensor = tensor_util.make_tensor_proto(array)
    node = make_node(name, "Const", dtype=tensor.dtype)
    node.attr["value"].tensor.CopyFrom(tensor)
    return node


def make_node(name: str, op: str, inputs: Iterable[str] = (), **types: int) -> Any:
    """A node whose attributes are types."""
    from tensorflow.core.framework import node_def_pb2

    node = node_def_pb2.NodeDef(name=name, op=op, input=list(inputs))
    for key, value in types.items():
        node.attr[key].type = value
    return node
