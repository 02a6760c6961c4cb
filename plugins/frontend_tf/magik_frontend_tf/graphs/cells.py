"""What a step of a recurrence computes, found by trying: which gate is which, and their weights.

Everything is computed in doubles from the step's own nodes, so that no order of gates, no splitting or joining of
weights and no spelling of a bias matters; a guess counts if it holds for random inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import onnx_ir as ir

from magik_frontend_tf.graphs.loops import Evaluator, Recurrence, State, Unlike, _passed

ACTIVATIONS = frozenset({"Sigmoid", "Tanh", "Relu", "Softsign", "Softplus", "HardSigmoid", "Elu", "LeakyRelu"})
PLAIN = frozenset({"Sigmoid", "Tanh", "Relu", "Softsign", "Softplus"})  # that have no numbers of their own
TRIES = 24
CLOSE = 1e-9
MAX_UNITS = 8192  # a larger cell would need gigabytes to find its weights


@dataclass(frozen=True)
class Layer:
    """A node of ONNX: weights are [gates * units, size], in its order of gates."""

    op: str
    w: np.ndarray
    r: np.ndarray
    wb: np.ndarray
    rb: np.ndarray
    activations: tuple[str, ...]
    state_of: tuple[int, ...]  # which of the recurrence's states is h, and which c
    is_reset_after: bool = False


@dataclass(frozen=True)
class Gate:
    """One block of an activation: columns [begin, begin + units) of its node's input and output."""

    node: ir.Node
    begin: int


