"""From a file's graph to ONNX: its operators in order, everything that cannot be taken reported at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import onnx_ir as ir

from magik_core import asked, graph
from magik_core.errors import ModelError, Problem, UsageError
from magik_core.hookspecs import Request
from magik_frontend_tf.tflite import constants, dilation, fold, layers
from magik_frontend_tf.tflite.axes import plain
from magik_frontend_tf.tflite.builder import REALS, Builder, Refusal, graph_type
from magik_frontend_tf.tflite.call import Call, Known, Laid, Made, is_quantized
from magik_frontend_tf.tflite.operators import CUSTOM
from magik_frontend_tf.tflite.schema import Model, Operator, Tensor

log = logging.getLogger("magik_core.frontend_tf")  # the command line shows what magik_core says
OPEN = "the size of an input is not known"
CUT = "TFLite_Detection_PostProcess"  # its first inputs are offsets of boxes and scores
MOVES = frozenset({"Transpose", "Reshape", "QuantizeLinear", "DequantizeLinear", "Cast"})


def convert(model: Model, request: Request) -> ir.Model:
    """Return the graph, its inputs and outputs as the file has them.

    Raises: ModelError: every operator that cannot be taken. UsageError: INPUT_SHAPE does not fit, or is missing.
    """
    rounding = _rounding(model, request.options)
    walk = _Walk(dilation.merge(_needed(model, request.outputs)))
    walk.check_operators()
    walk.inputs(request)
    for op in walk.model.operators:
        walk.operator(op)
    outputs = walk.outputs()
    if walk.problems:
        is_asked = all(problem.what == OPEN for problem in walk.problems)
        raise (UsageError if is_asked else ModelError)(problems=walk.problems)
    made = ir.Graph(
        walk.graph_inputs,
        outputs,
        nodes=walk.builder.nodes,
        initializers=[v for v in walk.builder.initializers if v.uses()],
        opset_imports={"": graph.OPSET},
        name=model.name,
    )
    out = ir.Model(made, ir_version=graph.IR_VERSION, producer_name="magik-frontend-tf")
    out.metadata_props["magik.rounding"] = rounding  # the core's imported.py reads it
    graph.remove_dead(out)
    return out


def _rounding(model: Model, options: Mapping[str, object]) -> str:
    """What the option says, for the core.

    Raises: UsageError: it says something else, or the file has no codes to round sums to.
    """
    rounding = str(options.get("rounding", "once"))
    if rounding not in ("once", "twice"):
        need = "one of: once, twice"
        raise UsageError("an option has no such value", where="rounding", found=rounding, need=need)
    if not any(is_quantized(tensor) and not tensor.data for tensor in model.tensors):
        asked.check_options(options, (), "a TFLite file of float activations", str(model.path))
    return rounding


def _needed(model: Model, names: Sequence[str]) -> Model:
    """The model up to the tensors of OUTPUT, so that what lies behind them need not be known."""
    by_name = {tensor.name: tensor.index for tensor in model.tensors}
    wanted = tuple(by_name[name] for name in names if name in by_name)
    if not names or len(wanted) < len(names):
        return model  # the core knows which names are wrong
    needed, kept = set(wanted), []
    for op in reversed(model.operators):
        if needed.intersection(op.outputs):
            needed.update(op.inputs)
            kept.append(op)
    return replace(model, operators=tuple(reversed(kept)), outputs=wanted)


class _Walk:
    """The state between operators: what is known of each tensor; None where its maker was refused."""

    def __init__(self, model: Model) -> None:
        self.model, self.builder, self.problems = model, Builder(), list[Problem]()
        self.graph_inputs: list[ir.Value] = []
        self._known: dict[int, Known | None] = {}
        self._cut: list[int] = []  # tensors that are outputs because what read them is cut off
        self._lost: set[int] = set()

    def check_operators(self) -> None:
        for op in self.model.operators:
            name = op.custom if op.name == CUSTOM else op.name
            if name != CUT and (op.name == CUSTOM or name not in layers.table()):
                what = "a custom operator is not supported" if op.name == CUSTOM else "an operator is not supported"
                self._report(op, Refusal(what, name, "an operator of docs/tflite.md"))

    # ---- the ends ----------------------------------------------------------------------------------------

    def inputs(self, request: Request) -> None:
        shapes = _given_shapes(self.model, request.input_shapes)
        for index, given in zip(self.model.inputs, shapes, strict=True):
            tensor = self.model.tensors[index]
            try:
                self._known[index] = self._input(tensor, given)
            except Refusal as refusal:
                where = f"input '{tensor.name}' in {self.model.path.name}"
                self.problems.append(Problem(refusal.what, where, refusal.found, refusal.need, refusal.hint))
                self._known[index] = None

    def _input(self, tensor: Tensor, given: tuple[int, ...]) -> Known:
        sizes = given or _static(tensor)
        dtype = ir.DataType.FLOAT if is_quantized(tensor) else graph_type(tensor.type)
        value = ir.Value(name=self.builder.take(tensor.name), shape=ir.Shape(sizes), type=ir.TensorType(dtype))
        self.graph_inputs.append(value)
        if is_quantized(tensor):
            assert tensor.quantization is not None
            value = self.builder.quantized(value, tensor.name, tensor.type, tensor.quantization)
            value.name = self.builder.take(f"{tensor.name}/quantized")
        return Known(tensor, tuple(sizes), plain(len(sizes)), value)

    def outputs(self) -> list[ir.Value]:
        """The outputs of the graph, each a value of its own, in the tensor's order, named for it."""
        out: list[ir.Value] = []
        wanted = [i for i in self.model.outputs if i not in self._lost] + self._cut
        for index in dict.fromkeys(wanted):
            known = self._find(index)
            if known is None:
                continue
            since = len(self.builder.nodes)
            call = Call(self.builder, Operator(-1, "output", "", (index,), (index,), {}), [known], [known.tensor])
            value = call.plain(0)
            if known.is_constant or value in out or value in self.graph_inputs:
                value = call.emit("Identity", value)
            self._name(since, known.tensor)
            self._rename(value, known)
            out.append(value)
        if not out and not self.problems:
            where, need = str(self.model.path), "an output that depends on an input"
            self.problems.append(Problem("the model has no outputs", where, need=need))
        return out

    def _rename(self, value: ir.Value, known: Known) -> None:
        """Give a value the name of the tensor; what has it by now is the same tensor, its axes in another order."""
        name = known.tensor.name
        if value.name == name:
            return
        for node in self.builder.nodes:
            for other in node.outputs:
                if other.name == name:
                    other.name = self.builder.take(f"{name}/nchw")
        if all(v.name != name for v in (*self.graph_inputs, *self.builder.initializers)):
            value.name = name

    # ---- operators ---------------------------------------------------------------------------------------

    def operator(self, op: Operator) -> None:
        inputs = [self._find(i) if i >= 0 else None for i in op.inputs]
        is_broken = any(i >= 0 and known is None for i, known in zip(op.inputs, inputs, strict=True))
        if op.custom == CUT:
            self._cut_off(op)
        elif is_broken or op.name not in layers.table():
            self._known.update(dict.fromkeys(op.outputs))
        else:
            since = len(self.builder.nodes)
            tensors = [self.model.tensors[i] for i in op.outputs]
            try:
                self._convert(Call(self.builder, op, inputs, tensors), since)
            except Refusal as refusal:
                self._report(op, refusal)
                self._known.update(dict.fromkeys(op.outputs))

    def _convert(self, call: Call, since: int) -> None:
        found = layers.table()[call.op.name](call)
        made = list(found) if isinstance(found, (list, tuple)) else [cast(Made, found)]
        if len(made) != len(call.outputs):
            raise Refusal("an operator has the wrong number of outputs", len(call.outputs), f"{len(made)}")
        inputs = [call.input(i) for i in range(call.count) if call.has(i)]
        if inputs and all(k.is_constant and k.tensor.quantization is None for k in inputs):
            made = fold.fold(self.builder, made, since)
        for tensor, one in zip(call.outputs, made, strict=True):
            self._settle(call, tensor, one, since)

    def _settle(self, call: Call, tensor: Tensor, made: Made, since: int) -> None:
        """Enter what was made, in the tensor's type and quantization, under its name."""
        if isinstance(made, np.ndarray):
            self._known[tensor.index] = Known(tensor, made.shape, plain(made.ndim), array=made)
            return
        value, order = (made.value, made.order) if isinstance(made, Laid) else (made, None)
        sizes = graph.static_shape(value)
        assert sizes is not None
        order = plain(len(sizes)) if order is None else order
        is_real = is_quantized(tensor) or tensor.type in REALS
        kind = ir.DataType.FLOAT if is_real else graph_type(tensor.type)
        if value.dtype == ir.DataType.FLOAT and tensor.quantization is not None and not is_real:
            raise Refusal("an activation is quantized in a type that is not read", tensor.type, "u8, s8 or s16")
        if value.dtype != kind:
            value = call.emit("Cast", value, to=int(kind))
        if is_quantized(tensor):
            value = self._quantized(value, tensor, since)
        if value.name is None:
            value.name = self.builder.take(tensor.name)
        self._name(since, tensor)
        shape = tuple(sizes[order.index(axis)] for axis in range(len(order)))
        self._known[tensor.index] = Known(tensor, shape, order, value)

    def _quantized(self, value: ir.Value, tensor: Tensor, since: int) -> ir.Value:
        """The value behind its QuantizeLinear and DequantizeLinear."""
        how = tensor.quantization
        assert how is not None
        if how.is_per_channel:
            raise Refusal("an activation has a scale per channel", f"'{tensor.name}'", "one scale")
        self._name(since, tensor)
        value = self.builder.quantized(value, tensor.name, tensor.type, how)
        value.name = self.builder.take(tensor.name)
        return value

    def _name(self, since: int, tensor: Tensor) -> None:
        """Name what an operator has emitted for the tensor that it makes."""
        nodes = [node for node in self.builder.nodes[since:] if not node.name]
        main = next((node for node in nodes if node.op_type not in MOVES), nodes[0] if nodes else None)
        for node in nodes:
            what = node.op_type.lower()
            self.builder.name_node(node, tensor.name if node is main else f"{tensor.name}/{what}")
            for value in node.outputs:
                if value.name is None and (is_quantized(tensor) or node is not nodes[-1]):
                    value.name = self.builder.take(f"{tensor.name}/{what}")

    def _find(self, index: int) -> Known | None:
        """What is known of a tensor; a stored one is read when it is first needed."""
        if index not in self._known:
            tensor = self.model.tensors[index]
            try:
                stored = constants.zeros(tensor) if tensor.is_variable else constants.array(tensor)
                self._known[index] = Known(tensor, stored.shape, plain(stored.ndim), array=stored)
            except Refusal as refusal:
                where = f"tensor '{tensor.name}' in {self.model.path.name}"
                self.problems.append(Problem(refusal.what, where, refusal.found, refusal.need, refusal.hint))
                self._known[index] = None
        return self._known[index]

    def _cut_off(self, op: Operator) -> None:
        self._known.update(dict.fromkeys(op.outputs))
        self._lost.update(op.outputs)
        self._cut += op.inputs[:2]
        names = " and ".join(f"'{self.model.tensors[i].name}'" for i in op.inputs[:2])
        log.warning("%s: %s is cut off; outputs are %s, offsets and scores of boxes", self.model.path.name, CUT, names)

    def _report(self, op: Operator, refusal: Refusal) -> None:
        made = f" '{self.model.tensors[op.outputs[0]].name}'" if op.outputs else ""
        where = f"{op.custom or op.name}{made}, operator {op.index} in {self.model.path.name}"
        self.problems.append(Problem(refusal.what, where, refusal.found, refusal.need, refusal.hint))


