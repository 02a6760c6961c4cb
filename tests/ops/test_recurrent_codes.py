"""LSTM, GRU and RNN on codes beyond their cases: states that run on, functions, wide sums, what stays in f32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core import numerics
from magik_core.errors import LowerError
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.ops.activation import FUNCTIONS, Activation
from magik_core.ops.cases import Case, Input, case, floats, weights
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams
from magik_core.quantize import quantize
from magik_core.recipe import Recipe
from magik_core.run import run
from tests import harness

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}
ONE = 2.0**numerics.FIXED_BITS


def layer(op: str, steps: int, states: int, **attributes: Any) -> Case:
    """A layer with N = 2, I = 3, H = 4, with as many states given, and all of its outputs."""
    w, r = (weights(4 * GATES[op], n, seed=n).reshape(1, -1, n) for n in (3, 4))
    given = {"hidden_size": 4, "outputs": 1 + STATES[op], "range": (-1, 1), **attributes}
    bias = floats(1, 8 * GATES[op])
    return case(op, w, r, bias, None, *[Input((1, 2, 4))] * states, x=Input((steps, 2, 3), -2, 2), **given)


def net(program: Program) -> Net:
    return Net(pack(program, plan(program), names=False))


def kernels(program: Program) -> list[str]:
    return [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("attributes", [{}, {"linear_before_reset": 1}, {"feature_bits": 12}], ids=str)
def test_step_by_step_is_the_whole_sequence(op: str, attributes: dict[str, Any]) -> None:
    attributes = dict(attributes)
    bits = attributes.pop("feature_bits", 8)
    if attributes and op != "GRU":
        pytest.skip("an attribute of GRU")
    programs = []
    for item in (layer(op, 7, STATES[op], **attributes), layer(op, 1, STATES[op], **attributes)):
        model = harness.model_of(item)
        found = quantize(model, harness.ranges_of(item, model), Recipe(feature_bits=bits), harness.channel_scales)
        programs.append(lower(model, found))
    whole, step = programs
    for name in ("x5", "y1") if op != "LSTM" else ("x5", "x6", "y1", "y2"):
        t = step.tensors[name]
        assert t.dtype == "u16" and t.quant == whole.tensors[name].quant
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2**bits, (7, 2, 3)).astype(np.uint8 if bits == 8 else np.uint16)
    first = [rng.integers(0, 2**16, (1, 2, 4)).astype(np.uint16) for _ in range(STATES[op])]
    names = ["x0", "x5", "x6"][: 1 + STATES[op]]
    y, *last = list(net(whole).run_quantized(dict(zip(names, (x, *first), strict=True))).values())
    one, now, rows = net(step), first, []
    for at in range(7):
        feeds = dict(zip(names, (x[at : at + 1], *now), strict=True))
        row, *now = (v.copy() for v in one.run_quantized(feeds).values())
        values = run(step, feeds)
        assert all(a.tobytes() == values[n].tobytes() for a, n in zip((row, *now), step.outputs, strict=True))
        rows.append(row)
    for a, b in zip((y, *last), (np.concatenate(rows), *now), strict=True):
        assert a.tobytes() == b.tobytes()


EXACT = {
    "Relu": lambda x: np.maximum(x, 0),
    "Affine": lambda x: 0.7 * x + 0.6,
    "LeakyRelu": lambda x: np.where(x < 0, 0.7 * x, x),
    "ThresholdedRelu": lambda x: np.where(x < 0.7, 0, x),
    "HardSigmoid": lambda x: np.clip(0.7 * x + 0.6, 0, 1),
    "Softsign": lambda x: x / (1 + np.abs(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_near_the_real_ones(name: str) -> None:
    """At the ends of tables, at both limits, and between."""
    known = FUNCTIONS[name]
    f = Activation(name, 0.7 if known.alpha is not None else 0.0, 0.6 if known.beta is not None else 0.0)
    rng = np.random.default_rng(0)
    ends = np.arange(-3, 4) + (np.array([-(2**30), 0, 2**30, 2**23, -(2**23), 2**24, -(2**24)])[:, None])
    v = np.concatenate([rng.integers(-(2**24), 2**24, 5000), rng.integers(-(2**30), 2**30, 500), ends.reshape(-1)])
    v = numerics.fixed(v)
    exact, most = known.exact, {"Elu": 32 * 0.7, "Softplus": 10}.get(name, 7)
    with np.errstate(over="ignore"):
        real = exact(v / ONE, 0.7, 0.6) if exact else EXACT[name](v / ONE)
    error = np.abs(f.integer(v) - np.clip(real * ONE, -(2**30), 2**30))
    assert error.max() <= (most if exact else 1 + np.abs(v).max() * 2.0**-30)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("high", [0.01, 12.0, 4000.0])
def test_functions_in_c(name: str, high: float) -> None:
    """Through an RNN whose state has no weight, over all codes of 16 bits."""
    f = FUNCTIONS[name]
    given = {f"activation_{k}": [v] for k, v, d in (("alpha", 0.7, f.alpha), ("beta", 0.6, f.beta)) if d is not None}
    w, r = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    x = Input((1, 65536, 1), -high, high)
    item = case("RNN", w, r, x=x, hidden_size=1, outputs=2, range=(-high, high), activations=[name], **given)
    model = harness.model_of(item)
    found = quantize(model, harness.ranges_of(item, model), Recipe(feature_bits=16), harness.channel_scales)
    program = lower(model, found)
    assert kernels(program) == ["rnn_u16"]
    feeds = {"x0": np.arange(65536, dtype=np.uint16).reshape(1, -1, 1)}
    values = run(program, feeds)
    for a, b in zip(net(program).run_quantized(feeds).values(), program.outputs, strict=True):
        assert a.tobytes() == values[b].tobytes()


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("bits", [(8, 2), (8, 16), (16, 8), (16, 16)], ids=str)
@pytest.mark.parametrize("size", [1, 300])
def test_sums_at_both_ends(op: str, bits: tuple[int, int], size: int) -> None:
    """Every code and weight at an end: sums of up to 42 bits, in C as in numpy."""
    rng = np.random.default_rng(5)
    w, r = (rng.choice([-1.0, 1.0], (2, size * GATES[op], n)).astype(np.float32) for n in (7, size))
    states = [Input((2, 1, size))] * STATES[op]
    given = {"hidden_size": size, "outputs": 1 + STATES[op], "direction": "bidirectional", "range": (-1, 1)}
    item = case(op, w, r, None, None, *states, x=Input((3, 1, 7), -1000, 1), **given)
    model = harness.model_of(item)
    recipe = Recipe(feature_bits=bits[0], weight_bits=bits[1])
    program = lower(model, quantize(model, harness.ranges_of(item, model), recipe, harness.channel_scales))
    tops = {n: 65535 if program.tensors[n].dtype == "u16" else 255 for n in program.inputs}
    feeds = {n: rng.choice([0, top], program.tensors[n].shape).astype(np.uint16) for n, top in tops.items()}
    feeds = {n: v if tops[n] > 255 else v.astype(np.uint8) for n, v in feeds.items()}
    values = run(program, feeds)
    for a, b in zip(net(program).run_quantized(feeds).values(), program.outputs, strict=True):
        assert a.tobytes() == values[b].tobytes()


def test_sums_beyond_64_bits_are_refused() -> None:
    item = layer("LSTM", 2, 0)
    model = harness.model_of(item)
    ranges = {**harness.ranges_of(item, model), "x0": (-1e12, 1e12)}
    with pytest.raises(LowerError) as caught:
        lower(model, quantize(model, ranges, Recipe(), harness.channel_scales))
    (problem,) = caught.value.problems
    assert (problem.what, problem.where) == ("sums of a gate are out of range", "node 'node'")
    assert problem.need == "|a gate's sum| < 2^40" and problem.found


def test_a_node_in_float_is_f32() -> None:
    item = layer("GRU", 3, 1)
    model = harness.model_of(item)
    recipe = Recipe(skip_ops=frozenset({"GRU"}))
    program = lower(model, quantize(model, harness.ranges_of(item, model), recipe, harness.channel_scales))
    assert "gru_f32" in kernels(program)
    assert program.tensors["x5"].quant == QuantParams(2.0**-15, 2.0**15, 16)