class Step:
    """Runs one step; inputs are the part of the sequence and the states."""

    def __init__(self, found: Recurrence) -> None:
        self.found = found
        self.states = [s for s in found.states if s.before.uses() or s.last.uses() or s.last.is_graph_output()]
        self.nodes = [n for n in found.node.attributes["body"].as_graph() if n.op_type in ACTIVATIONS]
        self.units = [_last(s.first) for s in self.states]
        self.size = _last(found.sequence)
        self.given = [found.x, *(s.before for s in self.states)]
        if len(set(self.units)) != 1 or max(self.size, *self.units) > MAX_UNITS:
            raise Unlike("its states are of different sizes, or too large")

    def run(self, wanted: Sequence[ir.Value], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Values for many inputs at once, [rows, ...] each; row by row where the body is made for one."""
        evaluator = Evaluator(wanted, self.given, self.found.constants)
        rows = len(inputs[0])
        try:
            out = evaluator.run(inputs)
            if all(len(v) == rows for v in out):
                return out
        except (Unlike, TypeError):
            pass
        parts = [evaluator.run([x[i : i + 1] for x in inputs]) for i in range(rows)]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def random(self, rows: int) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.uniform(-1, 1, (rows, n)) for n in (self.size, *self.units)]

    def zeros(self, rows: int) -> list[np.ndarray]:
        return [np.zeros((rows, n)) for n in (self.size, *self.units)]


def _last(value: ir.Value) -> int:
    size = value.shape[-1] if value.shape is not None and len(value.shape) else None
    if not isinstance(size, int) or size < 1:
        raise Unlike("a size is not known")
    return size


def recognize(found: Recurrence) -> Layer:
    """The layer that a recurrence is.

    Raises: Unlike: it is none that ONNX has.
    """
    step = Step(found)
    makers: dict[int, tuple[Callable[[Step], Layer | None], ...]] = {1: (gru, simple), 2: (lstm,)}
    for maker in makers.get(len(step.states), ()):
        layer = maker(step)
        if layer is not None:
            return layer
    raise Unlike(f"its step of {len(step.states)} states is no LSTM, GRU or simple cell")


def gates(step: Step, count: int) -> list[Gate] | None:
    """The blocks of activations that could be gates: of as many as a layer has, and of its size."""
    blocks = []
    for node in step.nodes:
        (value,) = node.outputs
        try:
            columns = step.run([value], step.random(2))[0].shape[-1]
        except Unlike:
            continue
        blocks += [Gate(node, begin) for begin in range(0, columns - step.units[0] + 1, step.units[0])]
    return blocks if count <= len(blocks) <= count + 1 else None


def values(step: Step, blocks: Sequence[Gate], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What the gates are."""
    out = step.run([g.node.outputs[0] for g in blocks], inputs)
    return [v[:, g.begin : g.begin + step.units[0]] for v, g in zip(out, blocks, strict=True)]


def sums(step: Step, gate: Gate, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """What a gate's activation is applied to."""
    (value,) = gate.node.inputs
    assert value is not None
    return step.run([value], inputs)[0][:, gate.begin : gate.begin + step.units[0]]


def affine(step: Step, gate: Gate, h: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """W, R and b of a gate that is activation(W x + R h + b), or None.

    Args: h: which input of the step the state is.
    """
    n, units = step.size, step.units[0]
    inputs = step.zeros(1 + n + units)
    inputs[0][1 : 1 + n] = np.eye(n)
    inputs[h][1 + n :] = np.eye(units)
    found = sums(step, gate, inputs)
    b, w, r = found[0], (found[1 : 1 + n] - found[0]).T, (found[1 + n :] - found[0]).T
    tried = step.random(TRIES)
    return (w, r, b) if close(tried[0] @ w.T + tried[h] @ r.T + b, sums(step, gate, tried)) else None


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=CLOSE, atol=CLOSE))


def lstm(step: Step) -> Layer | None:
    """c' = f c + i g and h' = o activation(c')."""
    blocks = gates(step, 5)
    if blocks is None:
        return None
    tried = step.random(TRIES)
    known = values(step, blocks, tried)
    for ic, ih in ((0, 1), (1, 0)):
        cell, state = step.states[ic], step.states[ih]
        after = step.run([cell.after, state.after], tried)
        for i, f, g, o, last in permutations(range(len(blocks)), 5):
            is_cell = close(after[0], known[f] * tried[1 + ic] + known[i] * known[g])
            is_shown = is_cell and close(after[1], known[o] * known[last]) and _reads(blocks[last].node, cell)
            layer = _lstm(step, [blocks[k] for k in (i, o, f, g)], blocks[last], ih, ic) if is_shown else None
            if layer is not None:  # i and g may be the wrong way round: their product is the same
                return layer
    return None


def _reads(node: ir.Node, cell: State) -> bool:
    value = node.inputs[0]
    return value is not None and _passed(value) is _passed(cell.after)


def _lstm(step: Step, blocks: list[Gate], last: Gate, ih: int, ic: int) -> Layer | None:
    i, o, f, g = blocks
    if len({b.node.op_type for b in (i, o, f)}) != 1 or not {b.node.op_type for b in (*blocks, last)} <= PLAIN:
        return None
    parts = [affine(step, block, 1 + ih) for block in blocks]
    found = [p for p in parts if p is not None]
    if len(found) < len(parts):
        return None
    kinds = (i.node.op_type, g.node.op_type, last.node.op_type)
    w, r, b = (np.concatenate(part) for part in zip(*found, strict=True))
    return Layer("LSTM", w, r, b, np.zeros_like(b), kinds, (ih, ic))


def gru(step: Step) -> Layer | None:
    """h' = z h + (1 - z) n, or the other way round, n made from a reset state."""
    blocks = gates(step, 3)
    if blocks is None or len(blocks) != 3:
        return None
    tried = step.random(TRIES)
    known, h = values(step, blocks, tried), tried[1]
    (after,) = step.run([step.states[0].after], tried)
    for z, reset, n in permutations(range(3)):
        is_kept = close(after, known[z] * h + (1 - known[z]) * known[n])
        is_turned = close(after, known[z] * known[n] + (1 - known[z]) * h)
        if is_kept or (is_turned and blocks[z].node.op_type == "Sigmoid"):
            layer = _gru(step, blocks[z], blocks[reset], blocks[n], -1.0 if is_turned else 1.0)
            if layer is not None:
                return layer
    return None


def _gru(step: Step, z: Gate, reset: Gate, n: Gate, sign: float) -> Layer | None:
    """A GRU; `sign` is -1 where the update gate is one minus ONNX's."""
    kinds = (z.node.op_type, n.node.op_type)
    first, second = affine(step, z, 1), affine(step, reset, 1)
    if z.node.op_type != reset.node.op_type or not set(kinds) <= PLAIN or first is None or second is None:
        return None
    for candidate in (_reset_before, _reset_after):
        found = candidate(step, n, reset)
        if found is not None:
            w, r, wb, rb = found
            zero = np.zeros_like(second[2])
            return Layer(
                "GRU",
                np.concatenate([sign * first[0], second[0], w]),
                np.concatenate([sign * first[1], second[1], r]),
                np.concatenate([sign * first[2], second[2], wb]),
                np.concatenate([zero, zero, rb]),
                kinds,
                (0,),
                candidate is _reset_after,
            )
    return None


Candidate = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _probes(step: Step, scale: float) -> list[np.ndarray]:
    """No input and no state, each input alone, each state alone."""
    n, units = step.size, step.units[0]
    inputs = step.zeros(1 + n + units)
    inputs[0][1 : 1 + n] = np.eye(n)
    inputs[1][1 + n :] = scale * np.eye(units)
    return inputs


def _reset_before(step: Step, gate: Gate, reset: Gate) -> Candidate | None:
    """W x + R (r h) + b."""
    n, inputs = step.size, _probes(step, 1.0)
    found, r = sums(step, gate, inputs), values(step, [reset], inputs)[0]
    b, w = found[0], (found[1 : 1 + n] - found[0]).T
    own = np.diagonal(r[1 + n :])  # of the unit that is not zero
    if np.any(own == 0):
        return None
    back = ((found[1 + n :] - found[0]) / own[:, None]).T
    tried = step.random(TRIES)
    r = values(step, [reset], tried)[0]
    fits = close(tried[0] @ w.T + (r * tried[1]) @ back.T + b, sums(step, gate, tried))
    return (w, back, b, np.zeros_like(b)) if fits else None


def _reset_after(step: Step, gate: Gate, reset: Gate) -> Candidate | None:
    """W x + b + r (R h + c); b and c are told apart by states in which r differs."""
    n, inputs = step.size, _probes(step, 1.0)
    found, r = sums(step, gate, inputs), values(step, [reset], inputs)[0]
    b, c = _two_biases(step, gate, reset)
    w = (found[1 : 1 + n] - b - r[1 : 1 + n] * c).T
    if np.any(r[1 + n :] == 0):
        return None
    back = ((found[1 + n :] - b) / r[1 + n :] - c).T
    tried = step.random(TRIES)
    r = values(step, [reset], tried)[0]
    fits = close(tried[0] @ w.T + b + r * (tried[1] @ back.T + c), sums(step, gate, tried))
    return (w, back, b, c) if fits else None


def _two_biases(step: Step, gate: Gate, reset: Gate) -> tuple[np.ndarray, np.ndarray]:
    """b and c of b + r (R h + c), from states along one line: per unit b + r c + r s d with s known."""
    scales = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0])
    inputs = step.zeros(len(scales))
    inputs[1] += scales[:, None]
    found, r = sums(step, gate, inputs), values(step, [reset], inputs)[0]
    b, c = np.empty(step.units[0]), np.empty(step.units[0])
    for unit in range(step.units[0]):
        columns = np.stack([np.ones_like(scales), r[:, unit], r[:, unit] * scales], axis=1)
        b[unit], c[unit] = np.linalg.lstsq(columns, found[:, unit], rcond=None)[0][:2]
    return b, c


def simple(step: Step) -> Layer | None:
    """h' = activation(W x + R h + b)."""
    blocks = gates(step, 1)
    if blocks is None or len(blocks) != 1 or blocks[0].node.op_type not in PLAIN:
        return None
    found = affine(step, blocks[0], 1)
    tried = step.random(TRIES)
    after = step.run([step.states[0].after], tried)[0]
    if found is None or not close(after, values(step, blocks, tried)[0]):
        return None
    w, r, b = found
    return Layer("RNN", w, r, b, np.zeros_like(b), (blocks[0].node.op_type,), (0,))
