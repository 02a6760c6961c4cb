"""What a model is made of and what it costs: the values behind `magik inspect` and the HTML page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from magik_core.legalize import weight_bytes
from magik_core.live import lives
from magik_core.plan import Plan
from magik_core.program import Program, QuantParams, Shape, Step, Tensor, WeightParams
from magik_core.weights import RECURRENT, WITH_WEIGHTS

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Port:
    """A tensor as a step sees it; `bits` is 0 without quantization, `color` that of an image input.

    A source model may leave sizes open: such a size is -1, and an unknown shape is None.
    """

    name: str
    shape: Shape | None
    dtype: str
    bits: int = 0
    is_constant: bool = False
    color: str = ""


@dataclass(frozen=True)
class Row:
    """One step.

    Args:
        kernel: the C function; empty for a node of a source model.
        dtype, bits: of the first output.
        params: elements of the constants that it reads; weight_bytes: their size.
        macs: multiply-accumulates; activation_bytes: read and written, views included.
    """

    name: str
    op: str
    kernel: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    dtype: str
    bits: int
    params: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    is_float: bool


@dataclass(frozen=True)
class OpTotal:
    """All steps of one operator."""

    op: str
    steps: int
    macs: int
    weight_bytes: int


@dataclass(frozen=True)
class Slot:
    """One activation in the arena: [offset, offset + nbytes) from step `first` to step `last`.

    `first` is -1 for an input (filled before step 0), `last` the number of steps for an output (read
    after the last). `shares` names the other tensors of its storage group.
    """

    tensor: str
    offset: int
    nbytes: int
    first: int
    last: int
    shape: Shape
    dtype: str
    shares: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """A number that was measured for each step; note ends so that "step" can follow."""

    title: str
    note: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Description:
    """A program with its memory plan, or a source model, which has none.

    Args:
        kind: "program" or "graph"; states: what is carried from run to run.
        params: elements of all constants, each counted once; weight_bytes: as stored.
        arena_bytes, lower_bound: peak of the memory plan and what no plan can be below; None for a graph.
    """

    name: str
    kind: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    rows: tuple[Row, ...]
    macs: int
    params: int
    weight_bytes: int
    float_steps: int
    ops: tuple[OpTotal, ...]
    arena_bytes: int | None = None
    lower_bound: int | None = None
    memory: tuple[Slot, ...] = ()
    states: tuple[Port, ...] = ()

    @classmethod
    def of(cls, program: Program, plan: Plan) -> Description:
        """Describe a program and where its tensors lie."""
        rows = tuple(_row(program, step) for step in program.steps)
        return cls(
            name=program.name,
            kind="program",
            inputs=tuple(_port(program.tensors[name], program.colors.get(name, "")) for name in program.inputs),
            outputs=tuple(_port(program.tensors[name]) for name in program.outputs),
            rows=rows,
            macs=sum(row.macs for row in rows),
            params=sum(t.count for t in program.tensors.values() if t.is_constant),
            weight_bytes=weight_bytes(program),
            float_steps=sum(row.is_float for row in rows),
            ops=_ops(rows),
            arena_bytes=plan.arena_bytes,
            lower_bound=plan.lower_bound,
            memory=_memory(program, plan),
            states=tuple(_port(program.tensors[state.before]) for state in program.states),
        )

    @property
    def has_open_sizes(self) -> bool:
        """Whether some sizes are unknown, so that the totals are less than the model needs."""
        return any(not _is_known(port) for row in self.rows for port in (*row.inputs, *row.outputs))

    @property
    def arena_excess(self) -> float:
        """How far the arena is above its lower bound: 0.02 is two percent."""
        if not self.arena_bytes or not self.lower_bound:
            return 0.0
        return self.arena_bytes / self.lower_bound - 1

    def to_json(self) -> str:
        """The whole description as JSON text; the same description gives the same text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


def live_bytes(description: Description) -> list[int]:
    """Bytes of the arena that hold something, before the first step, at each step and after the last."""
    out = []
    for moment in range(-1, len(description.rows) + 1):
        spans = sorted((s.offset, s.offset + s.nbytes) for s in description.memory if s.first <= moment <= s.last)
        total = top = 0
        for low, high in spans:
            total += max(0, high - max(low, top))
            top = max(top, high)
        out.append(total)
    return out


