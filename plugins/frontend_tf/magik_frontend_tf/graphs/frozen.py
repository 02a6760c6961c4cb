"""Frozen graphs: a GraphDef in a file, its variables constants already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magik_core import model_file
from magik_core.errors import ModelError
from magik_frontend_tf.graphs.net import Net, collect, data_inputs, node_of

MAX_BYTES = (1 << 31) - 1  # protobuf's own limit
PLACEHOLDERS = frozenset({"Placeholder", "PlaceholderV2"})  # one with a default is that default
# Nodes that are there for what they do, not for what they compute.
SILENT = frozenset({"NoOp", "Assert", "Print", "PrintV2", "CheckNumerics"})


def read(path: Path) -> Net:
    """The graph of a file: inputs are its placeholders, outputs what nothing reads.

    Raises: ModelError: it is truncated, or does not hold together.
    """
    from tensorflow.core.framework import graph_pb2

    graph = parse(graph_pb2.GraphDef, path)
    nodes = collect(graph.node, path.name)
    read_by_others = {node_of(ref) for node in nodes.values() for ref in node.input}
    sinks = [n for n in nodes.values() if n.name not in read_by_others and n.op not in SILENT | {"Const"}]
    inputs = {node.name: f"{node.name}:0" for node in nodes.values() if node.op in PLACEHOLDERS}
    outputs = {node.name: f"{node.name}:0" for node in sinks if data_inputs(node)}
    return Net(path.name, nodes, {f.signature.name: f for f in graph.library.function}, inputs, outputs)


def parse(kind: Any, path: Path) -> Any:
    """A message of a type of protobuf's.

    Raises: ModelError: the file cannot be read, or is none.
    """
    from google.protobuf.message import DecodeError

    data = model_file.read_bytes(path, MAX_BYTES, "a file of TensorFlow")
    try:
        return kind.FromString(data)
    except DecodeError:
        need = f"a whole {kind.DESCRIPTOR.name}"
        raise ModelError(
            "the file is truncated, or no graph", where=str(path), found=f"{len(data)} bytes", need=need
        ) from None
