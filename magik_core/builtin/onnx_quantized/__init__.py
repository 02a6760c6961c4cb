"""Quantized ONNX models brought into one form: float operators between QuantizeLinear and DequantizeLinear.

Every quantized activation is followed by QuantizeLinear and DequantizeLinear, every quantized constant is the
DequantizeLinear of an integer initializer; inputs and outputs are float. Scales, zero points and codes are those
of the source, bit for bit. docs/onnx-quantized.md and docs/thinker.md say what each operator becomes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magik_core.errors import GraphError, ModelError, Problem

if TYPE_CHECKING:
    from collections.abc import Set
    from pathlib import Path

    import onnx

    from magik_core.builtin.onnx_quantized.expansion import Expansion
    from magik_core.builtin.onnx_quantized.params import Params

MAX_WALKS = 8  # each learns what the codes of more inputs mean


def known() -> Set[tuple[str, str]]:
    """Domain and name of every operator that `expand` converts."""
    from magik_core.builtin.onnx_quantized.table import table

    return table().keys()


def has_quantization(proto: onnx.ModelProto) -> bool:
    """Whether `expand` has anything to do."""
    from magik_core.builtin import onnx_checks

    standard = onnx_checks.STANDARD
    return any(("" if node.domain in standard else node.domain, node.op_type) in known() for node in proto.graph.node)


def expand(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model in the quantize-dequantize form; a float model as it is.

    Args:   proto: sound by onnx_checks, sorted, of opset 13 or above. path: for messages.
    Raises: GraphError: every node that cannot be converted. ModelError: text that is no text.
    """
    from magik_core.builtin.onnx_quantized.expansion import Expansion
    from magik_core.builtin.onnx_quantized.source import Source

    if not has_quantization(proto):
        return proto
    source = Source(proto, path)
    wanted: dict[str, Params] = {}
    for _ in range(MAX_WALKS):
        expansion = Expansion(source, wanted)
        try:
            expansion.run()
        except UnicodeError as error:
            found = f"{type(error).__name__}: {error}"
            raise ModelError("the model holds a field that cannot be read", where=str(path), found=found) from None
        if not expansion.asked:
            break
        wanted = {**wanted, **expansion.asked}
    problems = expansion.problems or _left_dynamic(expansion)
    if problems:
        raise GraphError(problems=problems)
    return _model(expansion)


def _left_dynamic(expansion: Expansion) -> list[Problem]:
    """Find nodes that read what is quantized at run time in another way than magik knows."""
    from magik_core.builtin import onnx_checks
    from magik_core.builtin.onnx_quantized.expansion import used

    made = {name for d in expansion.dynamic.values() for name in (d.scale, d.zero)} | expansion.dynamic.keys()
    what, need = "a quantization at run time has no known form", "codes into MatMulInteger or ConvInteger, then scales"
    path = expansion.source.path.name
    return [
        Problem(what, f"{node.op_type} {onnx_checks.label(node)} in {path}", need=need)
        for node in used(expansion.nodes, expansion.source.outputs)
        if made.intersection(node.input)
    ]


def _model(expansion: Expansion) -> onnx.ModelProto:
    """A new model of the nodes and constants that are needed."""
    import onnx
    from onnx import TensorProto

    from magik_core.builtin import onnx_checks
    from magik_core.builtin.onnx_quantized.expansion import used

    source = expansion.source.proto
    model = onnx.ModelProto()
    model.CopyFrom(source)
    nodes = list(used(expansion.nodes, expansion.source.outputs))[::-1]
    needed = {name for node in nodes for name in onnx_checks.reads(node)} | expansion.source.outputs
    tensors = [t for t in (*source.graph.initializer, *expansion.tensors) if t.name in needed]
    for repeated in (model.graph.node, model.graph.initializer, model.graph.value_info):
        del repeated[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)
    floats = {*expansion.params, *expansion.floats}
    for value in (*model.graph.input, *model.graph.output):
        if value.name in floats:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    domains = {node.domain for node in nodes} | {""}
    opsets = [o for o in model.opset_import if o.domain in domains or o.domain in onnx_checks.STANDARD]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model
