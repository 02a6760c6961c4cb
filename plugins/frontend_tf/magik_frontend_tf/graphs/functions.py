"""Functions of a graph: calls are replaced by what they call, and variables by values inside of loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from magik_core.errors import ModelError
from magik_core.naming import free_name
from magik_frontend_tf.graphs.net import MAX_NODES, Net, make_node, node_of, tensor_of

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
MAX_ROUNDS = 200  # of calls in calls


def inline(net: Net) -> None:
    """Replace every call of a function by its nodes, under their own names, behind that of the layer that calls.

    Raises: ModelError: functions that are missing, call themselves, or make too many nodes.
    """
    for _ in range(MAX_ROUNDS):
        calls = [node for node in net.nodes.values() if called(net, node)]
        if not calls:
            return
        aliases: dict[str, str] = {}
        for call in calls:
            aliases.update(_expand(net, call))
        for call in calls:  # only now: until then their names are taken
            del net.nodes[call.name]
        _redirect(net, aliases)
    raise ModelError("functions call each other without an end", where=net.where, found=call.name)


def called(net: Net, node: Any) -> str:
    """The function that a node calls, or nothing."""
    return node.attr["f"].func.name if node.op in CALLS else node.op if node.op in net.functions else ""


def function(net: Net, name: str, caller: Any) -> Any:
    """A function of the library."""
    if name not in net.functions:
        where = f"{caller.op} '{caller.name}' in {net.where}"
        raise ModelError("a function that is called does not exist", where=where, found=name)
    return net.functions[name]


def _expand(net: Net, call: Any) -> dict[str, str]:
    """Put a function's nodes in the place of a call; what each of the call's tensors is now."""
    body = function(net, called(net, call), call)
    if len(net.nodes) + len(body.node_def) > MAX_NODES:
        raise ModelError("the graph is too large", where=net.where, need=f"at most {MAX_NODES} nodes")
    args = [arg.name for arg in body.signature.input_arg]
    given = [ref for ref in call.input if not ref.startswith("^")]
    if len(args) != len(given):
        where, found = f"{call.op} '{call.name}' in {net.where}", f"{len(given)} inputs"
        raise ModelError("a call does not fit its function", where=where, found=found, need=f"{len(args)}")
    names = dict(zip(args, given, strict=True))
    scope, renamed, made = _scope(call.name), {}, []
    for node in body.node_def:
        copy = type(node)()
        copy.CopyFrom(node)
        copy.name = free_name(scope + node.name, net.nodes)
        renamed[node.name] = copy.name
        net.nodes[copy.name] = copy
        made.append(copy)
        for attr in copy.attr.values():
            if attr.placeholder:
                attr.CopyFrom(call.attr[attr.placeholder])
    sizes = {node.name: outputs(net, node) for node in body.node_def}
    for copy in made:
        copy.input[:] = [_outer(net, ref, names, renamed, sizes) for ref in copy.input if _is_known(ref, names)]
    results = [body.ret.get(arg.name, "") for arg in body.signature.output_arg]
    return {f"{call.name}:{i}": _outer(net, ref, names, renamed, sizes) for i, ref in enumerate(results)}


def _scope(call: str) -> str:
    """What the names in a called function begin with: a call is named for itself, or after its layer."""
    scope, _, own = call.rpartition("/")
    scope = scope if "PartitionedCall" in own else call
    return f"{scope}/" if scope else ""


def _is_known(ref: str, names: Mapping[str, str]) -> bool:
    return not (ref.startswith("^") and ref[1:] in names)


def _outer(
    net: Net, ref: str, names: Mapping[str, str], renamed: Mapping[str, str], sizes: Mapping[str, dict[str, int]]
) -> str:
    """A reference of a function's body ("arg", "node:out:0", "^node") as one of a graph ("node:0")."""
    if ref in names:
        return names[ref]
    node, _, rest = ref.lstrip("^").partition(":")
    if node in names and rest == "0":
        return names[node]
    output, _, index = rest.partition(":")
    if node not in renamed or (not ref.startswith("^") and output not in sizes[node]):
        raise ModelError("a function reads what no node makes", where=net.where, found=ref)
    if ref.startswith("^"):
        return f"^{renamed[node]}"
    return f"{renamed[node]}:{sizes[node][output] + int(index or 0)}"