def short_bytes(count: int) -> str:
    """`1536` -> `1.5 KiB`: at most four digits."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1000:
            break
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:.3g} {unit}"


def _row(program: Program, step: Step) -> Row:
    x, y = program.reads(step), program.writes(step)
    kernel = step.op.kernel(x, y)
    constants = [t for t in dict.fromkeys(x) if t.is_constant]
    activations = [t for t in dict.fromkeys(x) if not t.is_constant] + list(y)
    first = _port(y[0]) if y else Port("", (), "")
    return Row(
        name=step.name,
        op=type(step.op).__name__,
        kernel=kernel,
        inputs=tuple(_port(t) for t in x),
        outputs=tuple(_port(t) for t in y),
        dtype=first.dtype,
        bits=first.bits,
        params=sum(t.count for t in constants),
        macs=step.op.macs(x, y),
        weight_bytes=sum(t.nbytes for t in constants),
        activation_bytes=sum(t.nbytes for t in activations),
        is_float=kernel.endswith("_f32"),
    )


def _port(tensor: Tensor, color: str = "") -> Port:
    bits = tensor.quant.bits if isinstance(tensor.quant, QuantParams | WeightParams) else 0
    return Port(tensor.name, tensor.shape, tensor.dtype, bits, tensor.is_constant, color)


def _ops(rows: Iterable[Row]) -> tuple[OpTotal, ...]:
    """Totals by operator, the one with most multiply-accumulates first."""
    totals: dict[str, OpTotal] = {}
    for row in rows:
        old = totals.get(row.op, OpTotal(row.op, 0, 0, 0))
        totals[row.op] = OpTotal(row.op, old.steps + 1, old.macs + row.macs, old.weight_bytes + row.weight_bytes)
    return tuple(sorted(totals.values(), key=lambda t: (-t.macs, -t.steps, t.op)))


def _memory(program: Program, plan: Plan) -> tuple[Slot, ...]:
    group_of = {name: group for group in plan.groups for name in group}
    out = []
    for name, life in lives(program).items():
        t = program.tensors[name]
        shares = tuple(other for other in group_of.get(name, ()) if other != name)
        out.append(Slot(name, plan.offsets[name], t.nbytes, *life, t.shape, t.dtype, shares))
    return tuple(out)


def describe_graph(model: ir.Model) -> Description:
    """Describe a float graph: every node, subgraphs included; sizes that the model leaves open are -1."""
    import onnx_ir as ir

    graph = model.graph
    rows = tuple(_node_row(node) for node in ir.traversal.RecursiveGraphIterator(graph) if node.op_type != "Constant")
    constants = {v.name: v for v in graph.initializers.values()}
    return Description(
        name=graph.name or "graph",
        kind="graph",
        inputs=tuple(_value_port(v) for v in graph.inputs if v.name not in constants),
        outputs=tuple(_value_port(v) for v in graph.outputs),
        rows=rows,
        macs=sum(row.macs for row in rows),
        params=sum(_elements(_value_port(v)) for v in constants.values()),
        weight_bytes=sum(_nbytes(v) for v in constants.values()),
        float_steps=sum(row.is_float for row in rows),
        ops=_ops(rows),
    )


def _node_row(node: ir.Node) -> Row:
    x = [v for v in dict.fromkeys(node.inputs) if v is not None]
    y = [v for v in node.outputs if v.name]
    constants = [v for v in x if v.const_value is not None]
    inputs = tuple(_value_port(v) for v in node.inputs if v is not None)
    outputs = tuple(_value_port(v) for v in y)
    return Row(
        name=node.name or (outputs[0].name if outputs else node.op_type),
        op=node.op_type,
        kernel="",
        inputs=inputs,
        outputs=outputs,
        dtype=outputs[0].dtype if outputs else "",
        bits=0,
        params=sum(_elements(_value_port(v)) for v in constants),
        macs=_node_macs(node.op_type, inputs, outputs, _attributes(node)),
        weight_bytes=sum(_nbytes(v) for v in constants),
        activation_bytes=sum(_nbytes(v) for v in [*x, *y] if v.const_value is None),
        is_float=bool(y) and y[0].dtype is not None and y[0].dtype.is_floating_point(),
    )


def _attributes(node: ir.Node) -> Mapping[str, object]:
    return {name: item.value for name, item in node.attributes.items()}


def _value_port(value: ir.Value) -> Port:
    shape = None if value.shape is None else tuple(d if isinstance(d, int) else -1 for d in value.shape)
    dtype = "" if value.dtype is None else value.dtype.short_name()
    return Port(value.name or "", shape, dtype, 0, value.const_value is not None)


def _is_known(port: Port) -> bool:
    return port.shape is not None and -1 not in port.shape


def _elements(port: Port) -> int:
    return math.prod(port.shape or ()) if _is_known(port) else 0


def _nbytes(value: ir.Value) -> int:
    if value.dtype is None or value.dtype.name in ("STRING", "UNDEFINED"):
        return 0
    return -(-_elements(_value_port(value)) * value.dtype.bitwidth // 8)


def _node_macs(op: str, x: tuple[Port, ...], y: tuple[Port, ...], attributes: Mapping[str, object]) -> int:
    """Multiply-accumulates of the operators that have any; 0 where a size is not known."""
    if op not in WITH_WEIGHTS or not all(map(_is_known, (*x[:3], *y[:1]))):
        return 0
    x_shape, w_shape = x[0].shape or (1,), x[1].shape or (1,)
    if op == "Conv":  # every output takes one window of all input channels of its group
        return _elements(y[0]) * math.prod(w_shape[1:])
    if op == "ConvTranspose":  # every input spreads over one window of all output channels of its group
        return _elements(x[0]) * math.prod(w_shape[1:])
    if op in RECURRENT:  # every time of every sequence takes W and R
        return math.prod(x_shape[:2]) * (_elements(x[1]) + _elements(x[2]))
    return _elements(y[0]) * x_shape[0 if attributes.get("transA") else -1]
