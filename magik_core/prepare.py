"""The first stage: cut a graph, fix its sizes, normalize its inputs, and leave nothing unknown."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from magik_core import graph, verify
from magik_core.errors import GraphError, Problem, UsageError

Numbers: TypeAlias = Sequence[float] | Sequence[Sequence[float]]

MAX_ROUNDS = 16  # of inference and folding; each resolves one more level of nested If
TO_NCHW = (0, 3, 1, 2)
CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def prepare(
    model: ir.Model,
    *,
    inputs: Sequence[str] = (),
    input_shapes: Sequence[Sequence[int]] = (),
    outputs: Sequence[str] = (),
    mean: Numbers = (),
    normal: Numbers = (),
    constants: Mapping[str, np.ndarray] | None = None,
) -> ir.Model:
    """Return a copy of the model with static shapes, cut as asked, its constants folded.

    Args:
        inputs, outputs: names of tensors to cut at; model inputs that are still needed stay, after
            the named ones; outputs come in this order.
        input_shapes: one per input, source layout; the last also serves inputs of its rank behind it.
        mean, normal: per channel, `(x - mean) / normal`; one list for all inputs or a list of lists.
        constants: values that take the place of inputs, e.g. a sampling rate.
    Returns: the model; inputs that nothing reads are gone.
    Raises:  UsageError: names or channel counts that the model does not have.
             GraphError: sizes that stay unknown, control flow that stays, inputs that do not fit.
    """
    model = _copy(model)
    _bind_constants(model, constants or {})
    _cut(model, inputs, outputs)
    _bind_shapes(model, input_shapes)
    model = _settle(model)
    _drop_unread_inputs(model)
    _refuse(_unsupported(model), GraphError)
    _normalize(model, mean, normal)
    graph.infer(model)
    graph.name_everything(model)
    verify.verify_graph(model, "prepare")
    return model


def _refuse(problems: list[Problem], error: type[GraphError] | type[UsageError]) -> None:
    if problems:
        raise error(problems=problems)


def _copy(model: ir.Model) -> ir.Model:
    from onnx_ir.passes import common

    proto = ir.to_proto(model)
    copy: ir.Model = ir.from_proto(graph.convert_opset(proto))
    common.InlinePass()(copy)
    copy.functions.clear()  # inlined: nothing calls them
    common.RemoveInitializersFromInputsPass()(copy)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(copy)
    copy.graph.opset_imports.clear()
    copy.graph.opset_imports[""] = graph.OPSET
    return copy


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def _bind_constants(model: ir.Model, constants: Mapping[str, np.ndarray]) -> None:
    """Make initializers of the named inputs."""
    known = {v.name or "": v for v in model.graph.inputs}
    problems = [
        Problem(
            "a constant names no input of the model",
            where=name,
            need=f"one of {', '.join(known)}",
            hint=_nearest(name, list(known)),
        )
        for name in constants
        if name not in known
    ]
    for name, array in constants.items():
        if name in known and not _fits(known[name], np.asarray(array)):
            want = f"{_text(known[name])}"
            found = f"{np.asarray(array).dtype} {list(np.asarray(array).shape)}"
            problems.append(Problem("a constant does not fit its input", where=name, found=found, need=want))
    _refuse(problems, UsageError)
    for name, array in constants.items():
        value = known[name]
        model.graph.inputs.remove(value)
        dtype = value.dtype.numpy() if value.dtype is not None else None
        value.const_value = ir.tensor(np.asarray(array, dtype=dtype), name=name)
        value.shape = ir.Shape(np.asarray(array).shape)
        model.graph.register_initializer(value)


def _fits(value: ir.Value, array: np.ndarray) -> bool:
    shape = (
        [d if isinstance(d, int) and d > 0 else None for d in value.shape]
        if value.shape is not None
        else None
    )
    if shape is not None and len(shape) != array.ndim:
        return False
    if shape is not None and any(d not in (None, n) for d, n in zip(shape, array.shape, strict=True)):
        return False
    return value.dtype is None or np.can_cast(array.dtype, value.dtype.numpy(), "same_kind")


def _text(value: ir.Value) -> str:
    sizes = [str(d) for d in value.shape] if value.shape is not None else ["?"]
    return f"{value.dtype} [{', '.join(sizes)}]"


def _cut(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Make the named tensors the inputs and outputs of the graph."""
    if not inputs and not outputs:
        return
    known = {v.name: v for v in graph.values(model) if v.name}
    problems = [
        Problem(
            f"the model has no tensor to cut at for {key}",
            where=f"{key}: {name}",
            hint=_nearest(name, list(known)),
        )
        for key, names in (("INPUT", inputs), ("OUTPUT", outputs))
        for name in names
        if name not in known
    ]
    problems += [
        Problem(f"{key} names a tensor twice", where=f"{key}: {name}")
        for key, names in (("INPUT", inputs), ("OUTPUT", outputs))
        for name in dict.fromkeys(names)
        if list(names).count(name) > 1
    ]
    problems += [
        Problem("a constant cannot be an input", where=f"INPUT: {name}", need="a tensor that a node computes")
        for name in inputs
        if name in known and known[name].is_initializer()
    ]
    _refuse(problems, UsageError)
    graph.infer(model, strict=False)  # a cut needs the type of the tensor that it cuts
    made = [_as_input(model, known[name]) for name in inputs]
    if outputs:
        chosen = {v.name: v for v in made}
        model.graph.outputs.clear()
        model.graph.outputs.extend(chosen.get(name, known[name]) for name in outputs)
    rest = [v for v in model.graph.inputs if v not in made]
    model.graph.inputs.clear()
    model.graph.inputs.extend([*made, *rest])
    graph.remove_dead(model)


