"""Fourier transforms as products with constant matrices: complex tensors become pairs of real ones.

A spectrum's phase can only be used as DTLN and its kin do, in exp(i * phase): it is then the spectrum over its
magnitude, and no angle is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from magik_core.errors import ModelError, Problem
from magik_core.naming import free_name
from magik_frontend_tf.graphs.cutting import inferred_shapes
from magik_frontend_tf.graphs.net import Net, const_node, constant, data_inputs, make_node, tensor_of

FLOAT, COMPLEX = 1, 8  # DT_FLOAT, DT_COMPLEX64
COMPLEX_OPS = frozenset({"Angle", "Complex", "ComplexAbs", "Conj", "IRFFT", "Imag", "RFFT", "Real"})
TINY = 1e-30  # below it a magnitude counts as zero, which has no direction
MAX_LENGTH = 8192  # a matrix of that many squared is 256 MiB


@dataclass(frozen=True)
class Pair:
    """A complex tensor; `angle_of` is the one whose phase its imaginary part is."""

    re: str
    im: str
    angle_of: Pair | None = None


@dataclass
class Rewrite:
    """What is known while the nodes are walked in order of execution."""

    net: Net
    pairs: dict[str, Pair] = field(default_factory=dict)
    angles: dict[str, Pair] = field(default_factory=dict)

    def add(self, after: str, op: str, *inputs: str) -> str:
        """A node of reals; returns its tensor."""
        name = free_name(f"{after}/{op.lower()}", self.net.nodes)
        self.net.nodes[name] = make_node(name, op, inputs, T=FLOAT)
        return f"{name}:0"

    def const(self, after: str, array: np.ndarray | float) -> str:
        name = free_name(f"{after}/const", self.net.nodes)
        self.net.nodes[name] = const_node(name, np.asarray(array, np.float32))
        return f"{name}:0"

    def pair(self, ref: str) -> Pair:
        """A complex tensor, or a constant one."""
        if tensor_of(ref) not in self.pairs:
            array = constant(self.net.nodes, ref)
            if array is None:
                raise KeyError(ref)
            name = tensor_of(ref).partition(":")[0]
            self.pairs[tensor_of(ref)] = Pair(self.const(name, array.real), self.const(name, array.imag))
        return self.pairs[tensor_of(ref)]


Rule = Callable[[Rewrite, Any], "Pair | str | None"]
RULES: dict[str, Rule] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def rewrite(net: Net) -> None:
    """Replace complex numbers by pairs of reals.

    Raises: ModelError: nodes on complex numbers for which there is no rule.
    """
    if not any(n.op in ("RFFT", "IRFFT", "Complex") for n in net.nodes.values()):
        return
    state, problems = Rewrite(net), []
    for node in _ordered(net):
        is_complex = node.op in COMPLEX_OPS or any(a.type == COMPLEX for a in node.attr.values())
        reads = {tensor_of(ref) for ref in data_inputs(node)} & (state.pairs.keys() | state.angles.keys())
        if node.op == "Const" or not (is_complex or reads):  # an attribute with its default may be left out
            continue
        try:
            _replace(state, node, RULES[node.op](state, node))
        except KeyError:
            where, need = f"{node.op} '{node.name}' in {net.where}", f"one of: {', '.join(sorted(RULES))}"
            problems.append(Problem("complex numbers are used in a way that is not known", where, need=need))
    if problems:
        raise ModelError(problems=problems)


def _ordered(net: Net) -> list[Any]:
    """The nodes, each behind those that it reads."""
    done: dict[str, Any] = {}
    for first in net.nodes:
        stack = [first]
        while stack:
            name = stack[-1]
            ahead = [r.partition(":")[0] for r in data_inputs(net.nodes[name])] if name not in done else []
            ahead = [r for r in ahead if r not in done and r not in stack]
            if ahead:
                stack += ahead
            else:
                done.setdefault(stack.pop(), net.nodes[name])
    return list(done.values())


def _replace(state: Rewrite, node: Any, made: Pair | str | None) -> None:
    """Note what a node has become; a real result takes its place under its name."""
    if isinstance(made, Pair):
        state.pairs[f"{node.name}:0"] = made
    elif made is not None:
        node.CopyFrom(make_node(node.name, "Identity", [made], T=FLOAT))


def _length(state: Rewrite, node: Any, size: Callable[[int], int]) -> int:
    """The length of a transform, which the last axis must have.

    Args: size: from the length to the size of the last axis of the input.
    """
    lengths = constant(state.net.nodes, node.input[1]) if len(node.input) > 1 else None
    source = state.pairs.get(tensor_of(node.input[0]))
    real = source.re if source is not None else node.input[0]
    _, shape = inferred_shapes(state.net, [tensor_of(real)]).get(tensor_of(real), (0, None))
    last = shape[-1] if shape else None
    n = int(lengths.reshape(-1)[-1]) if lengths is not None else last
    if n is None or not 1 <= n <= MAX_LENGTH or last != size(n):
        found, need = f"length {n} of an axis of {last}", f"a known length up to {MAX_LENGTH} that is the axis's"
        where = f"{node.op} '{node.name}' in {state.net.where}"
        raise ModelError("a Fourier transform has another length than its input", where=where, found=found, need=need)
    return n


def _product(state: Rewrite, name: str, x: str, matrix: np.ndarray) -> str:
    return state.add(name, "BatchMatMulV2", x, state.const(name, matrix))


@rule("RFFT")
def rfft(state: Rewrite, node: Any) -> Pair:
    n = _length(state, node, lambda n: n)
    angle = 2 * np.pi * np.outer(np.arange(n), np.arange(n // 2 + 1)) / n
    x = node.input[0]
    return Pair(_product(state, node.name, x, np.cos(angle)), _product(state, node.name, x, -np.sin(angle)))


@rule("IRFFT")
def irfft(state: Rewrite, node: Any) -> str:
    n = _length(state, node, lambda n: n // 2 + 1)
    angle = 2 * np.pi * np.outer(np.arange(n // 2 + 1), np.arange(n)) / n
    twice = np.full((n // 2 + 1, 1), 2.0)  # the other half is the mirror image
    twice[0] = 1
    twice[-1] = 1 if n % 2 == 0 else 2
    z = state.pair(node.input[0])
    re = _product(state, node.name, z.re, twice * np.cos(angle) / n)
    return state.add(node.name, "AddV2", re, _product(state, node.name, z.im, -twice * np.sin(angle) / n))


@rule("ComplexAbs")
def magnitude(state: Rewrite, node: Any) -> str:
    return _magnitude(state, node.name, state.pair(node.input[0]))


def _magnitude(state: Rewrite, name: str, z: Pair) -> str:
    squares = (state.add(name, "Mul", z.re, z.re), state.add(name, "Mul", z.im, z.im))
    return state.add(name, "Sqrt", state.add(name, "AddV2", *squares))


@rule("Angle")
def angle(state: Rewrite, node: Any) -> None:
    state.angles[f"{node.name}:0"] = state.pair(node.input[0])


@rule("Real")
def real(state: Rewrite, node: Any) -> str:
    return state.pair(node.input[0]).re


@rule("Imag")
def imaginary(state: Rewrite, node: Any) -> str:
    return state.pair(node.input[0]).im


@rule("Complex")
def compose(state: Rewrite, node: Any) -> Pair:
    return Pair(node.input[0], node.input[1])


@rule("Cast")
def cast(state: Rewrite, node: Any) -> Pair | str:
    if node.attr["SrcT"].type == COMPLEX and node.attr["DstT"].type == FLOAT:
        return state.pair(node.input[0]).re
    source = tensor_of(node.input[0])
    zero = state.const(node.name, 0.0)
    if source in state.angles:
        return Pair("", zero, state.angles[source])  # its real part is the angle
    return Pair(node.input[0], zero)


@rule("Mul")
def multiply(state: Rewrite, node: Any) -> Pair:
    a, b = (state.pair(ref) for ref in node.input[:2])
    if a.angle_of or b.angle_of:
        turned, factor = (a, node.input[1]) if a.angle_of else (b, node.input[0])
        array = constant(state.net.nodes, factor)
        if turned.re or array is None or not np.all(array == 1j):
            raise KeyError(node.name)
        return Pair(state.const(node.name, 0.0), "", turned.angle_of)
    name = node.name
    re = state.add(name, "Sub", state.add(name, "Mul", a.re, b.re), state.add(name, "Mul", a.im, b.im))
    return Pair(re, state.add(name, "AddV2", state.add(name, "Mul", a.re, b.im), state.add(name, "Mul", a.im, b.re)))


@rule("Exp")
def exponential(state: Rewrite, node: Any) -> Pair:
    """exp(i * angle(z)) is z over its magnitude."""
    z = state.pair(node.input[0])
    if z.angle_of is None or z.im:
        raise KeyError(node.name)
    size = _magnitude(state, node.name, z.angle_of)
    size = state.add(node.name, "Maximum", size, state.const(node.name, TINY))
    re, im = (state.add(node.name, "RealDiv", part, size) for part in (z.angle_of.re, z.angle_of.im))
    return Pair(re, im)


@rule("AddV2", "Add", "Sub")
def add(state: Rewrite, node: Any) -> Pair:
    a, b = (state.pair(ref) for ref in node.input[:2])
    if a.angle_of or b.angle_of:
        raise KeyError(node.name)
    return Pair(state.add(node.name, node.op, a.re, b.re), state.add(node.name, node.op, a.im, b.im))


@rule("Conj")
def conjugate(state: Rewrite, node: Any) -> Pair:
    z = state.pair(node.input[0])
    return Pair(z.re, state.add(node.name, "Neg", z.im))


@rule("Identity", "Reshape", "ExpandDims", "Squeeze", "Transpose")
def move(state: Rewrite, node: Any) -> Pair:
    """The same on both halves."""
    z = state.pair(node.input[0])
    made = []
    for part in (z.re, z.im):
        name = free_name(f"{node.name}/part", state.net.nodes)
        copy = type(node)()
        copy.CopyFrom(node)
        copy.name, copy.input[0] = name, part
        copy.attr["T"].type = FLOAT
        state.net.nodes[name] = copy
        made.append(f"{name}:0")
    re, im = made
    return Pair(re, im, z.angle_of)
