"""Zero points between two codes, which trained graphs bring: PRelu, and the h and y of recurrent layers."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest

from magik_core.lower import lower
from magik_core.net import Net
from magik_core.ops.cases import Case, Input, case, floats, weights
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import DTYPES, Program, QuantParams
from magik_core.run import run
from magik_core.source import Quantization
from tests import harness


def program_of(item: Case, values: dict[str, QuantParams]) -> Program:
    def given(_: str, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return harness.given((-128, 127), _, w)

    return lower(harness.model_of(item), Quantization(values, weights=given))


def kernels(program: Program) -> list[str]:
    return [s.op.kernel(program.reads(s), program.writes(s)) for s in program.steps]


def both(program: Program, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What the kernels compute, which is what numpy does."""
    feeds = {name: codes.astype(DTYPES[program.tensors[name].dtype]) for name, codes in feeds.items()}
    net = Net(pack(program, plan(program), names=False))
    in_c = [v.copy() for v in net.run_quantized(feeds).values()]
    values = run(program, feeds)
    for name, found in zip(program.outputs, in_c, strict=True):
        np.testing.assert_array_equal(found, values[name])
    return in_c


SLOPES = [0.25, -0.5, 1.5, 0.0]  # a power of two: exact, and with ties
ZEROS = [(0.0, 0.0), (7.5, 7.5), (7.5, 8.0), (8.0, 7.5), (14.5, 0.5)]


@pytest.mark.parametrize(("bits", "scale"), [(4, 1.0), (10, 1.0), (4, 0.5)])
@pytest.mark.parametrize(("x_zero", "y_zero"), ZEROS)
def test_prelu_rounds_the_exact_value_once(bits: int, scale: float, x_zero: float, y_zero: float) -> None:
    item = case("PRelu", np.array(SLOPES, np.float32), x=Input((2**bits, len(SLOPES)), -3, 2))
    x, y = QuantParams(scale, x_zero, bits), QuantParams(1.0, y_zero, bits)
    program = program_of(item, {"x0": x, "y0": y})
    codes = np.repeat(np.arange(2**bits)[:, None], len(SLOPES), axis=1).astype(DTYPES[x.dtype])
    (found,) = both(program, {"x0": codes})
    for code, (channel, slope) in product(range(2**bits), enumerate(SLOPES)):
        real = Fraction(scale) * (code - Fraction(x_zero)) * (Fraction(slope) if code < x_zero else 1)
        expected = min(max(floor(real + Fraction(y_zero) + Fraction(1, 2)), 0), y.top)
        assert found[code, channel] == expected, (code, slope)


@pytest.mark.parametrize("op", ["LSTM", "RNN"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_states_between_codes_run_on(op: str, bits: int) -> None:
    """The kernels are the definition; y and h have the same codes; a sequence in parts is the whole one."""
    grid, cell = (
        QuantParams(float(np.float32(2 / (2**bits - 1))), (2**bits - 1) / 2, bits),
        QuantParams(2**-11, 2**15, 16),
    )
    gates, states = {"LSTM": (4, 2), "RNN": (1, 1)}[op]
    rng = np.random.default_rng(bits)

    def programs(steps: int) -> Program:
        w, r = (weights(4 * gates, n, seed=n).reshape(1, -1, n) for n in (3, 4))
        given: dict[str, Any] = {"hidden_size": 4, "outputs": 1 + states, "clip": 6.0}
        item = case(op, w, r, floats(1, 8 * gates), None, *[Input((1, 2, 4))] * states, x=Input((steps, 2, 3)), **given)
        names = {"x0": grid, "x5": grid, "x6": cell, "y0": grid, "y1": grid, "y2": cell}
        return program_of(item, names)

    names = ["x0", "x5", "x6"][: 1 + states]
    x = rng.integers(0, 2**bits, (6, 2, 3)).astype(np.uint8)
    first = [rng.integers(0, 2**b, (1, 2, 4)).astype(np.uint16) for b in (bits, 16)[:states]]
    whole = programs(6)
    assert f"{op.lower()}_u8" in kernels(whole)
    y, *last = both(whole, dict(zip(names, (x, *first), strict=True)))
    np.testing.assert_array_equal(y[-1, 0], last[0][0])
    assert len(np.unique(y)) > 2
    start, *now = both(programs(4), dict(zip(names, (x[:4], *first), strict=True)))
    end, *now = both(programs(2), dict(zip(names, (x[4:], *now), strict=True)))
    np.testing.assert_array_equal(np.concatenate([start, end]), y)
    for one, two in zip(now, last, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("half", [0.0, 0.5])
def test_a_code_of_h_is_the_nearest(half: float) -> None:
    """An RNN of no function and one unit: h is the sum, whose exact value tells the code, ties up."""
    q = QuantParams(0.125, 8 + half, 5)
    w, r = np.full((1, 1, 1), 0.5, np.float32), np.zeros((1, 1, 1), np.float32)
    half_of = {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]}
    item = case("RNN", w, r, x=Input((1, 32, 1), -1, 1), hidden_size=1, outputs=2, **half_of)
    x = QuantParams(2.0**-5, 16.0, 5)
    program = program_of(item, {"x0": x, "y0": q, "y1": q})
    y, h = both(program, {"x0": np.arange(32, dtype=np.uint8).reshape(1, 32, 1)})
    exact = [Fraction(code - 16, 64) / Fraction(1, 8) + Fraction(8 + half) + Fraction(1, 2) for code in range(32)]
    assert y.reshape(-1).tolist() == [floor(v) for v in exact] == h.reshape(-1).tolist()


@pytest.mark.parametrize("op", ["Min", "Max"])
def test_of_codes_that_mean_the_same_one_is_chosen(op: str) -> None:
    item = case(op, Input((16,), -1, 1), x=Input((16, 16), -1, 1))
    half, other = QuantParams(0.5, 7.5, 4), QuantParams(0.25, 7.5, 4)
    names = ("x0", "x1", "y0")
    program = program_of(item, dict.fromkeys(names, half))
    a, b = np.arange(16, dtype=np.uint8), np.arange(256, dtype=np.uint8).reshape(16, 16) % 16
    (found,) = both(program, {"x0": b.T, "x1": a})
    np.testing.assert_array_equal(found, (np.minimum if op == "Min" else np.maximum)(a, b.T))
    assert "extremum_f32" in kernels(program_of(item, dict(zip(names, (half, half, other), strict=True))))


def test_gru_takes_h_itself_so_its_zero_point_is_whole() -> None:
    w, r = (weights(12, n, seed=n).reshape(1, -1, n) for n in (3, 4))
    half, whole = QuantParams(0.01, 127.5), QuantParams(0.01, 128.0)
    for h, kernel in ((half, "gru_f32"), (whole, "gru_u8")):
        item = case("GRU", w, r, x=Input((2, 2, 3)), hidden_size=4, outputs=2)
        program = program_of(item, {"x0": half, "y0": half, "y1": h})
        assert kernel in kernels(program)