def _as_input(model: ir.Model, value: ir.Value) -> ir.Value:
    if value.is_graph_input():
        return value
    new = ir.Value(name=value.name, shape=value.shape, type=value.type)
    value.name = None
    ir.convenience.replace_all_uses_with(value, new, replace_graph_outputs=True)
    graph.name_everything(model)
    return new


def _bind_shapes(model: ir.Model, shapes: Sequence[Sequence[int]]) -> None:
    """Give every input a static shape and forget every shape that was computed from the old ones."""
    read = [v for v in model.graph.inputs if v.uses() or v.is_graph_output()]
    problems = []
    if len(shapes) > len(read):
        problems.append(
            Problem(
                "INPUT_SHAPE has more shapes than the model has inputs",
                found=f"{len(shapes)} shapes",
                need=f"at most {len(read)}",
            )
        )
    for value, shape in zip(read, shapes, strict=False):
        rank = len(value.shape) if value.shape is not None else len(shape)
        if rank != len(shape) or any(size < 1 for size in shape):
            problems.append(
                Problem(
                    "INPUT_SHAPE does not fit an input",
                    where=f"input '{value.name}'",
                    found=str(list(shape)),
                    need=f"{rank} positive sizes: {_text(value)}",
                )
            )
    _refuse(problems, UsageError)
    symbols = {
        str(v.shape[0]): 1 for v in read if v.shape and len(v.shape) > 1 and not isinstance(v.shape[0], int)
    }
    symbols.pop("None", None)
    for i, value in enumerate(read):
        given = list(shapes[i]) if i < len(shapes) else list(shapes[-1]) if shapes else []
        if i >= len(shapes) and value.shape is not None and len(given) != len(value.shape):
            given = []
        if given and value.shape is not None:
            symbols.update(
                (str(d), n) for d, n in zip(value.shape, given, strict=True) if not isinstance(d, int)
            )
        if given:
            value.shape = ir.Shape(given)
    for value in read:
        _bind_symbols(value, symbols)
    open_inputs = [v for v in read if graph.static_shape(v) is None]
    if open_inputs:
        want = [
            [d if isinstance(d, int) else "?" for d in v.shape] if v.shape is not None else ["?"]
            for v in read
        ]
        hint = f"INPUT_SHAPE: {want}".replace("'", "")
        _refuse(
            [
                Problem(
                    "the size of an input is not known",
                    where=f"input '{v.name}'",
                    found=_text(v),
                    need="a number for every size but the batch",
                    hint=hint,
                )
                for v in open_inputs
            ],
            GraphError,
        )
    _forget_shapes(model)


def _bind_symbols(value: ir.Value, symbols: Mapping[str, int]) -> None:
    if value.shape is None:
        return
    sizes: list[int | str | None] = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, int):
            is_open_batch = size < 1 and axis == 0 and len(value.shape) > 1
            sizes.append(1 if is_open_batch else size if size > 0 else None)
        elif axis == 0 and len(value.shape) > 1:
            sizes.append(symbols.get(str(size), 1))
        else:
            sizes.append(symbols.get(str(size), size.value))
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
    for _ in range(MAX_ROUNDS):
        graph.infer(model)
        before = graph.count_unknown(model)
        if not graph.fold(model) and graph.count_unknown(model) == before:
            break
    model = ir.from_proto(ir.to_proto(model))  # branches that folding dropped still count as users
    graph.remove_dead(model)
    graph.infer(model)
    return model


def _drop_unread_inputs(model: ir.Model) -> None:
    for value in [v for v in model.graph.inputs if not v.uses() and not v.is_graph_output()]:
        model.graph.inputs.remove(value)


