"""The float graph in onnxruntime, with any of its values as outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, prod
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from magik_core import light
from magik_core.errors import GraphError
from magik_core.spelling import spell

Arrays = dict[str, np.ndarray]
NARROW = (ir.DataType.INT2, ir.DataType.UINT2, ir.DataType.INT4, ir.DataType.UINT4)  # onnxruntime hands none out


@dataclass(frozen=True)
class _Part:
    """Some nodes of the graph, one after the other.

    Args: makes: values that it hands out; reads: those that it is fed; later: those that parts behind it are fed.
    """

    session: Any
    makes: tuple[str, ...]
    reads: tuple[str, ...]
    later: frozenset[str]


class FloatSession:
    """The float graph in onnxruntime, with any of its values as outputs.

    Every value is the one that ONNX defines: graph optimizations are off. One thread computes a run, so the
    bits do not depend on the machine's cores; `run` and `parts` may be called from several threads.
    """

    def __init__(self, model: ir.Model, names: Sequence[str] | None = None, *, part_bytes: float = inf) -> None:
        """Make a session for the values `names`; None: the outputs of the model.

        Args: part_bytes: of values that `parts` hands out at a time, or of one if that has more.
        """
        proto, weights = light.to_proto(model)
        proto = spell(proto)
        graph = proto.graph
        own, constants = [v.name for v in graph.output], {t.name for t in graph.initializer}
        self.names = tuple(own if names is None else dict.fromkeys(names))
        self._dtypes = {
            v.name: helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
            for v in graph.input
            if v.name not in weights and v.name not in constants
        }
        self._weights = {name: np.ascontiguousarray(w.numpy()) for name, w in weights.items()}  # not copied, as inputs
        small = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.name in self.names}
        self._constants = {name: x for name, x in {**self._weights, **small}.items() if name in self.names}
        self._asked = frozenset(self.names)
        self._parts = _parts(proto, self.names, _infos(model, graph), part_bytes)

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """The values for one sample; feeds are cast to the dtypes of the inputs."""
        found = {name: x for arrays in self.parts(feeds) for name, x in arrays.items()}
        return {name: found[name] for name in self.names}

    def parts(self, feeds: Mapping[str, np.ndarray]) -> Iterator[Arrays]:
        """The same, some values at a time, in an order and in groups that do not depend on the sample.

        A caller that clears each of them holds no more than one.
        """
        known = {name: np.asarray(feeds[name], dtype) for name, dtype in self._dtypes.items()}
        yield {name: x for name, x in {**self._constants, **known}.items() if name in self._asked}
        for part in self._parts:
            given = {name: known[name] if name in known else self._weights[name] for name in part.reads}
            try:
                made = dict(zip(part.makes, part.session.run(part.makes, given), strict=True))
            except Exception as error:  # its errors have no base of their own
                raise _cannot_run(error) from error
            known = {name: x for name, x in {**known, **made}.items() if name in part.later}
            made = {name: x for name, x in made.items() if name in self._asked}
            given.clear()
            yield made
            del made


def _cannot_run(error: Exception) -> GraphError:
    found = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    need = "a model that onnxruntime runs"
    return GraphError("the float model cannot be run to calibrate", found=found, need=need)


def _infos(model: ir.Model, graph: onnx.GraphProto) -> dict[str, onnx.ValueInfoProto]:
    """Name, dtype and shape of all that may lie between two parts, of the inputs and of the large weights."""
    outputs = (v for node in model.graph for v in node.outputs if v.name)
    made = [v for v in outputs if isinstance(v.type, ir.TensorType) and v.dtype not in NARROW]
    constants = {t.name for t in graph.initializer}
    infos: list[onnx.ValueInfoProto] = [*map(ir.to_proto, made), *graph.input]
    return {v.name: v for v in infos if v.name not in constants}


def _parts(
    proto: onnx.ModelProto, names: Sequence[str], infos: Mapping[str, onnx.ValueInfoProto], part_bytes: float
) -> tuple[_Part, ...]:
    """The nodes that `names` need, cut where more than `part_bytes` of these would be held."""
    nodes = _needed(proto.graph.node, names)
    starts = _starts(nodes, names, infos, part_bytes)
    out: list[_Part] = []
    later: set[str] = set()
    for start, end in reversed([*pairwise((*starts, len(nodes)))]):
        group = nodes[start:end]
        made, read = {name for node in group for name in node.output}, _read(group)
        makes = tuple(name for node in group for name in node.output if name in later or name in names)
        reads = tuple(sorted(name for name in read - made if name in infos))
        out.insert(0, _Part(_session(proto, group, [infos[n] for n in reads], makes), makes, reads, frozenset(later)))
        later = (later - made) | set(reads)
    return tuple(out)


def _needed(nodes: Iterable[onnx.NodeProto], names: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes behind `names`, in the order of the graph."""
    wanted, out = set(names), []
    for node in reversed([*nodes]):
        if wanted & set(node.output):
            wanted |= _read([node])
            out.append(node)
    return out[::-1]


def _starts(
    nodes: Sequence[onnx.NodeProto],
    names: Sequence[str],
    infos: Mapping[str, onnx.ValueInfoProto],
    part_bytes: float,
) -> list[int]:
    """The first node of each part; what has no info, such as a value that `spell` has put in, keeps
    within one."""
    last = {name: i for i, node in enumerate(nodes) for name in _read([node])}
    within = [(i, last[n]) for i, node in enumerate(nodes) for n in node.output if n in last and n not in infos]
    starts, now = [0] if nodes else [], 0
    for i, node in enumerate(nodes):
        more = sum(_bytes(infos[name]) for name in node.output if name in names and name in infos)
        if now and now + more > part_bytes and not any(first < i <= end for first, end in within):
            starts.append(i)
            now = 0
        now += more
    return starts


def _read(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """All names that the nodes read, those within their bodies among them."""
    out: set[str] = set()
    for node in nodes:
        out |= {*node.input} - {""}
        for a in node.attribute:
            for body in (a.g, *a.graphs):
                out |= _read(body.node) | {v.name for v in body.output}
    return out


def _bytes(info: onnx.ValueInfoProto) -> int:
    t = info.type.tensor_type
    return prod(d.dim_value for d in t.shape.dim) * helper.tensor_dtype_to_np_dtype(t.elem_type).itemsize


def _session(
    proto: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[str],
) -> Any:
    import onnxruntime as ort

    part = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import, functions=proto.functions)
    read = _read(nodes)
    part.graph.name = proto.graph.name
    part.graph.node.extend(nodes)
    part.graph.input.extend(inputs)
    part.graph.initializer.extend(t for t in proto.graph.initializer if t.name in read)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep twice of what the largest sample needs
    options.log_severity_level = 4  # its warnings are about the source model's spelling
    try:
        return ort.InferenceSession(part.SerializeToString(), options, ["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base of their own
        raise _cannot_run(error) from error
