"""Recurrent layers, each an ONNX LSTM, GRU or RNN, in one or two directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from magik_frontend_tf.keras_files.call import FLOAT, Call, f32, ints
from magik_frontend_tf.keras_files.layers.activations import hard_slope
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.source import Layer
from magik_frontend_tf.keras_files.tensor import Order, Tensor

# class -> operator, where ONNX's gates lie among Keras's: i f c o is i o f c; z r h is the same
KINDS: dict[str, tuple[str, tuple[int, ...]]] = {
    "LSTM": ("LSTM", (0, 3, 1, 2)),
    "GRU": ("GRU", (0, 1, 2)),
    "SimpleRNN": ("RNN", (0,)),
}
TIME: Order = (1, 0, 2)  # time before batch, as ONNX has them
ACTIVATIONS: dict[str, tuple[str, float, float]] = {  # operator, alpha and beta, 0 where it has none
    "tanh": ("Tanh", 0, 0),
    "sigmoid": ("Sigmoid", 0, 0),
    "relu": ("Relu", 0, 0),
    "linear": ("Affine", 1, 0),
    "softsign": ("Softsign", 0, 0),
    "softplus": ("Softplus", 0, 0),
    "elu": ("Elu", 1, 0),
    "leaky_relu": ("LeakyRelu", 0.2, 0),
}
REFUSED = ("time_major",)


@dataclass(frozen=True)
class Cell:
    """One direction: w [gates, in], r [gates, units], b [2 * gates], and ONNX's attributes."""

    op: str
    units: int
    w: np.ndarray
    r: np.ndarray
    b: np.ndarray
    activations: tuple[tuple[str, float, float], ...]
    attributes: dict[str, Any] = field(default_factory=dict)


def cell_of(c: Call, held: Layer) -> Cell:
    """Read the weights and the configuration of a layer or cell."""
    own = Call(c.builder, held, c.path, c.args, c.kwargs, c.version, c.run, {})
    op, order = KINDS[held.kind.removesuffix("Cell")]
    for key in REFUSED:
        if own.flag(key):
            raise Refusal(f"{key} of the layer is not supported", "True", "False")
    units, count = own.integer("units"), len(order)
    w = own.weight(0, [None, count * units], "kernel")
    r = own.weight(1, [units, count * units], "recurrent kernel")
    names = [_activation(own, "activation", "tanh")]
    if op != "RNN":
        names.insert(0, _activation(own, "recurrent_activation", "sigmoid" if c.version > 2 else "hard_sigmoid"))
    if op == "LSTM":
        names.append(names[-1])
    bias = np.zeros((2, count * units), np.float32)
    extra: dict[str, Any] = {}
    is_after = op == "GRU" and own.flag("reset_after", c.version > 2)
    if is_after:
        extra["linear_before_reset"] = 1
    if own.flag("use_bias", True):
        if is_after:
            bias = own.weight(2, [2, count * units], "bias")
        else:
            bias[0] = own.weight(2, [count * units], "bias")
    ordered = [_gates(a.T, order) for a in (w, r)]
    both = np.concatenate([_gates(half, order) for half in bias])
    return Cell(op, units, ordered[0], ordered[1], both, tuple(names), extra)


