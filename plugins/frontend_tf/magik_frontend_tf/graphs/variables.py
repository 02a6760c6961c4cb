"""Variables of a SavedModel as constants; those that the model writes become inputs and outputs.

Which array of the checkpoint belongs to which variable is what the graph's own restore operators say. No part
of the graph is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from magik_core.errors import ModelError, Problem, short
from magik_core.naming import free_name
from magik_frontend_tf.graphs import functions
from magik_frontend_tf.graphs.net import (
    Net,
    const_node,
    constant,
    data_inputs,
    make_node,
    node_of,
    origin,
    prune,
    tensor_of,
)

HANDLES = frozenset({"VarHandleOp"})
REFERENCES = frozenset({"VariableV2", "Variable"})
ASSIGNS = frozenset({"AssignVariableOp", "Assign"})
NEXT = "/next"  # what the output of a state is called after


def keys(net: Net, restore: str) -> dict[str, str]:
    """The key in the checkpoint of each variable's node.

    Args: restore: the node that restores all of them.
    """
    if restore not in net.nodes:
        return {}
    part = Net(net.where, reachable(net, restore), net.functions)
    functions.inline(part)
    found = {}
    for node in part.nodes.values():
        if node.op in ASSIGNS and len(data_inputs(node)) > 1:
            source = origin(part.nodes, node.input[1])
            names = constant(part.nodes, source.input[1]) if source.op == "RestoreV2" else None
            index = _port(part, node.input[1])
            if names is not None and index < names.size:
                key = names.reshape(-1)[index]
                found[origin(part.nodes, node.input[0]).name] = key.decode() if isinstance(key, bytes) else str(key)
    return found


def _port(net: Net, ref: str) -> int:
    """Which output of the operator behind Identities a tensor is."""
    node = net.nodes[node_of(ref)]
    while node.op == "Identity":
        ref = node.input[0]
        node = net.nodes[node_of(ref)]
    return int(tensor_of(ref).rpartition(":")[2])


def reachable(net: Net, name: str) -> dict[str, Any]:
    """The nodes that a node depends on, waited-for ones too."""
    waiting, seen = [name], set()
    while waiting:
        one = waiting.pop()
        if one not in seen and one in net.nodes:
            seen.add(one)
            waiting += [node_of(ref) for ref in net.nodes[one].input]
    return {one: node for one, node in net.nodes.items() if one in seen}


def freeze(net: Net, found: dict[str, str], checkpoint: Path) -> None:
    """Replace variables by their values.

    Args:   found: the key of each variable; checkpoint: its files without their suffixes.
    Raises: ModelError: values that are missing, or variables used as nothing here can.
    """
    _states(net)
    prune(net)
    names = [n.name for n in net.nodes.values() if n.op in HANDLES | REFERENCES]
    arrays = _arrays(names, found, checkpoint, net)
    for name, array in arrays.items():
        node = net.nodes[name]
        if node.op in REFERENCES:
            net.nodes[name] = const_node(name, array)
        else:
            net.nodes[name] = const_node(name, array)
            _unwrap(net, name)


def _arrays(names: list[str], found: dict[str, str], checkpoint: Path, net: Net) -> dict[str, np.ndarray]:
    from tensorflow.python.training import py_checkpoint_reader

    if not names:
        return {}
    try:
        reader = py_checkpoint_reader.NewCheckpointReader(str(checkpoint))
        known = reader.get_variable_to_shape_map()
        wanted = {name: found.get(name, _shared_name(net.nodes[name])) for name in names}
        missing = [name for name, key in wanted.items() if key not in known]
        if missing:
            raise ModelError(
                problems=[Problem("a variable has no stored value", str(checkpoint), name) for name in missing]
            )
        return {name: np.asarray(reader.get_tensor(key)) for name, key in wanted.items()}
    except ModelError:
        raise
    except Exception as error:  # TensorFlow raises what its C++ does
        reason = short(error) or type(error).__name__
        if not checkpoint.with_suffix(".index").is_file():
            reason = f"no {checkpoint.name}.index in {checkpoint.parent}"
        need = f"{checkpoint.name}.index and its .data files, whole, as the SavedModel was written"
        raise ModelError("the variables cannot be read", where=str(checkpoint), found=reason, need=need) from None


def _shared_name(node: Any) -> str:
    return (node.attr["shared_name"].s if "shared_name" in node.attr else b"").decode("utf-8", "replace") or node.name


def _unwrap(net: Net, name: str) -> None:
    """What reads a variable reads a value."""
    value = net.nodes[name].attr["value"].tensor
    kind = int(value.dtype)
    readers = []
    for node in net.nodes.values():
        positions = {i: value for i, ref in enumerate(data_inputs(node)) if origin(net.nodes, ref).name == name}
        readers += [(node, positions)] if positions else []
    for node, positions in readers:
        if node.op in ("ReadVariableOp", "Identity"):
            net.nodes[node.name].CopyFrom(make_node(node.name, "Identity", [name], T=kind))
        elif node.op == "ResourceGather":
            axis = const_node(free_name(f"{node.name}/axis", net.nodes), np.zeros((), np.int32))
            net.nodes[axis.name] = axis
            types = {"Tparams": kind, "Tindices": node.attr["Tindices"].type, "Taxis": axis.attr["dtype"].type}
            node.CopyFrom(make_node(node.name, "GatherV2", [name, node.input[1], axis.name], **types))
        elif any(key in node.attr for key in ("body", "then_branch", "f")):
            functions.retype(net, node, positions)
        else:
            where = f"{node.op} '{node.name}' in {net.where}"
            raise ModelError("a variable is used in a way that cannot be frozen", where=where, found=name)


def _states(net: Net) -> None:
    """Variables that the model writes: what it reads is an input, and what it writes an output."""
    writes = [n for n in net.nodes.values() if n.op in ASSIGNS]
    by_variable = {origin(net.nodes, n.input[0]).name: n for n in writes if len(data_inputs(n)) > 1}
    for name, write in by_variable.items():
        handle = net.nodes[name]
        reads = [
            n for n in net.nodes.values() if n.op == "ReadVariableOp" and origin(net.nodes, n.input[0]).name == name
        ]
        late = [n for n in reads if write.name in reachable(net, n.name)]
        if late or sum(origin(net.nodes, n.input[0]).name == name for n in writes) > 1:
            where = f"variable '{name}' in {net.where}"
            raise ModelError("a variable is read after it is written", where=where, found=(late or [write])[0].name)
        shape = handle.attr["shape"].shape
        state = make_node(free_name(f"{name}/state", net.nodes), "Placeholder", dtype=handle.attr["dtype"].type)
        state.attr["shape"].shape.CopyFrom(shape)
        net.nodes[state.name] = state
        for node in reads:
            node.CopyFrom(make_node(node.name, "Identity", [state.name], T=handle.attr["dtype"].type))
        if reads:
            net.inputs[name] = f"{state.name}:0"
            net.outputs[name + NEXT] = tensor_of(write.input[1])
