"""The ONNX frontend: read a file that nobody vouches for and return an onnx_ir.Model of one opset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core.errors import GraphError, ModelError, Problem

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

SUFFIXES = (".onnx",)
MAX_BYTES = (1 << 31) - 1  # protobuf's own limit; larger models keep their weights beside the file
MAX_NESTING = 32  # If in If: far above real models, far below Python's stack
STANDARD = ("", "ai.onnx")
HEAD_BYTES = 64


def sniff(path: str | Path) -> bool:
    """Whether a file looks like ONNX: by suffix, or by how a ModelProto begins."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    # Field 1 (ir_version) as a small varint, then producer_name, producer_version, domain or graph.
    return len(head) > 2 and head[0] == 0x08 and 0 < head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x22, 0x3A)


def load(path: str | Path, options: Mapping[str, Any] | None = None) -> ir.Model:
    """Read an ONNX file: external data in, functions inlined, opset converted, node by node checked.

    Args:    path: the file; external data must lie in its folder. options: none are known.
    Raises:  ModelError: the file cannot be read. GraphError: what it holds is no sound graph.
    """
    import onnx_ir as ir

    from magik_core import graph

    path = Path(path)
    proto = _parse(path)
    _refuse(_nesting(proto, path), ModelError)
    _refuse([*_functions(proto, path), *_external(proto, path)], ModelError)
    proto = _inline(proto, path)
    _refuse([*_structure(proto, path), *_operators(proto, path), *_weights(proto, path)], GraphError)
    _sort(proto)
    _check(proto, path)
    model: ir.Model = ir.from_proto(graph.convert_opset(proto))
    model.graph.name = model.graph.name or path.stem
    return model


def _refuse(problems: list[Problem], error: type[ModelError] | type[GraphError]) -> None:
    if problems:
        raise error(problems=problems)


