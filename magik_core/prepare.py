"""The first stage: cut a graph, fix its sizes, normalize its inputs, and leave nothing unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from magik_core import asked, cut, graph, light, preprocess, verify
from magik_core.errors import GraphError, Problem, UsageError

MAX_ROUNDS = 16  # of inference and folding; each resolves one more level of nested If
CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def prepare(
    model: ir.Model,
    *,
    inputs: Sequence[str] = (),
    input_shapes: Sequence[Sequence[int]] = (),
    outputs: Sequence[str] = (),
    mean: preprocess.Numbers = (),
    normal: preprocess.Numbers = (),
    constants: Mapping[str, Any] | None = None,
) -> ir.Model:
    """Return a copy of the model with static shapes, cut as asked, its constants folded.

    Args:
        inputs, outputs: names of tensors to cut at; model inputs that are still needed stay, after
            the named ones; outputs come in this order.
        input_shapes: one per input, source layout, empty: as in the model; the last also serves inputs of its rank
            behind it.
        mean, normal: per channel, `(x - mean) / normal`; one list for all inputs or a list of lists.
        constants: values that take the place of inputs, e.g. a sampling rate.
    Returns: the model; inputs that nothing reads are gone.
    Raises:  UsageError: names or channel counts that the model does not have.
             GraphError: sizes that stay unknown, control flow that stays, inputs that do not fit.
    """
    model = _copy(model)
    cut.bind_constants(model, constants or {})
    cut.cut(model, inputs, outputs)
    _bind_shapes(model, input_shapes)
    trained = [problem for node in model.graph for problem in _training(node)]
    model = _settle(model)
    _drop_unread_inputs(model)
    problems = trained + _unsupported(model)
    if not len(model.graph) and not problems:
        problems = [Problem("nothing is left to compute", found="every output is an input", need="a node between them")]
    if problems:
        raise GraphError(problems=problems)
    preprocess.normalize(model, mean, normal)
    graph.infer(model)
    graph.name_everything(model)
    verify.verify_graph(model, "prepare")
    return model


def _copy(model: ir.Model) -> ir.Model:
    """Return a model of our own: functions inlined, the working opset, constants as initializers."""
    from onnx_ir.passes import common

    inlined = light.from_proto(*light.to_proto(model))
    common.InlinePass()(inlined)
    inlined.functions.clear()
    copy = graph.in_opset(inlined)
    common.RemoveInitializersFromInputsPass()(copy)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(copy)
    copy.graph.opset_imports.clear()
    copy.graph.opset_imports[""] = graph.OPSET
    graph.name_everything(copy)  # before anything can go wrong: messages name nodes
    return copy


def _bind_shapes(model: ir.Model, shapes: Sequence[Sequence[int]]) -> None:
    """Give every input a static shape and forget every shape that was computed from the old ones."""
    read = [v for v in model.graph.inputs if v.uses() or v.is_graph_output()]
    given = _given_shapes(read, shapes)
    symbols: dict[str, int] = {}
    for value in read:
        for axis, size in enumerate(value.shape or ()):
            if not isinstance(size, int) and size.value and (value in given or _is_batch(value, axis)):
                symbols[str(size)] = given[value][axis] if value in given else symbols.get(str(size), 1)
    for value in read:
        if value in given:
            value.shape = ir.Shape(given[value])
        else:
            _bind_symbols(value, symbols)
    unknown = [v for v in read if graph.static_shape(v) is None]
    if unknown:
        hint = f"INPUT_SHAPE: [{', '.join(_template(v) for v in read)}]"
        need = "a number for every size but the batch"
        what = "the size of an input is not known"
        raise UsageError(problems=[Problem(what, f"input '{v.name}'", graph.describe(v), need, hint) for v in unknown])
    _forget_shapes(model)


def _given_shapes(read: list[ir.Value], shapes: Sequence[Sequence[int]]) -> dict[ir.Value, list[int]]:
    """Match INPUT_SHAPE to the inputs; the last also serves later ones of its rank that are open, or as its own was."""
    problems = []
    if len(shapes) > len(read):
        found, need = f"{len(shapes)} shapes", f"at most {len(read)}"
        what = "INPUT_SHAPE has more shapes than the model has inputs"
        problems.append(Problem(what, found=found, need=need))
    said = [(value, shape) for value, shape in zip(read, shapes, strict=False) if shape]
    for value, shape in said:
        rank = len(value.shape) if value.shape is not None else len(shape)
        if rank != len(shape) or any(size < 1 for size in shape):
            where, need = f"input '{value.name}'", f"{rank} positive sizes: {graph.describe(value)}"
            problems.append(Problem("INPUT_SHAPE does not fit an input", where, str(list(shape)), need))
        elif turned := asked.other_order(str(value.name), shape, list(value.shape or ())):
            problems.append(turned)
    if problems:
        raise UsageError(problems=problems)
    given = {value: list(shape) for value, shape in said}
    for value in read[len(shapes) :] if shapes and shapes[-1] else []:
        is_like = graph.static_shape(value) in (None, graph.static_shape(read[len(shapes) - 1]))
        if value.shape is None or (is_like and len(value.shape) == len(shapes[-1])):
            given[value] = list(shapes[-1])
    return given


def _is_batch(value: ir.Value, axis: int) -> bool:
    return axis == 0 and value.shape is not None and len(value.shape) > 1


def _template(value: ir.Value) -> str:
    """Write an input's shape for a config file, with ? where a number is missing."""
    sizes = ["?"] if value.shape is None else [str(d) if isinstance(d, int) else "?" for d in value.shape]
    return f"[{', '.join(sizes)}]"