def _unsupported(model: ir.Model) -> list[Problem]:
    """Everything that magik cannot take, each with its node."""
    problems = []
    for node in model.graph:
        where = f"{node.op_type} '{node.name}'"
        if node.op_type in CONTROL:
            hint = "bind the input that decides to a constant" if node.op_type == "If" else ""
            what = "control flow depends on a value that is known only at run time"
            problems.append(Problem(what, where=where, hint=hint))
        elif graph.attribute(node, "training_mode", 0):
            problems.append(
                Problem("a node is in training mode", where=where, need="a model exported for inference")
            )
        elif node.op_type == "Reshape" and not _keeps_count(node):
            found = f"{_text(node.inputs[0])} to {_text(node.outputs[0])}" if node.inputs[0] else ""
            hint = "export the model with dynamic sizes, or use the size that it was exported with"
            problems.append(
                Problem("a Reshape does not fit the input sizes", where=where, found=found, hint=hint)
            )
        else:
            unknown = [v for v in node.outputs if v.name and graph.static_shape(v) is None]
            problems += [
                Problem(
                    "a size is known only at run time",
                    where=where,
                    found=f"'{v.name}' {_text(v)}",
                    need="static shapes",
                )
                for v in unknown
            ]
            empty = [v for v in node.outputs if 0 in (graph.static_shape(v) or ())]
            problems += [
                Problem("a tensor has no elements", where=where, found=f"'{v.name}' {_text(v)}")
                for v in empty
            ]
    for value in model.graph.outputs:
        producer = value.producer()
        if value.is_initializer() or (producer is not None and producer.op_type == "Constant"):
            problems.append(Problem("an output does not depend on any input", where=f"output '{value.name}'"))
    return problems


def _keeps_count(node: ir.Node) -> bool:
    x, y = graph.static_shape(node.inputs[0]), graph.static_shape(node.outputs[0])
    return x is None or y is None or np.prod(x, dtype=np.int64) == np.prod(y, dtype=np.int64)


def _normalize(model: ir.Model, mean: Numbers, normal: Numbers) -> None:
    """Insert (x - mean) / normal behind the inputs, so that feeds are raw."""
    problems: list[Problem] = []
    means, normals = _per_input(mean), _per_input(normal)
    for key, lists in (("MEAN", means), ("NORMAL", normals)):
        if len(lists) > len(model.graph.inputs):
            need = f"at most {len(model.graph.inputs)}, one per input"
            problems.append(
                Problem(f"{key} has more lists than the model has inputs", found=str(len(lists)), need=need)
            )
    if any(n == 0 for one in normals for n in one):
        problems.append(Problem("NORMAL is a divisor and cannot be 0", where="NORMAL"))
    if not problems:
        for i, value in enumerate(list(model.graph.inputs)):
            _normalize_one(
                model,
                value,
                _channels(means, i, value, "MEAN", problems),
                _channels(normals, i, value, "NORMAL", problems),
            )
    _refuse(problems, UsageError)


def _per_input(numbers: Numbers) -> list[list[float]]:
    if all(isinstance(n, (int, float, np.number)) for n in numbers):
        return [[float(n) for n in numbers]] if numbers else []  # type: ignore[arg-type]
    return [[float(n) for n in one] for one in numbers]  # type: ignore[union-attr]


def _channels(
    lists: list[list[float]], i: int, value: ir.Value, key: str, problems: list[Problem]
) -> list[float]:
    """Numbers of one input; a list that is only broadcast to it concerns images alone."""
    shape = graph.static_shape(value) or ()
    if not lists or (i >= len(lists) and (len(shape) != 4 or not graph.is_float(value))):
        return []
    numbers = lists[min(i, len(lists) - 1)]
    count = shape[_channel_axis(value)] if len(shape) > 1 else 1
    where = f"input '{value.name}'"
    if numbers and not graph.is_float(value):
        problems.append(Problem(f"{key} needs an input of floats", where=where, found=_text(value)))
        return []
    if len(numbers) not in (0, 1, count):
        found, need = f"{len(numbers)} values for {_text(value)}", f"1 or {count} values"
        problems.append(Problem(f"{key} does not fit the channels", where=where, found=found, need=need))
        return []
    return numbers


def _channel_axis(value: ir.Value) -> int:
    readers = graph.consumers(value)
    is_nhwc = bool(readers) and all(
        n.op_type == "Transpose" and tuple(graph.attribute(n, "perm", ())) == TO_NCHW for n in readers
    )
    return -1 if is_nhwc else 1


def _normalize_one(model: ir.Model, value: ir.Value, mean: list[float], normal: list[float]) -> None:
    shape = graph.static_shape(value)
    assert shape is not None and value.dtype is not None
    ones = [1] * len(shape)
    if len(shape) > 1:
        ones[_channel_axis(value)] = shape[_channel_axis(value)]
    uses, now = list(value.uses()), value
    steps = (("Sub", "mean", np.array(mean)), ("Mul", "normal", 1 / np.array(normal, np.float64)))
    for op, suffix, numbers in steps:
        if np.all(numbers == (0 if op == "Sub" else 1)):
            continue
        name = f"{value.name}/{suffix}"
        array = np.ones(ones) * (numbers if numbers.size == 1 else numbers.reshape(ones))
        operand = graph.add_constant(model, f"{name}/value", array.astype(value.dtype.numpy()))
        node = ir.node(op, [now, operand], name=name)
        producer, now = now.producer(), node.outputs[0]
        now.name, now.shape, now.type = name, value.shape, value.type
        if producer is None:
            model.graph.insert_before(model.graph[0], node)
        else:
            model.graph.insert_after(producer, node)
    for use in uses:
        use.node.replace_input_with(use.idx, now)
