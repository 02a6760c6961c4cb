"""Where a graph begins and ends: at its own inputs and outputs, or where it is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magik_core import asked
from magik_core.errors import Problem, UsageError
from magik_frontend_tf.graphs.net import Net, constant, data_inputs, make_node, needed, node_of, tensor_of

Shape = tuple[int | None, ...]
WINDOWS = frozenset({"Conv2D", "DepthwiseConv2dNative"})


def cut(net: Net, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """End a graph at the outputs that are asked for, and begin it at the inputs; then only what is needed is left.

    Raises: UsageError: tensors that the graph does not have.
    """
    problems = [
        p for names, key in ((inputs, "INPUT"), (outputs, "OUTPUT")) for n in names if (p := _check(net, n, key))
    ]
    if problems:
        raise UsageError(problems=problems)
    shapes = inferred_shapes(net, [_find(net, name) for name in inputs])
    begin = {name: _find(net, name) for name in inputs}
    if outputs:
        net.outputs = {name: _find(net, name) for name in outputs}
    own = {name: ref for name, ref in net.inputs.items() if ref not in begin.values()}
    net.nodes = needed(net.nodes, net.outputs.values(), begin.values())
    for name, ref in begin.items():
        _begin_at(net, name, ref, shapes)
    kept = {name: ref for name, ref in own.items() if node_of(ref) in net.nodes}
    net.inputs = {**{name: net.inputs[name] for name in begin}, **kept}
    for name, ref in net.inputs.items():
        net.shapes.setdefault(name, declared_shape(net.nodes[node_of(ref)]) or _read_shape(net, ref))


def _check(net: Net, name: str, key: str) -> Problem | None:
    ref = _find(net, name)
    if node_of(ref) in net.nodes:
        return None
    ends = net.inputs if key == "INPUT" else net.outputs
    return asked.tensor(key, name, (*ends, *net.nodes), list(ends))


def _find(net: Net, name: str) -> str:
    """The tensor that a name of a person's stands for."""
    return net.inputs.get(name) or net.outputs.get(name) or tensor_of(name)


def _begin_at(net: Net, name: str, ref: str, shapes: dict[str, tuple[int, Shape | None]]) -> None:
    """Put a placeholder in the place of a tensor."""
    from tensorflow.core.framework import types_pb2

    kind, shape = shapes.get(ref, (types_pb2.DT_FLOAT, None))
    node = node_of(ref) if tensor_of(node_of(ref)) == ref and node_of(ref) not in net.nodes else ""
    if not node:
        node = ref.replace(":", "_")
        while node in net.nodes:
            node += "_"
    net.nodes[node] = make_node(node, "Placeholder", dtype=kind)
    for other in net.nodes.values():
        other.input[:] = [node if tensor_of(r) == ref else r for r in other.input]
    net.outputs = {key: f"{node}:0" if end == ref else end for key, end in net.outputs.items()}
    net.inputs[name], net.shapes[name] = f"{node}:0", shape


def declared_shape(node: Any) -> Shape | None:
    """The shape that a placeholder states."""
    shape = node.attr["shape"].shape if "shape" in node.attr else None
    if shape is None or shape.unknown_rank:
        return None
    return tuple(dim.size if dim.size > 0 else None for dim in shape.dim) or None


def _read_shape(net: Net, ref: str) -> Shape | None:
    """The shape that the readers of an input want: a convolution says the rank and the channels."""
    for node in net.nodes.values():
        refs = [tensor_of(r) for r in data_inputs(node)]
        weights = constant(net.nodes, refs[1]) if len(refs) > 1 and refs[0] == ref else None
        if weights is None:
            continue
        if node.op in WINDOWS and weights.ndim == 4:
            channels = int(weights.shape[2])
            is_nchw = node.attr["data_format"].s == b"NCHW"
            return (None, channels, None, None) if is_nchw else (None, None, None, channels)
        if node.op == "MatMul" and weights.ndim == 2:
            return (None, int(weights.shape[0]))
    return None


def inferred_shapes(net: Net, tensors: Sequence[str]) -> dict[str, tuple[int, Shape | None]]:
    """Type and shape of tensors, as far as TensorFlow can say."""
    import tensorflow as tf

    if not tensors:
        return {}
    found = {}
    try:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def(net, needed(net.nodes, tensors)), name="")
            for ref in tensors:
                tensor = graph.get_tensor_by_name(ref)
                sizes = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
                found[ref] = (tensor.dtype.as_datatype_enum, sizes)
    except Exception:  # an operator that is not there, for one: then the shapes are not known
        return {}
    return found


def graph_def(net: Net, nodes: dict[str, Any]) -> Any:
    """A GraphDef of nodes, with all functions."""
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework import versions

    graph = graph_pb2.GraphDef(node=[_plain(node) for node in nodes.values()])
    graph.versions.producer = versions.GRAPH_DEF_VERSION
    graph.library.function.extend(net.functions.values())
    return graph


def _plain(node: Any) -> Any:
    """A node without what other versions of TensorFlow noted down, or what it only waits for."""
    copy = type(node)()
    copy.CopyFrom(node)
    for key in [key for key in copy.attr if key.startswith("_")]:
        del copy.attr[key]
    copy.input[:] = [ref for ref in copy.input if not ref.startswith("^")]
    copy.device = ""
    if copy.op == "PlaceholderWithDefault":
        kind = copy.attr["dtype"].type
        copy.CopyFrom(make_node(copy.name, "Identity", copy.input, T=kind))
    return copy


def bind(net: Net, shapes: Sequence[Sequence[int]]) -> None:
    """Write the sizes of the inputs into the graph: those asked for, and 1 for a batch that is open.

    The core says what else is wrong with a shape that does not fit.
    Raises: UsageError: the channels of an image stand where another order of axes has them.
    """
    before = [net.shapes[name] for name in net.inputs]
    turned = [asked.other_order(n, s, net.shapes[n] or ()) for n, s in zip(net.inputs, shapes, strict=False)]
    if problems := [problem for problem in turned if problem]:
        raise UsageError(problems=problems)
    for i, (name, ref) in enumerate(net.inputs.items()):
        known = net.shapes[name]
        is_like = i < len(shapes) or known is None or None in known or known == before[len(shapes) - 1]
        given = shapes[min(i, len(shapes) - 1)] if shapes and is_like else ()
        if given and (known is None or len(known) == len(given)):
            known = tuple(given)
        elif known is not None and len(known) > 1 and known[0] is None:
            known = (1, *known[1:])
        net.shapes[name] = known
        node = net.nodes[node_of(ref)]
        kind = node.attr["dtype"].type
        node.CopyFrom(make_node(node.name, "Placeholder", dtype=kind))
        node.attr["shape"].shape.unknown_rank = known is None
        for size in known or ():
            node.attr["shape"].shape.dim.add().size = -1 if size is None else size