def outputs(net: Net, node: Any) -> dict[str, int]:
    """Where the tensors of each named output of a node begin.

    Raises: ModelError: an operator that TensorFlow does not have.
    """
    from tensorflow.python.framework import op_def_registry

    if node.op in net.functions:
        return {arg.name: i for i, arg in enumerate(net.functions[node.op].signature.output_arg)}
    definition = op_def_registry.get(node.op)
    if definition is None:
        what, where = "an operator is not TensorFlow's own", f"{node.op} '{node.name}' in {net.where}"
        raise ModelError(what, where=where, found=node.op, need="standard operators", hint="cut it off: --outputs NAME")
    begin, found = 0, {}
    for arg in definition.output_arg:
        found[arg.name] = begin
        if arg.number_attr:
            begin += node.attr[arg.number_attr].i
        else:
            begin += len(node.attr[arg.type_list_attr].list.type) if arg.type_list_attr else 1
    return found


def _redirect(net: Net, aliases: Mapping[str, str]) -> None:
    """Read what calls returned in the place of the calls."""

    def now(ref: str) -> str:
        steps = 0
        while not ref.startswith("^") and tensor_of(ref) in aliases and steps <= len(aliases):
            ref, steps = aliases[tensor_of(ref)], steps + 1
        return ref

    for node in net.nodes.values():
        node.input[:] = [now(ref) for ref in node.input if not ref.startswith("^") or node_of(ref) in net.nodes]
    for table in (net.inputs, net.outputs):
        table.update({name: tensor_of(now(ref)) for name, ref in table.items()})


def specialize(net: Net, name: str, types: Mapping[int, Any], caller: Any) -> str:
    """A copy of a function in which some arguments are values in the place of variables.

    Args:    types: the TensorProto of the value of each such argument, by position.
    Returns: the name of the copy.
    """
    body = type(function(net, name, caller))()
    body.CopyFrom(net.functions[name])
    args = {body.signature.input_arg[i].name: kind for i, kind in types.items()}
    for arg in body.signature.input_arg:
        if arg.name in args:
            arg.type = args[arg.name].dtype
    for i, value in types.items():
        body.arg_attr[i].attr["_output_shapes"].list.CopyFrom(_shapes([value.tensor_shape]))
    renames = {}
    for node in body.node_def:
        if node.op == "ReadVariableOp" and node.input[0] in args:
            kept, source = node.name, node.input[0]
            node.Clear()
            node.CopyFrom(make_node(kept, "Identity", [source], T=args[source].dtype))
            renames[f"{kept}:value:0"] = f"{kept}:output:0"
        elif node.op == "Identity" and node.input and node.input[0] in args:
            node.attr["T"].type = args[node.input[0]].dtype
            args[f"{node.name}:output:0"] = args[node.input[0]]
        else:
            retype(net, node, {i: args[ref] for i, ref in enumerate(node.input) if ref in args})
    for node in body.node_def:
        node.input[:] = [renames.get(ref, ref) for ref in node.input]
    for arg in body.signature.output_arg:
        ref = body.ret[arg.name]
        body.ret[arg.name] = renames.get(ref, ref)
        arg.type = args[ref].dtype if ref in args else arg.type
    copy = free_name(f"{name}/values", net.functions)
    body.signature.name = copy
    net.functions[copy] = body
    return copy


def retype(net: Net, node: Any, types: Mapping[int, Any]) -> None:
    """Tell a node with functions that some of its inputs are values now."""
    if not types:
        return
    for key in ("T", "Tin"):
        if key in node.attr:
            for i, value in types.items():
                if i < len(node.attr[key].list.type):
                    node.attr[key].list.type[i] = value.dtype
    if "body" in node.attr and "output_shapes" in node.attr:
        shapes = node.attr["output_shapes"].list.shape
        for i, value in types.items():
            if i < len(shapes):
                shapes[i].CopyFrom(value.tensor_shape)
    shift = 1 if node.op in ("If", "StatelessIf") else 0
    for key in ("cond", "body", "f", "then_branch", "else_branch"):
        name = node.attr[key].func.name if key in node.attr else ""
        if name:
            inner = {i - shift: value for i, value in types.items()}
            node.attr[key].func.name = specialize(net, name, inner, node)


def _shapes(shapes: Sequence[Any]) -> Any:
    from tensorflow.core.framework import attr_value_pb2

    return attr_value_pb2.AttrValue.ListValue(shape=shapes)