def _bind_symbols(value: ir.Value, symbols: Mapping[str, int]) -> None:
    if value.shape is None:
        return
    sizes: list[int | str | None] = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, int) and size > 0:
            sizes.append(size)
        elif isinstance(size, int):  # 0 and -1 are how some exporters write an open size
            sizes.append(1 if _is_batch(value, axis) else None)
        else:
            sizes.append(symbols.get(str(size), 1 if _is_batch(value, axis) else size.value))
    value.shape = ir.Shape(sizes)


def _forget_shapes(model: ir.Model) -> None:
    for inner in model.graphs():
        for node in inner:
            for value in node.outputs:
                value.shape = None
        if inner is not model.graph:
            for value in inner.inputs:
                value.shape = None


def _settle(model: ir.Model) -> ir.Model:
    """Infer and fold until neither tells anything new."""
    has_folded = False
    for _ in range(MAX_ROUNDS):
        graph.infer(model)
        before, is_folded = graph.count_unknown(model), graph.fold(model)
        has_folded |= is_folded
        if not is_folded and graph.count_unknown(model) == before:
            break
    if not has_folded:
        return model
    model = light.from_proto(*light.to_proto(model))  # branches that folding dropped still count as users
    graph.remove_dead(model)
    graph.infer(model)
    return model


def _drop_unread_inputs(model: ir.Model) -> None:
    for value in [v for v in model.graph.inputs if not v.uses() and not v.is_graph_output()]:
        model.graph.inputs.remove(value)


def _unsupported(model: ir.Model) -> list[Problem]:
    """Everything that magik cannot take, each with its node."""
    problems = [problem for node in model.graph for problem in _node_problems(node)]
    for value in model.graph.outputs:
        producer = value.producer()
        if value.is_initializer() or (producer is not None and producer.op_type == "Constant"):
            problems.append(Problem("an output does not depend on any input", where=f"output '{value.name}'"))
    return problems


