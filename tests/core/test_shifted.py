"""Values that one number apart from quantized ones: the same codes, zero points between two of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core import shifted
from magik_core.builtin import onnx_frontend
from magik_core.imported import take
from magik_core.ops.add import Add
from magik_core.prepare import prepare
from magik_core.program import QuantParams


def graph_of(*nodes: tuple[str, float | None]) -> ir.Model:
    """x through nodes of one number, u8 codes of scale 1/8 and zero point 128, and more of them, to y."""
    made, tensors, last = [], [numpy_helper.from_array(np.float32(1 / 8), "s")], "x"
    tensors.append(numpy_helper.from_array(np.uint8(128), "z"))
    for i, (op, number) in enumerate(nodes):
        more = ["s", "z"] if number is None else [f"c{i}"]
        tensors += [] if number is None else [numpy_helper.from_array(np.float32(number), f"c{i}")]
        out = "y" if i == len(nodes) - 1 else f"v{i}"
        made.append(helper.make_node(op, [last, *more], [out], f"n{i}"))
        last = out
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in "xy")
    graph = helper.make_graph(made, "g", [x], [y], tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return prepare(onnx_frontend.of_proto(proto, Path("g.onnx")))


PAIR = (("QuantizeLinear", None), ("DequantizeLinear", None))


@pytest.mark.parametrize(
    ("nodes", "x", "y"),
    [
        ((("Sub", 1 / 16), *PAIR, ("Add", 1 / 16)), (1 / 8, 127.5), (1 / 8, 127.5)),
        ((("Mul", 0.5), *PAIR), (1 / 4, 128.0), (1 / 8, 128.0)),
        ((("Add", 16.0), ("Mul", 2.0), *PAIR, ("Add", 16.0)), None, (1 / 8, 0.0)),
        ((*PAIR, ("Add", 0.03)), (1 / 8, 128.0), None),
        ((*PAIR, ("Add", 20.0)), (1 / 8, 128.0), None),
        ((("Mul", -1.0), *PAIR), None, (1 / 8, 128.0)),
    ],
)
def test_parameters_reach_over_one_number(nodes, x, y) -> None:  # type: ignore[no-untyped-def]
    """Where codes can say the reals: a zero point that is a multiple of a half, and one of the codes."""
    values = take(graph_of(*nodes)).values
    for name, expected in (("x", x), ("y", y)):
        q = values.get(name)
        assert (q and (q.scale, q.zero_point)) == expected


@pytest.mark.parametrize(("a", "b", "y"), itertools.product([0.0, 7.5], repeat=3))
@pytest.mark.parametrize("clip", [1.0, 1.5, 2.0])
def test_sums_between_codes_have_whole_zero_points_or_none(a: float, b: float, y: float, clip: float) -> None:
    """All sums of 4 bits: what the whole zero points give is the nearest code, ties up."""
    qa, qb = (QuantParams(2 / 15 if z else 1 / 15, z, 4) for z in (a, b))
    qy = QuantParams(clip * (2 / 15 if y else 1 / 15), y, 4)
    op = Add()
    zeros = op.zeros(qa, qb, qy)
    if zeros is None:
        assert any(z % 1 for z in (a, b, y))
        return
    u, v = np.meshgrid(np.arange(16), np.arange(16))
    (m, n), shift = op._factors(qa, qb, qy)
    found = ((u - zeros[0]) * m + (v - zeros[1]) * n) / 2**shift + zeros[2]
    exact = (qa.scale * (u - a) + qb.scale * (v - b)) / qy.scale + y
    np.testing.assert_allclose(found, exact, atol=1e-5)


def test_what_the_operators_of_a_shortcut_need_is_there() -> None:
    signed, unsigned = QuantParams(2 / 255, 127.5), QuantParams(1 / 255)
    over_two = QuantParams(4 / 255, 127.5)
    assert Add().zeros(signed, signed, over_two) is not None and Add().zeros(unsigned, signed, over_two) is not None
    assert Add().zeros(signed, signed, QuantParams(3 / 255, 127.5)) is None


def test_limits_say_how_many_bits_there_are() -> None:
    model = graph_of(*PAIR)
    q = QuantParams(1 / 8, 128.0)
    assert shifted.is_neutral(q, -16.0, 15.875) and not shifted.is_neutral(q, -15.0, 16.0)
    assert shifted.narrowed(model.graph[0], q) == q
