"""SavedModel folders: a signature of a graph, its functions put in place and its variables as constants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magik_core.errors import ModelError, UsageError
from magik_frontend_tf.graphs import functions, variables
from magik_frontend_tf.graphs.frozen import PLACEHOLDERS, parse
from magik_frontend_tf.graphs.net import Net, collect, needed, node_of, tensor_of

PROTO = "saved_model.pb"
CHECKPOINT = Path("variables", "variables")
TAG, SIGNATURE = "serve", "serving_default"
INIT = "__saved_model_init_op"


def read(path: Path, options: Mapping[str, Any]) -> Net:
    """The graph of a signature.

    Raises:
        ModelError: the folder cannot be read, or its graph does not hold together.
        UsageError: a tag or a signature that it does not have.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    folder = path.parent if path.name == PROTO else path
    model = parse(saved_model_pb2.SavedModel, folder / PROTO)
    meta = _graph(model, str(options.get("tag", "")), folder)
    signature = _signature(meta, str(options.get("signature", "")), folder)
    library = {f.signature.name: f for f in meta.graph_def.library.function}
    whole = Net(folder.name or PROTO, collect(meta.graph_def.node, folder.name), library)
    keys = variables.keys(whole, node_of(meta.saver_def.restore_op_name))
    net = _of(signature, whole)
    functions.inline(net)
    variables.freeze(net, keys, folder / CHECKPOINT)
    return net


def _of(signature: Any, whole: Net) -> Net:
    """The part of the graph that a signature needs."""
    inputs = {name: tensor_of(info.name) for name, info in sorted(signature.inputs.items())}
    outputs = {name: tensor_of(info.name) for name, info in sorted(signature.outputs.items())}
    ends = [ref for ref in (*inputs.values(), *outputs.values()) if node_of(ref) not in whole.nodes]
    if ends or not outputs:
        found = ", ".join(ends) or "no outputs"
        raise ModelError("a signature does not fit its graph", where=whole.where, found=found)
    nodes = needed(whole.nodes, outputs.values())
    nodes.update({node_of(ref): whole.nodes[node_of(ref)] for ref in inputs.values()})
    stray = {n.name: f"{n.name}:0" for n in nodes.values() if n.op in PLACEHOLDERS}
    fed = {node_of(ref) for ref in inputs.values()}
    inputs.update({name: ref for name, ref in stray.items() if name not in fed})
    copies = {}
    for name, node in nodes.items():
        copies[name] = type(node)()
        copies[name].CopyFrom(node)
    return Net(whole.where, copies, dict(whole.functions), inputs, outputs)


def _graph(model: Any, tag: str, folder: Path) -> Any:
    """The graph of a tag; without one the graph that is served, or the only one."""
    tags = {tuple(graph.meta_info_def.tags): graph for graph in model.meta_graphs}
    if not tags:
        raise ModelError("the SavedModel holds no graph", where=str(folder))
    wanted = tag or TAG
    fits = [graph for names, graph in tags.items() if wanted in names]
    if not fits and not tag and len(tags) == 1:
        fits = list(tags.values())
    if fits:
        return fits[0]
    need = f"one of: {', '.join(name for names in tags for name in names)}"
    raise UsageError("the SavedModel has no such tag", where=str(folder), found=wanted, need=need, hint=_hint("tag"))


def _signature(meta: Any, name: str, folder: Path) -> Any:
    nodes = {node.name for node in meta.graph_def.node}
    known = [key for key, one in sorted(meta.signature_def.items()) if key != INIT and _is_whole(one, nodes)]
    wanted = name or (known[0] if len(known) == 1 else SIGNATURE)
    if wanted in known:
        return meta.signature_def[wanted]
    if not known:
        hint = "save it with signatures: tf.saved_model.save(model, folder, signatures=...)"
        raise ModelError("the SavedModel has no signature", where=str(folder), need="one with outputs", hint=hint)
    need = f"one of: {', '.join(known)}"
    hint = _hint("signature", SIGNATURE if SIGNATURE in known else known[0])
    raise UsageError("the SavedModel has no such signature", where=str(folder), found=wanted, need=need, hint=hint)


def _is_whole(signature: Any, nodes: set[str]) -> bool:
    """Whether there are outputs, and the graph has them and the inputs."""
    ends = [*signature.inputs.values(), *signature.outputs.values()]
    return bool(signature.outputs) and all(node_of(info.name) in nodes for info in ends)


def _hint(option: str, value: str = "NAME") -> str:
    return f"pass --frontend-option {option}={value}"