def _training(node: ir.Node) -> list[Problem]:
    """Find a node that behaves as in training; folding would take a Dropout for the identity."""
    mode = node.inputs[2] if node.op_type == "Dropout" and len(node.inputs) > 2 else None
    is_dropout = mode is not None and graph.scalar(mode) != 0  # None where an input decides
    if not is_dropout and not graph.attribute(node, "training_mode", 0):
        return []
    where, need = f"{node.op_type} '{node.name}'", "a model exported for inference"
    return [Problem("a node is in training mode", where, need=need)]


def _node_problems(node: ir.Node) -> list[Problem]:
    where = f"{node.op_type} '{node.name}'"
    if node.op_type in CONTROL:
        hint = "bind the input that decides to a constant: --constant NAME=VALUE" if node.op_type == "If" else ""
        return [Problem("control flow depends on a value that is known only at run time", where, hint=hint)]
    if node.op_type == "Reshape" and not _keeps_count(node):
        sizes = [graph.describe(v) for v in (node.inputs[0], node.outputs[0]) if v is not None]
        hint = "export the model with dynamic sizes, or use the sizes that it was exported with"
        return [Problem("a Reshape does not fit the input sizes", where, " to ".join(sizes), hint=hint)]
    problems = _channel_problems(node, where)
    for value in (v for v in node.outputs if v.name):
        shape, found = graph.static_shape(value), f"'{value.name}' {graph.describe(value)}"
        if not isinstance(value.type, ir.TensorType):
            problems.append(Problem("a value is no tensor", where, f"'{value.name}' {value.type}"))
        elif shape is None:
            problems.append(Problem("a size is known only at run time", where, found, need="static shapes"))
        elif 0 in shape:
            problems.append(Problem("a tensor has no elements", where, found))
    return problems


def _channel_problems(node: ir.Node, where: str) -> list[Problem]:
    """Find channels that do not fit the weights: onnx's inference does not look at them."""
    if node.op_type not in ("Conv", "ConvTranspose", "BatchNormalization"):
        return []
    x, w = (graph.static_shape(v) for v in node.inputs[:2])
    if x is None or w is None or (len(x) < 2 and node.op_type == "BatchNormalization"):
        return []
    if node.op_type != "BatchNormalization" and (problems := _weight_problems(node, where, x, w)):
        return problems
    channels = w[1] * graph.attribute(node, "group", 1) if node.op_type == "Conv" else w[0]
    if x[1] == channels:
        return []
    found, need = f"{x[1]} channels in {list(x)}", f"{channels} channels for weights of {list(w)}"
    return [Problem("the channels of a tensor do not fit its weights", where, found, need)]


def _weight_problems(node: ir.Node, where: str, x: tuple[int, ...], w: tuple[int, ...]) -> list[Problem]:
    """Find a convolution's weights, window, groups and bias that do not fit each other."""
    what, need = "the weights of a convolution do not fit", f"as many axes as the tensor of {list(x)}, 3 or more"
    if len(w) != len(x) or len(w) < 3:
        return [Problem(what, where, f"weights of {list(w)}", need)]
    is_transposed = node.op_type == "ConvTranspose"
    kernel, group = list(graph.attribute(node, "kernel_shape", w[2:])), graph.attribute(node, "group", 1)
    if kernel != list(w[2:]):
        return [Problem(what, where, f"kernel_shape {kernel}", f"{list(w[2:])} for weights of {list(w)}")]
    if group < 1 or w[0] % group:
        return [Problem(what, where, f"group {group}", f"a divisor of {w[0]} for weights of {list(w)}")]
    bias = graph.static_shape(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else None
    channels = w[1] * group if is_transposed else w[0]
    if bias is not None and bias != (channels,):
        return [Problem(what, where, f"a bias of {list(bias)}", f"[{channels}] for weights of {list(w)}")]
    return []


def _keeps_count(node: ir.Node) -> bool:
    x, y = graph.static_shape(node.inputs[0]), graph.static_shape(node.outputs[0])
    return x is None or y is None or np.prod(x, dtype=np.int64) == np.prod(y, dtype=np.int64)
