"""The ONNX frontend: read a file that nobody vouches for and return an onnx_ir.Model of one opset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from magik_core import model_file
from magik_core.builtin import onnx_checks, onnx_quantized, trainingkit
from magik_core.errors import GraphError, ModelError, Problem, short

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

    from magik_core.hookspecs import Request

SUFFIXES = (".onnx",)
MAX_BYTES = (1 << 31) - 1  # protobuf's own limit; larger models keep their weights beside the file
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
    # A SavedModel begins alike, but what stands in the place of the short producer_name is a whole graph.
    is_model = len(head) > 3 and head[0] == 0x08 and 0 < head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x22, 0x3A)
    return is_model and not (head[2] == 0x12 and head[3] >= 0x80)


def load(path: str | Path, request: Request | None = None) -> ir.Model:
    """Read an ONNX file: external data in, functions inlined, opset converted, quantized nodes as float ones.

    Args:    path: the file; external data must lie in its folder. request: the core heeds it.
    Raises:  ModelError: the file cannot be read. GraphError: what it holds is no sound graph.
    """
    path = Path(path)
    return of_proto(_parse(path), path)


def of_proto(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """What `load` makes of a file's content; path: where it is from, and where its external data lies."""
    from onnx_ir.passes import common

    from magik_core import graph

    _refuse(onnx_checks.nesting(proto, path), ModelError)
    beside = _beside(proto, path)
    _refuse([*onnx_checks.functions(proto, path), *_external(proto, path)], ModelError)
    proto = _inline(proto, path)
    trainingkit.adopt(proto)
    _refuse(
        [
            *onnx_checks.structure(proto, path),
            *onnx_checks.operators(proto, path, onnx_quantized.known()),
            *onnx_checks.weights(proto, path),
            *onnx_checks.float_attributes(proto, path),
        ],
        GraphError,
    )
    _sort(proto)
    _import_domains(proto)
    _check(proto, path)
    _refuse(onnx_checks.recurrent(proto, path), GraphError)
    if onnx_quantized.has_quantization(proto):
        proto = onnx_quantized.expand(graph.convert_opset(proto), path)
        _check(proto, path)
    model = graph.in_opset(_as_ir(proto, path))
    common.RemoveInitializersFromInputsPass()(model)
    model.graph.name = model.graph.name or path.stem
    model.meta[graph.READS] = beside
    return model


def _as_ir(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """The model as onnx_ir holds it, and can write it: text that is no text is found on the way back."""
    import onnx_ir as ir

    try:
        model: ir.Model = ir.from_proto(proto)
        ir.to_proto(model)
    except Exception as error:  # hostile fields: onnx_ir and protobuf raise many kinds
        while error.__cause__ is not None:
            error = error.__cause__  # type: ignore[assignment]
        found = short(f"{type(error).__name__}: {error}")
        raise ModelError("the model holds a field that cannot be read", where=str(path), found=found) from None
    return model


def _refuse(problems: list[Problem], error: type[ModelError] | type[GraphError]) -> None:
    if problems:
        raise error(problems=problems)


def _parse(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    data = model_file.read_bytes(path, MAX_BYTES, "an ONNX file", hint="save its weights as external data")
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
        whole = bool(proto.graph.node or proto.graph.output) and bool(proto.opset_import)
    except DecodeError:
        whole = False
    if not whole:
        raise ModelError(
            "the model is no ONNX file, or a truncated one",
            where=str(path),
            found=model_file.content(path),
            need="a ModelProto with a graph and an opset",
        )
    return proto


def _beside(proto: onnx.ModelProto, path: Path) -> tuple[Path, ...]:
    """The files of external data."""
    entries = (entry for tensor in onnx_checks.tensors(proto) for entry in tensor.external_data)
    return tuple(dict.fromkeys(path.parent / entry.value for entry in entries if entry.key == "location"))


def _external(proto: onnx.ModelProto, path: Path) -> list[Problem]:
    """Read external data, which may lie nowhere but in the model's own folder."""
    import onnx.external_data_helper as helper

    folder, problems = path.parent.resolve(), []
    for tensor in onnx_checks.tensors(proto):
        if not helper.uses_external_data(tensor):
            continue
        found = _outside({item.key: item.value for item in tensor.external_data}, folder)
        if found:
            where, need = f"initializer '{tensor.name}' in {path.name}", f"a file under {folder}"
            problems.append(Problem("external data cannot be read", where=where, found=found, need=need))
        else:
            helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = tensor.DEFAULT
            del tensor.external_data[:]
    return problems


def _outside(entry: Mapping[str, str], folder: Path) -> str:
    """Say what is wrong with a reference to external data, or nothing."""
    location = entry.get("location", "")
    target = (folder / location).resolve()  # follows links: a link out of the folder is outside too
    if not location or not target.is_relative_to(folder):
        return f"location {short(location)!r} is outside the model's folder"
    if not target.is_file():
        return f"{short(location)!r} does not exist"
    if not _fits(entry, target.stat().st_size):
        part = f"offset {entry.get('offset', 0)}, length {entry.get('length', 'to the end')}"
        return f"{part} in {location!r} of {target.stat().st_size} bytes"
    return ""


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
        raise GraphError("a function of the model cannot be inlined", where=str(path), found=short(error)) from None


def _sort(proto: onnx.ModelProto) -> None:
    """Put nodes in an order of execution where the file does not."""
    seen: set[str] = set()
    made = {name for node in proto.graph.node for name in node.output if name}
    for node in proto.graph.node:
        if any(name in made and name not in seen for name in onnx_checks.reads(node)):
            ordered = [type(node).FromString(n.SerializeToString()) for n in onnx_checks.order(proto)[0]]
            del proto.graph.node[:]
            proto.graph.node.extend(ordered)
            return
        seen.update(node.output)


def _import_domains(proto: onnx.ModelProto) -> None:
    """Name the domains that nodes are of where the file does not."""
    named = {o.domain for o in proto.opset_import}
    for domain in sorted({node.domain for node in proto.graph.node} - {*named, *onnx_checks.STANDARD}):
        proto.opset_import.add(domain=domain, version=1)


def _check(proto: onnx.ModelProto, path: Path) -> None:
    """Let onnx's own checker have the last word."""
    import onnx

    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # ValidationError, and C++ exceptions on hostile attributes
        bare = [value.name for value in (*proto.graph.input, *proto.graph.output) if _is_bare(value)]
        if bare:
            what, need = "an input or output of the graph has no shape", "a dtype and axes; their sizes may be open"
            raise GraphError(problems=[Problem(what, f"'{name}' in {path}", need=need) for name in bare]) from None
        text = short(str(error).split("==>")[0])
        raise GraphError("the model is no valid ONNX", where=str(path), found=text) from None


def _is_bare(value: onnx.ValueInfoProto) -> bool:
    """Whether an input or output is no tensor of known rank, which the checker asks for."""
    kind = value.type
    return kind.WhichOneof("value") is None or (kind.HasField("tensor_type") and not kind.tensor_type.HasField("shape"))