def _static(tensor: Tensor) -> tuple[int, ...]:
    """The sizes of an input; an open batch is 1.

    Raises: Refusal: others are open, or they are none.
    """
    signature = tensor.signature or tensor.shape
    open_ = [axis for axis, size in enumerate(signature) if size < 1 and (axis > 0 or len(signature) < 2)]
    if open_:
        sizes = ", ".join("?" if axis in open_ else str(max(n, 1)) for axis, n in enumerate(signature))
        hint = f"INPUT_SHAPE: [[{sizes}]]"
        raise Refusal(OPEN, list(signature), "a number for every size but the batch", hint)
    return tuple(max(size, 1) for size in signature)


def _given_shapes(model: Model, given: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """INPUT_SHAPE by input, () where it says nothing; the last also serves later inputs of its rank."""
    out: list[tuple[int, ...]] = []
    problems = []
    for position, index in enumerate(model.inputs):
        tensor = model.tensors[index]
        rank = len(tensor.shape)
        shape = tuple(given[min(position, len(given) - 1)]) if given else ()
        fits = len(shape) == rank and min(shape, default=1) > 0
        if position < len(given) and shape and not fits:
            where, need = f"input '{tensor.name}'", f"{rank} positive sizes: {list(tensor.signature or tensor.shape)}"
            problems.append(Problem("INPUT_SHAPE does not fit an input", where, str(list(shape)), need))
        elif position < len(given):
            turned = asked.other_order(tensor.name, shape, tensor.signature or tensor.shape)
            problems += [turned] if turned else []
        is_open = position < len(given) or min(tensor.signature, default=1) < 1
        out.append(shape if fits and is_open else ())
    if problems:
        raise UsageError(problems=problems)
    return out