def _parse(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    where = str(path)
    if not path.exists():
        raise ModelError("the model does not exist", where=where, need="a path to an ONNX file")
    if not path.is_file():
        raise ModelError("the model is not a file", where=where, found="a directory" if path.is_dir() else "")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelError(
            "the model is too large",
            where=where,
            found=f"{size} bytes",
            need=f"at most {MAX_BYTES} bytes",
            hint="save its weights as external data",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "the model cannot be read", where=where, found=error.strerror or str(error)
        ) from None
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
        whole = bool(proto.graph.node or proto.graph.output) and bool(proto.opset_import)
    except DecodeError:
        whole = False
    if not whole:
        raise ModelError(
            "the model is no ONNX file, or a truncated one",
            where=where,
            found=f"{size} bytes",
            need="a ModelProto with a graph and an opset",
        )
    return proto


def _subgraphs(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.GraphProto]:
    """Yield a graph and the graphs inside its nodes' attributes."""
    yield graph
    if depth < MAX_NESTING:
        for attribute in chain.from_iterable(node.attribute for node in graph.node):
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _subgraphs(inner, depth + 1)


def _nesting(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    def depth(graph: onnx.GraphProto, level: int) -> int:
        if level > MAX_NESTING:
            return level
        inner = (a.g for node in graph.node for a in node.attribute if a.HasField("g"))
        return max((depth(g, level + 1) for g in inner), default=level)

    if depth(proto.graph, 0) <= MAX_NESTING:
        return []
    need = f"at most {MAX_NESTING} levels of subgraphs"
    return [Problem("the model nests its subgraphs too deeply", where=str(path), need=need)]


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _subgraphs(proto.graph):
        yield from graph.initializer
        for attribute in chain.from_iterable(node.attribute for node in graph.node):
            yield from (*((attribute.t,) if attribute.HasField("t") else ()), *attribute.tensors)


def _functions(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find local functions that call themselves: inlining one would not end."""
    calls = {(f.domain, f.name): {(node.domain, node.op_type) for node in f.node} for f in proto.functions}
    done: set[tuple[str, str]] = set()
    while ready := [
        key for key, used in calls.items() if key not in done and not (used & calls.keys()) - done
    ]:
        done.update(ready)
    stuck = sorted(name for domain, name in calls.keys() - done)
    if not stuck:
        return []
    what = "functions of the model call each other in a circle"
    return [Problem(what, where=str(path), found=", ".join(stuck[:8]))]


def _external(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Read external data, which may lie nowhere but in the model's own folder."""
    import onnx.external_data_helper as helper

    folder, problems = path.parent.resolve(), []
    for tensor in _tensors(proto):
        if not helper.uses_external_data(tensor):
            continue
        entry = {item.key: item.value for item in tensor.external_data}
        location = entry.get("location", "")
        target = (folder / location).resolve()
        found = ""
        if not location or not target.is_relative_to(folder):
            found = f"location {location!r} is outside the model's folder"
        elif not target.is_file():
            found = f"{location!r} does not exist"
        elif not _fits(entry, target.stat().st_size):
            found = f"offset {entry.get('offset')}, length {entry.get('length')} in {location!r}"
            found += f" of {target.stat().st_size} bytes"
        if found:
            problems.append(
                Problem(
                    "external data cannot be read",
                    where=f"initializer '{tensor.name}' in {path.name}",
                    found=found,
                    need=f"a file under {folder}",
                )
            )
        else:
            helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = tensor.DEFAULT
            del tensor.external_data[:]
    return problems


def _fits(entry: Mapping[str, str], size: int) -> bool:
    try:
        offset, length = int(entry.get("offset") or 0), int(entry.get("length") or 0)
    except ValueError:
        return False
    return 0 <= offset <= size and 0 <= length <= size - offset


def _inline(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    import onnx.inliner

    if not proto.functions:
        return proto
    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as error:  # the inliner is C++ and raises what it likes
        raise GraphError(
            "a function of the model cannot be inlined", where=str(path), found=str(error)
        ) from None


def _structure(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find values that are defined twice or not at all, and nodes in a circle."""
    graph, problems = proto.graph, []
    made: dict[str, int] = {}
    names = chain((i.name for i in graph.input), (n for node in graph.node for n in node.output if n))
    initial = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    for name in names:
        made[name] = made.get(name, 0) + 1
    listed = {i.name for i in graph.input}
    for name in initial:
        made[name] = made.get(name, 0) + (name not in listed)  # IR 3 lists initializers as inputs too
    twice = sorted(name for name, count in made.items() if count > 1)
    repeated = len(graph.initializer) - len({t.name for t in graph.initializer})
    if twice or repeated:
        found = _some(twice) if twice else f"{repeated} initializers"
        problems.append(Problem("names are defined more than once", where=str(path), found=found))
    for node in graph.node:
        missing = [name for name in _reads(node) if name not in made]
        if missing:
            where = f"node {_label(node)} in {path.name}"
            need = "every input is a graph input, an initializer or another node's output"
            problems.append(
                Problem("an input is defined nowhere", where=where, found=_some(missing), need=need)
            )
    lost = [o.name for o in graph.output if o.name not in made]
    if lost:
        problems.append(Problem("graph outputs are defined nowhere", where=str(path), found=_some(lost)))
    if not problems:
        _, stuck = _order(proto)
        if stuck:
            found = ", ".join(_label(node) for node in stuck[:8])
            problems.append(Problem("the graph has a cycle", where=str(path), found=found))
    return problems


def _reads(node: onnx.NodeProto) -> list[str]:
    """Names that a node takes from its graph, those that its subgraphs take included."""
    reads = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            own = {i.name for i in (*graph.input, *graph.initializer)}
            own |= {name for inner in graph.node for name in inner.output}
            wanted = [name for inner in graph.node for name in _reads(inner)]
            wanted += [o.name for o in graph.output]
            reads += [name for name in wanted if name not in own]
    return list(dict.fromkeys(reads))


def _order(proto: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """Return the nodes in an order of execution, and those that have none; stable."""
    nodes = list(proto.graph.node)
    maker = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in _reads(node) if name in maker} for node in nodes]
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


def _sort(proto: onnx.ModelProto) -> None:
    """Put nodes in an order of execution where the file does not."""
    seen: set[str] = set()
    made = {name for node in proto.graph.node for name in node.output if name}
    for node in proto.graph.node:
        if any(name in made and name not in seen for name in _reads(node)):
            ordered = [type(node).FromString(n.SerializeToString()) for n in _order(proto)[0]]
            del proto.graph.node[:]
            proto.graph.node.extend(ordered)
            return
        seen.update(node.output)


def _operators(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Find nodes of unknown domains and unknown types, all of them."""
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
    for node in chain.from_iterable(graph.node for graph in _subgraphs(proto.graph)):
        where = f"node {_label(node)} in {path.name}"
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


def _weights(proto: onnx.ModelProto, path: Path) -> list[Problem]:
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
            problems.append(
                Problem("a weight is not a number", where=where, found=found, need="finite weights")
            )
    return problems


def _check(proto: onnx.ModelProto, path: Path) -> None:
    """Let onnx's own checker have the last word."""
    import onnx

    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # ValidationError, and C++ exceptions on hostile attributes
        text = " ".join(str(error).split("==>")[0].split())
        raise GraphError("the model is no valid ONNX", where=str(path), found=text) from None


def _label(node: onnx.NodeProto) -> str:
    """Name a node; one without a name by its type and first output."""
    return f"'{node.name}'" if node.name else f"{node.op_type} -> '{next(iter(node.output), '')}'"


def _some(names: list[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"'{name}'" for name in names[:limit]) + more
