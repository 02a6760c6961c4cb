"""What an ONNX file must hold before anything else touches it; each check returns all it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core.errors import Problem

if TYPE_CHECKING:
    import onnx

MAX_NESTING = 32  # If in If: far above real models, far below Python's stack
STANDARD = ("", "ai.onnx")
UNLIMITED = ("clip", "min", "max", "value")  # attributes of limits, and what a Pad fills in before a MaxPool


def _subgraphs(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.GraphProto]:
    """Yield a graph and the graphs inside its nodes' attributes."""
    yield graph
    if depth < MAX_NESTING:
        for attribute in chain.from_iterable(node.attribute for node in graph.node):
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _subgraphs(inner, depth + 1)


def nesting(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    def depth(graph: onnx.GraphProto, level: int) -> int:
        if level > MAX_NESTING:
            return level
        inner = (a.g for node in graph.node for a in node.attribute if a.HasField("g"))
        return max((depth(g, level + 1) for g in inner), default=level)

    if depth(proto.graph, 0) <= MAX_NESTING:
        return []
    need = f"at most {MAX_NESTING} levels of subgraphs"
    return [Problem("the model nests its subgraphs too deeply", where=str(path), need=need)]


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _subgraphs(proto.graph):
        yield from graph.initializer
        for attribute in chain.from_iterable(node.attribute for node in graph.node):
            yield from (*((attribute.t,) if attribute.HasField("t") else ()), *attribute.tensors)


def functions(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find local functions that call themselves: inlining one would not end."""
    calls = {(f.domain, f.name): {(node.domain, node.op_type) for node in f.node} for f in proto.functions}
    done: set[tuple[str, str]] = set()
    while ready := [key for key, used in calls.items() if key not in done and not (used & calls.keys()) - done]:
        done.update(ready)
    stuck = sorted(name for domain, name in calls.keys() - done)
    if not stuck:
        return []
    what = "functions of the model call each other in a circle"
    return [Problem(what, where=str(path), found=", ".join(stuck[:8]))]


def structure(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find names that are defined twice or not at all, and nodes in a circle."""
    graph, made = proto.graph, _definitions(proto.graph)
    problems = []
    twice = sorted(name for name, count in made.items() if count > 1)
    if twice:
        problems.append(Problem("names are defined more than once", where=str(path), found=_some(twice)))
    for node in graph.node:
        missing = [name for name in reads(node) if name not in made]
        if missing:
            where = f"node {label(node)} in {path.name}"
            need = "every input is a graph input, an initializer or another node's output"
            problems.append(Problem("an input is defined nowhere", where, _some(missing), need))
    lost = [o.name for o in graph.output if o.name not in made]
    if lost:
        problems.append(Problem("graph outputs are defined nowhere", where=str(path), found=_some(lost)))
    stuck = order(proto)[1] if not problems else []
    if stuck:
        found = ", ".join(label(node) for node in stuck[:8])
        problems.append(Problem("the graph has a cycle", where=str(path), found=found))
    return problems


def _definitions(graph: onnx.GraphProto) -> Counter[str]:
    """Count how often each name is defined; IR 3 lists initializers as inputs too, which is once."""
    inputs = [i.name for i in graph.input]
    initial = [t.name for t in graph.initializer] + [t.values.name for t in graph.sparse_initializer]
    made = Counter(inputs) + Counter(initial)
    made.subtract(set(inputs) & set(initial))
    made.update(name for node in graph.node for name in node.output if name)
    return made


def reads(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node takes from its graph, those that its subgraphs take included."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            own = {i.name for i in (*graph.input, *graph.initializer)}
            own |= {name for inner in graph.node for name in inner.output}
            wanted = [name for inner in graph.node for name in reads(inner)]
            wanted += [o.name for o in graph.output]
            names += [name for name in wanted if name not in own]
    return list(dict.fromkeys(names))


def order(proto: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """Return the nodes in an order of execution, and those that have none; stable."""
    nodes = list(proto.graph.node)
    maker = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in reads(node) if name in maker} for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for i, sources in enumerate(needs):
        for source in sources:
            readers[source].append(i)
    count = [len(sources) for sources in needs]
    ready = [i for i, n in enumerate(count) if n == 0]
    done: list[int] = []
    while ready:
        done.append(i := ready.pop(0))
        for reader in readers[i]:
            count[reader] -= 1
            if count[reader] == 0:
                ready.append(reader)
    left = set(range(len(nodes))) - set(done)
    return [nodes[i] for i in done], [nodes[i] for i in sorted(left)]


def operators(proto: onnx.ModelProto, path: Path, known: Set[tuple[str, str]] = frozenset()) -> list[Problem]:
    """Find nodes of unknown domains and unknown types, all of them; known: others that the main graph may hold."""
    from onnx import defs

    from magik_core import graph as helpers

    version = helpers.opset(proto)
    if version == 0:
        need = "an opset_import of the standard operators"
        return [Problem("the model names no opset", where=str(path), need=need)]
    if version > defs.onnx_opset_version():
        need = f"at most opset {defs.onnx_opset_version()}, the newest that the installed onnx knows"
        return [
            Problem(
                "the model's opset is too new",
                where=str(path),
                found=f"opset {version}",
                need=need,
                hint="pip install --upgrade onnx",
            )
        ]
    problems = []
    nodes = ((i == 0, node) for i, graph in enumerate(_subgraphs(proto.graph)) for node in graph.node)
    for is_main, node in nodes:
        where = f"node {label(node)} in {path.name}"
        if is_main and node.domain not in STANDARD and (node.domain, node.op_type) in known:
            continue
        if node.domain not in STANDARD:
            found, need = f"{node.domain}.{node.op_type}", "operators of the standard ONNX domain"
            problems.append(Problem("an operator is not standard ONNX", where=where, found=found, need=need))
        elif not _has_schema(defs.get_schema, node.op_type, version):
            found, need = node.op_type, f"an operator of opset {version}"
            problems.append(Problem("an operator does not exist", where=where, found=found, need=need))
    return problems


def _has_schema(get: Callable[..., Any], op: str, version: int) -> bool:
    try:
        get(op, version, "")
    except Exception:  # SchemaError where the type is unknown or newer than the opset
        return False
    return True


def weights(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find initializers whose bytes do not fit their shape, and NaN or infinite weights."""
    import numpy as np
    from onnx import numpy_helper

    problems = []
    for tensor in chain.from_iterable(graph.initializer for graph in _subgraphs(proto.graph)):
        where = f"initializer '{tensor.name}' in {path.name}"
        try:
            array = numpy_helper.to_array(tensor)
        except Exception as error:  # hostile dims, dtype or byte count: numpy and onnx raise many kinds
            problems.append(Problem("an initializer cannot be read", where=where, found=str(error)))
            continue
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            nan, inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
            found = f"{nan} NaN and {inf} infinite of {array.size} values"
            problems.append(Problem("a weight is not a number", where=where, found=found, need="finite weights"))
    return problems


def float_attributes(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find attributes that are NaN or infinite; those that are limits or constants may be infinite."""
    import math

    problems = []
    for node in chain.from_iterable(graph.node for graph in _subgraphs(proto.graph)):
        for a in node.attribute:
            values = [*([a.f] if a.type == a.FLOAT else []), *a.floats]
            wrong = [v for v in values if math.isnan(v) or (math.isinf(v) and a.name not in UNLIMITED)]
            if wrong and node.op_type != "Constant":
                where = f"node {label(node)} in {path.name}"
                found = f"{a.name} {', '.join(f'{v:g}' for v in wrong[:8])}"
                problems.append(Problem("an attribute is not a number", where, found, "finite attributes"))
    return problems


def recurrent(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find attributes and constant shapes with which no LSTM, GRU or RNN runs: no shape of the graph follows then.

    Args: proto: onnx's checker has passed it.
    """
    from onnx import helper

    from magik_core.ops import by_onnx
    from magik_core.ops.recurrent import Recurrent
    from magik_core.ops.recurrent_check import problems

    known = {tensor.name: tensor for tensor in proto.graph.initializer}
    found = []
    for node in proto.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant" and node.domain in STANDARD and "value" in attributes:
            known[node.output[0]] = attributes["value"]
        op = by_onnx().get(node.op_type) if node.domain in STANDARD else None
        if op is None or not issubclass(op, Recurrent):
            continue
        plain = {k: v.decode(errors="replace") if isinstance(v, bytes) else v for k, v in attributes.items()}
        shapes = {i: tuple(known[name].dims) for i, name in enumerate(node.input) if name in known}
        found += problems(op, f"node {label(node)} in {path.name}", plain, shapes)
    return found


def label(node: onnx.NodeProto) -> str:
    """Name a node; one without a name by its type and first output."""
    return f"'{node.name}'" if node.name else f"{node.op_type} -> '{next(iter(node.output), '')}'"


def _some(names: list[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"'{name}'" for name in names[:limit]) + more