def _gates(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    parts = array.reshape(len(order), -1, *array.shape[1:])
    return np.ascontiguousarray(parts[list(order)].reshape(array.shape))


def _activation(c: Call, key: str, default: str) -> tuple[str, float, float]:
    name = c.config.get(key, default) or "linear"
    if isinstance(name, dict):
        name = name.get("config")
    if name == "hard_sigmoid":
        return "HardSigmoid", hard_slope(c.version), 0.5
    if name not in ACTIVATIONS:
        need = f"one of: hard_sigmoid, {', '.join(ACTIVATIONS)}"
        raise Refusal(f"{key} of a recurrent layer is not supported", str(name)[:80], need)
    return ACTIVATIONS[name]


def _attributes(cells: Sequence[Cell]) -> dict[str, Any]:
    found = [one for cell in cells for one in cell.activations]
    out: dict[str, Any] = {"hidden_size": cells[0].units, **cells[0].attributes}
    default = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[cells[0].op]
    if [name for name, _, _ in found] != default * len(cells):
        out["activations"] = [name for name, _, _ in found]
        with_alpha = [a for n, a, _ in found if n in ("HardSigmoid", "Affine", "Elu", "LeakyRelu")]
        with_beta = [b for n, _, b in found if n in ("HardSigmoid", "Affine")]
        out.update({"activation_alpha": with_alpha} if with_alpha else {})
        out.update({"activation_beta": with_beta} if with_beta else {})
    return out


@dataclass
class Run:
    """What a recurrent node made: the sequence [time, directions, batch, units], and the last states."""

    sequence: str
    states: list[str]  # each [directions, batch, units]


def run(c: Call, x: Tensor, cells: Sequence[Cell], states: Sequence[Tensor], direction: str) -> Run:
    """states: of the first direction, then of the second; as Keras has them."""
    op, count = cells[0].op, 2 if cells[0].op == "LSTM" else 1
    if len({(cell.op, cell.units, cell.w.shape, tuple(cell.attributes)) for cell in cells}) != 1:
        raise Refusal("the two directions of the layer differ", [cell.op for cell in cells])
    if len(states) not in (0, count * len(cells)):
        raise Refusal("the layer has another number of states", len(states), str(count * len(cells)))
    first = []
    for i in range(count if states else 0):
        parts = [c.emit("Unsqueeze", c.plain(states[i + count * d]), ints(0)) for d in range(len(cells))]
        first.append(parts[0] if len(parts) == 1 else c.emit("Concat", *parts, axis=0))
    weights = [c.stored(k, np.stack([getattr(cell, k) for cell in cells])) for k in ("w", "r", "b")]
    names = c.emit_many(
        op, 1 + count, c.form(x, TIME), *weights, *(["", *first] if first else []),
        direction=direction if direction != "forward" else None, **_attributes(cells),
    )  # fmt: skip
    return Run(names[0], names[1:])


def sequence(c: Call, made: Run, direction: int, count: int) -> Tensor:
    """The outputs of one direction at all times."""
    y = made.sequence
    if count > 1:
        y = c.emit("Gather", y, np.array(direction, np.int64), axis=1)
        return c.tensor(y, TIME)
    return c.tensor(c.emit("Squeeze", y, ints(1)), TIME)


def last(c: Call, state: str, direction: int, count: int) -> Tensor:
    """A last state of one direction."""
    if count > 1:
        return c.tensor(c.emit("Gather", state, np.array(direction, np.int64), axis=0))
    return c.tensor(c.emit("Squeeze", state, ints(0)))


def reverse(c: Call, x: Tensor) -> Tensor:
    """The times from the last to the first."""
    least = -(1 << 62)
    return c.each(x, "Slice", ints(-1), ints(least), ints(x.order.index(1)), ints(-1))


@layer("LSTM", "GRU", "SimpleRNN", "RNN")
def recurrent(c: Call) -> list[Tensor]:
    """One layer, or the cells of an RNN as layers upon each other."""
    c.only("initial_state")
    inputs = c.inputs
    cells = [cell_of(c, held) for held in _cells(c)]
    x, given = inputs[0], inputs[1:]
    if x.rank != 3:
        raise Refusal("the layer does not fit its input", list(c.shape(x)), "3 axes")
    is_last_only, is_back = not c.flag("return_sequences"), c.flag("go_backwards")
    counts = [2 if cell.op == "LSTM" else 1 for cell in cells]
    if given and len(given) != sum(counts):
        raise Refusal("the layer has another number of states", len(given), str(sum(counts)))
    if c.flag("stateful"):
        given = _state_inputs(c, x, cells)
    if is_back and len(cells) > 1:
        x, is_back = reverse(c, x), False
    ends: list[Tensor] = []
    for number, (cell, count) in enumerate(zip(cells, counts, strict=True)):
        at = sum(counts[:number])
        part = Call(c.builder, c.layer, c.path, c.args, c.kwargs, c.version, c.run, {}) if number else c
        made = run(part, x, [cell], given[at : at + count] if given else [], "reverse" if is_back else "forward")
        ends += [last(c, state, 0, 1) for state in made.states]
        is_end = number == len(cells) - 1
        x = ends[at] if is_end and is_last_only else sequence(c, made, 0, 1)
    if is_back and not is_last_only:
        x = reverse(c, x)
    if c.flag("stateful"):
        c.builder.states += [(f"{c.path}/{_state_name(i)}_out", end) for i, end in enumerate(ends)]
    return [x, *ends] if c.flag("return_state") else [x]


def _cells(c: Call) -> Sequence[Layer]:
    if c.layer.kind != "RNN":
        return (c.layer,)
    unknown = [held.kind for held in c.layer.inner if held.kind.removesuffix("Cell") not in KINDS]
    if unknown or not c.layer.inner:
        raise Refusal("a cell is not supported", ", ".join(unknown) or "none", "LSTMCell, GRUCell or SimpleRNNCell")
    return c.layer.inner


def _state_inputs(c: Call, x: Tensor, cells: Sequence[Cell]) -> list[Tensor]:
    """Inputs of the graph for what the layer keeps between runs."""
    batch = c.static(x, 0)
    out: list[Tensor] = []
    for cell in cells:
        for _ in range(2 if cell.op == "LSTM" else 1):
            name = c.builder.add_input(f"{c.path}/{_state_name(len(out))}_in", FLOAT, (batch, cell.units))
            out.append(c.tensor(name))
    return out


def _state_name(number: int) -> str:
    return "hcde"[number] if number < 2 else f"state{number}"


@layer("Bidirectional")
def bidirectional(c: Call) -> list[Tensor]:
    """One node of two directions; the outputs of both joined as merge_mode says."""
    c.only("initial_state")
    forward, backward = c.layer.inner
    for held in c.layer.inner:
        if held.kind not in KINDS or held.config.get("stateful"):
            found = f"{held.kind}{' that is stateful' * bool(held.config.get('stateful'))}"
            raise Refusal("a wrapped layer is not supported", found, f"one of: {', '.join(KINDS)}, not stateful")
    if forward.config.get("go_backwards") or not backward.config.get("go_backwards"):
        raise Refusal("the first layer of the two runs backward", forward.name, "the first one forward")
    mode = c.config.get("merge_mode", "concat")
    x, states = c.inputs[0], c.inputs[1:]
    made = run(c, x, [cell_of(c, held) for held in (forward, backward)], states, "bidirectional")
    if forward.config.get("return_sequences"):
        merged = _merged_sequences(c, made, mode)
    else:
        merged = _merged(c, [last(c, made.states[0], d, 2) for d in range(2)], mode)
    if not forward.config.get("return_state"):
        return merged
    return [*merged, *(last(c, state, d, 2) for d in range(2) for state in made.states)]


def _merged_sequences(c: Call, made: Run, mode: object) -> list[Tensor]:
    if mode != "concat":
        return _merged(c, [sequence(c, made, d, 2) for d in range(2)], mode)
    units = c.builder.shape(made.sequence)[3]
    both = c.emit("Transpose", made.sequence, perm=[0, 2, 1, 3])  # time, batch, directions, units
    return [c.tensor(c.emit("Reshape", both, ints(0, 0, 2 * int(units or 0))), TIME)]


def _merged(c: Call, pair: Sequence[Tensor], mode: object) -> list[Tensor]:
    order = pair[0].order
    names = [c.form(tensor, order) for tensor in pair]
    if mode is None:
        return list(pair)
    if mode == "concat":
        return [c.tensor(c.emit("Concat", *names, axis=len(order) - 1), order)]
    if mode == "ave":
        return [c.tensor(c.emit("Mul", c.emit("Add", *names), f32(0.5)), order)]
    if mode not in ("sum", "mul"):
        raise Refusal("merge_mode of the layer is not supported", repr(mode)[:80], "concat, sum, mul, ave or null")
    return [c.tensor(c.emit("Add" if mode == "sum" else "Mul", *names), order)]
