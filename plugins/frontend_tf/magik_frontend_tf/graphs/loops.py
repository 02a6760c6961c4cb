"""Loops of ONNX as recurrences: what goes in at each step, what is carried on, what is collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from magik_core import graph

MAX_STEPS = 20_000
PASSING = frozenset({"Identity"})


class Unlike(Exception):
    """Why a loop is no recurrence over a sequence."""


@dataclass(frozen=True)
class State:
    """A value that is carried on: its first value outside, and before and after a step inside."""

    first: ir.Value
    before: ir.Value
    after: ir.Value
    last: ir.Value


@dataclass(frozen=True)
class Recurrence:
    """A loop that reads a sequence once, in order.

    Args:
        sequence: [time, batch, size], outside; x: its part at a step, inside.
        states: of reals that change; collected: (inside, outside) of what is put together over time.
    """

    node: ir.Node
    sequence: ir.Value
    x: ir.Value
    states: tuple[State, ...]
    collected: tuple[tuple[ir.Value, ir.Value], ...]
    constants: Mapping[ir.Value, ir.Value]

    @property
    def outputs(self) -> list[ir.Value]:
        return [v for v in self.node.outputs if v.uses() or v.is_graph_output()]


def recurrence(node: ir.Node) -> Recurrence:
    """A Loop or a Scan as a recurrence.

    Raises: Unlike: it is none.
    """
    body = node.attributes["body"].as_graph()
    return _scan(node, body) if node.op_type == "Scan" else _loop(node, body)


def _scan(node: ir.Node, body: ir.Graph) -> Recurrence:
    count = node.attributes["num_scan_inputs"].as_int()
    for key, value in node.attributes.items():
        if key.startswith("scan_") and any(value.as_ints()):
            raise Unlike("it does not walk forward along the first axis")
    carried = len(node.inputs) - count
    if count != 1:
        raise Unlike(f"it reads {count} sequences")
    states, fixed = _states(node, node.inputs[:carried], body.inputs[:carried], body.outputs[:carried])
    collected = zip(body.outputs[carried:], node.outputs[carried:], strict=True)
    sequence, x = node.inputs[carried], body.inputs[carried]
    assert sequence is not None
    return Recurrence(node, sequence, x, states, tuple(collected), fixed)


def _loop(node: ir.Node, body: ir.Graph) -> Recurrence:
    carried = len(node.inputs) - 2
    states, fixed = _states(node, node.inputs[2:], body.inputs[2:], body.outputs[1 : 1 + carried])
    inside = {v for inner in body for v in inner.outputs}
    reads = [n for n in body if n.op_type == "Gather" and n.inputs[0] not in inside and _is_sequence(n)]
    reads = [n for n in reads if n.inputs[0] not in set(body.inputs)]
    if len({(n.inputs[0], n.inputs[1]) for n in reads}) != 1:
        raise Unlike(f"it reads {len(reads)} sequences")
    read = reads[0]
    sequence = read.inputs[0]
    shape = graph.static_shape(sequence)
    if sequence is None or shape is None or read.inputs[1] is None:
        raise Unlike("the length of its sequence is not known")
    _check_steps(node, body, read.inputs[1], shape[0], fixed)
    collected = zip(body.outputs[1 + carried :], node.outputs[carried:], strict=True)
    return Recurrence(node, sequence, _part(read), states, tuple(collected), fixed)


def _part(read: ir.Node) -> ir.Value:
    """What a step reads, without an axis of time of size 1."""
    value = read.outputs[0]
    reader = graph.sole_consumer(value)
    axes = graph.constant(reader.inputs[1]) if reader is not None and reader.op_type == "Squeeze" else None
    return reader.outputs[0] if reader is not None and axes is not None and axes.tolist() == [0] else value


def _is_sequence(node: ir.Node) -> bool:
    return graph.attribute(node, "axis", 0) == 0 and graph.constant(node.inputs[0]) is None


def _states(
    node: ir.Node, first: Sequence[ir.Value | None], before: Sequence[ir.Value], after: Sequence[ir.Value]
) -> tuple[tuple[State, ...], dict[ir.Value, ir.Value]]:
    """The states of reals that change, and the values inside that are constants outside."""
    states, fixed = [], {}
    for begin, inner, end, last in zip(first, before, after, node.outputs, strict=False):
        assert begin is not None
        if _passed(end) is inner:
            fixed[inner] = begin
        elif begin.dtype is not None and begin.dtype.is_floating_point():
            states.append(State(begin, inner, end, last))
    return tuple(states), fixed


def _passed(value: ir.Value) -> ir.Value:
    """The value behind Identities."""
    producer = value.producer()
    while producer is not None and producer.op_type in PASSING and producer.inputs[0] is not None:
        value = producer.inputs[0]
        producer = value.producer()
    return value


def _check_steps(
    node: ir.Node, body: ir.Graph, index: ir.Value, length: int, fixed: Mapping[ir.Value, ir.Value]
) -> None:
    """Walk through the loop's counters: as many steps as the sequence is long, in its order.

    Raises: Unlike: they depend on something else, or are others.
    """
    most = graph.scalar(node.inputs[0])
    first_go = graph.scalar(node.inputs[1]) if node.inputs[1] is not None else 1.0
    counters = [(b, a, f) for f, b, a in zip(node.inputs[2:], body.inputs[2:], body.outputs[1:], strict=False)]
    whole = {b: (a, graph.constant(f)) for b, a, f in counters if f is not None and f.dtype in INTEGERS}
    if length > MAX_STEPS:
        raise Unlike(f"its sequence is longer than {MAX_STEPS}")
    if first_go == 0 or length == 0:
        raise Unlike("it never starts")
    iteration, going = body.inputs[0], body.inputs[1]
    now = {b: np.asarray(value) for b, (_, value) in whole.items() if value is not None}
    steps = Evaluator([index, body.outputs[0], *(whole[b][0] for b in now)], [iteration, going, *now], fixed)
    for step in range(length):
        found = steps.run([np.array(step, np.int64), np.array(True), *now.values()])
        if found[0].tolist() not in (step, [step]):
            raise Unlike(f"it reads part {found[0].tolist()} of its sequence at step {step}")
        now = dict(zip(now, found[2:], strict=True))
        is_last = step == length - 1
        if bool(np.all(found[1])) == is_last and not (is_last and most == length):
            raise Unlike("its number of steps is not the length of its sequence")


INTEGERS = frozenset({ir.DataType.INT32, ir.DataType.INT64})


class Evaluator:
    """Values inside of a body, computed in doubles by ONNX's own reference.

    Args: wanted: the values; given: those that are known at each run; fixed: those that are constants outside.
    """

    def __init__(
        self, wanted: Sequence[ir.Value], given: Sequence[ir.Value], fixed: Mapping[ir.Value, ir.Value]
    ) -> None:
        from onnx.reference import ReferenceEvaluator

        self.names: dict[ir.Value, str] = {}
        self.constants: dict[str, np.ndarray] = {}
        nodes = self._collect(wanted, given, fixed)
        model = onnx.helper.make_model(
            onnx.helper.make_graph(
                [self._proto(node) for node in nodes],
                "body",
                [onnx.helper.make_empty_tensor_value_info(self._name(v)) for v in given],
                [onnx.helper.make_empty_tensor_value_info(self._name(v)) for v in dict.fromkeys(wanted)],
                [onnx.numpy_helper.from_array(array, name) for name, array in self.constants.items()],
            ),
            opset_imports=[onnx.helper.make_opsetid("", graph.OPSET - 1)],
        )
        self.wanted = [self._name(v) for v in wanted]
        self.given = [self._name(v) for v in given]
        self.evaluator = ReferenceEvaluator(model)

    def run(self, values: Iterable[np.ndarray]) -> list[np.ndarray]:
        feeds = dict(zip(self.given, values, strict=True))
        try:
            return [np.asarray(v) for v in self.evaluator.run(self.wanted, feeds)]
        except Exception as error:  # whatever an operator of a hostile body makes of its inputs
            raise Unlike(
                f"a step cannot be computed: {str(error).splitlines()[0] if str(error) else error!r}"
            ) from None

    def _name(self, value: ir.Value) -> str:
        return self.names.setdefault(value, f"v{len(self.names)}")

    def _collect(
        self, wanted: Sequence[ir.Value], given: Sequence[ir.Value], fixed: Mapping[ir.Value, ir.Value]
    ) -> list[ir.Node]:
        """The nodes that the wanted values need, in order; constants are noted on the way."""
        order: dict[ir.Node, None] = {}
        waiting = [(v, False) for v in wanted]
        known = set(given)
        while waiting:
            value, is_done = waiting.pop()
            producer = value.producer()
            if value in known or (producer is not None and producer in order):
                continue
            array = graph.constant(fixed.get(value, value))
            if array is not None:
                self.constants[self._name(value)] = _doubled(array)
            elif producer is None or producer.op_type in ("Loop", "Scan", "If"):
                raise Unlike(f"a step needs '{value.name}', which is no constant")
            elif is_done:
                order[producer] = None
            else:
                waiting.append((value, True))
                waiting += [(v, False) for v in producer.inputs if v is not None]
            known.update([value] if array is not None else [])
        return list(order)

    def _proto(self, node: ir.Node) -> onnx.NodeProto:
        proto = onnx.NodeProto(op_type=node.op_type, name=node.name or "")
        proto.input.extend("" if v is None else self._name(v) for v in node.inputs)
        proto.output.extend(self._name(v) for v in node.outputs)
        proto.attribute.extend(ir.to_proto(node).attribute)
        for attribute in proto.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.DOUBLE
        return proto


def _doubled(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float64) if array.dtype.kind == "f" else np.asarray(array)
