"""Which values of the source a program holds, under which names."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from magik_core.debugging.sites import reals, sites, stored
from magik_core.program import QuantParams, Tensor
from tests.debugging.nets import branches, chain, feeds, quantized


def by_value(graph: ir.Model) -> dict[str, tuple[str, str, tuple[str, ...], bool]]:
    program = quantized(graph, feeds(2)).program()
    return {s.value: (s.name, s.op, s.nodes, s.has_weights) for s in sites(graph, program)}


def test_fused_limits_belong_to_the_layer() -> None:
    assert by_value(chain()) == {
        "b": ("first", "Conv", ("first", "first/relu"), True),
        "d": ("second", "Conv", ("second", "second/relu"), True),
        "e": ("third", "Conv", ("third",), True),
        "y": ("act", "HardSwish", ("act",), False),
    }


def test_several_outputs_moves_and_sums() -> None:
    found = by_value(branches())
    assert [found[v][0] for v in ("s0", "s1")] == ["parts:0", "parts:1"]
    assert found["n"] == ("product", "MatMul", ("product", "added"), True)
    assert found["h"] == ("square", "MatMul", ("square",), False)
    assert "t" not in found and "m" not in found, "no tensor holds it"
    assert {"a", "c", "d", "r", "h", "y"} <= set(found)
    assert len({name for name, *_ in found.values()}) == len(found)


def test_arrays_as_a_tensor_holds_them() -> None:
    q = QuantParams(0.5, 128.0)
    image = Tensor("t", "u8", (1, 2, 3, 4), q, None, (0, 2, 3, 1))
    x = np.arange(24, dtype=np.float32).reshape(1, 4, 2, 3) / 2
    codes = stored(x, image)
    assert codes.dtype == np.uint8 and codes.shape == image.shape
    np.testing.assert_array_equal(reals(codes, image), x.transpose(0, 2, 3, 1))
    signed = np.array([-128, 0, 127], np.int8)
    np.testing.assert_array_equal(stored(signed, Tensor("t", "u8", (3,), q, None, (0,))), [0, 128, 255])
    whole = np.array([-(2**40), 5, 2**40])
    np.testing.assert_array_equal(stored(whole, Tensor("t", "s32", (3,), axes=(0,))), [-(2**31), 5, 2**31 - 1])
    np.testing.assert_array_equal(stored(np.array([True, False]), Tensor("t", "bool", (2,), axes=(0,))), [1, 0])
