"""What is wrong with a quantized model is said at once, and nothing crashes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantFormat

from magik_core.builtin import onnx_frontend
from magik_core.errors import GraphError, MagikError, Problem
from tests.core.graphs import proto_of
from tests.frontends.onnx_quantized_files import (
    MS,
    NETS,
    SCALES,
    Array,
    F,
    U,
    dynamic,
    load,
    made,
    n,
    quantized,
)


def refused(path: Path, proto: onnx.ModelProto) -> tuple[Problem, ...]:
    with pytest.raises(GraphError) as caught:
        load(path, proto)
    return caught.value.problems


BAD = {
    "si": np.float32(np.nan), "s0": np.float32(0), "s-": np.float32(-1), "sh": np.float16(1),
    "se": np.zeros(0, np.float32),
    "s3": np.array([1, 2, 3], np.float32), "sb": np.ones((2, 2), np.float32), "z3": np.zeros(3, np.uint8),
    "zs": np.int8(0),
    "zf": helper.make_tensor("zf", TensorProto.FLOAT8E4M3FN, [], [0]), "zb": np.zeros((2, 2), np.uint8),
    "z32": np.int32(1), "i32": np.int32(0), "w": np.ones((2, 4), np.uint8), "c": np.ones(4, np.float32),
    "v8": np.int8(3),
}  # fmt: skip
Q = n("QuantizeLinear", "x s z", "q")
REFUSED: dict[str, tuple[list[onnx.NodeProto], str, str]] = {
    "scale from a node": ([n("Relu", "x", "t"), n("QuantizeLinear", "x t z", "y")], "a scale is not constant", "'t'"),
    "zero": ([n("QuantizeLinear", "x s0 z", "y")], "a scale is not positive", "0 in 's0'"),
    "negative": ([n("QuantizeLinear", "x s- z", "y")], "a scale is not positive", "-1 in 's-'"),
    "half": ([n("QuantizeLinear", "x sh z", "y")], "a scale is no float32", "'sh' is float16"),
    "none": ([n("QuantizeLinear", "x se z", "y")], "scales have no sensible shape", "'se' of [0]"),
    "blocks": ([n("QuantizeLinear", "x sb z", "y")], "scales have no sensible shape", "'sb' of [2, 2]"),
    "block size": ([n("QuantizeLinear", "x s z", "y", block_size=2)],
                   "block-wise scales are not supported", "block_size 2"),
    "activation per channel": ([n("QuantizeLinear", "x s3 z3", "y")],
                               "an activation has several scales or zero points", "3 of 'x'"),
    "zero points": ([n("QuantizeLinear", "x s zb", "y")], "zero points have no sensible shape", "'zb' of [2, 2]"),
    "zero point from a node": ([Q, n("QuantizeLinear", "x s q", "y")], "a zero point is not constant", "'q'"),
    "float8": ([n("QuantizeLinear", "x s zf", "y")], "a quantized type is not supported", "float8e4m3fn"),
    "32 bits": ([n("QuantizeLinear", "x s i32", "y")], "a tensor cannot be quantized to this type", "s32"),
    "another type": ([Q, n("DequantizeLinear", "q s zs", "y")],
                     "a zero point is of another type than its tensor", "'q' is u8, its zero point 'zs' s8"),
    "channels": ([n("DequantizeLinear", "w s3 z3", "y", axis=1)],
                 "scales do not fit their tensor", "3 along axis 1 of 'w' [2, 4]"),
    "axis": ([n("DequantizeLinear", "w s3 z3", "y", axis=9)], "scales do not fit their tensor", "axis 9"),
    "32 bits not 0": ([n("DequantizeLinear", "w s z32", "y")], "a zero point of 32 bits is not 0", "'z32'"),
    "integers in": ([n("DequantizeLinear", "k s -", "y")], "a model input of 32 bits cannot be quantized", "'k'"),
    "channels last": ([Q, n("QLinearGlobalAveragePool", "q s z s z", "y", MS, channels_last=1)],
                      "channels are last", "channels_last 1"),
    "concat": ([Q, n("QLinearConcat", "s z q s z q", "y", MS, axis=0)],
               "an input has no scale or no zero point", "6 inputs"),
    "few inputs": ([Q, n("QLinearAdd", "q s z", "y", MS)], "an operator has the wrong number of inputs", "3"),
    "many outputs": ([n("QuantizeLinear", "x s z", "y t", MS)], "an operator has the wrong number of outputs", "2"),
    "bias": ([Q, n("QLinearConv", "q s z w s z s z c", "y")], "a bias is no constant of 32 bits", "'c': float"),
    "computed": ([Q, n("Cast", "q", "y", to=F)], "an operator computes with the codes of a quantized tensor", "'q'"),
    "relu": ([n("QuantizeLinear", "x s v8", "q"), n("Relu", "q", "y")],
             "Relu of codes whose zero point is not 0 is no Relu", "zero point 3"),
    "pad": ([Q, n("Pad", "q p q", "y")], "an input of codes must be one constant", "'q'"),
    "static integers": ([Q, n("MatMulInteger", "q w", "m"), n("Cast", "m", "f", to=F), n("Mul", "f s", "y")],
                        "a product of integers has no known form", "input 'q'"),
    "no scale behind": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("MatMulInteger", "q w z1", "m"),
                         n("Cast", "m", "y", to=F)], "a product of integers has no known form", ""),
    "scales": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("MatMulInteger", "q w z1", "m"),
                n("Cast", "m", "f", to=F),
                n("Mul", "s1 s3", "t"), n("Mul", "f t", "y")],
               "scales do not fit their tensor", "3 along axis -1"),
    "another scale": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("DequantizeLinear", "q s z1", "y")],
                      "a quantization at run time has no known form", "'q'"),
    "dynamic codes": ([n("DynamicQuantizeLinear", "x", "q s1 z1"), n("Cast", "q", "y", to=F)],
                      "an operator computes with the codes of a quantized tensor", "'q'"),
    "blocks of weights": ([n("MatMulNBits", "x w s", "y", MS, K=64, N=2, bits=4, block_size=32)],
                          "block-wise scales are not supported", "block_size 32"),
    "bits of weights": ([n("MatMulNBits", "x w s", "y", MS, K=64, N=2, bits=3, block_size=64)],
                        "packed weights have no known form", "bits 3"),
    "few weights": ([n("MatMulNBits", "x w s3", "y", MS, K=64, N=3, bits=4, block_size=64)],
                    "packed weights, scales or zero points do not fit", "8 bytes"),
    "block gather": ([n("GatherBlockQuantized", "w i32 s", "y", MS)], "block-wise scales are not supported", "128"),
    "lstm": ([n("DynamicQuantizeLSTM", "x w w - - - - - s z s z", "y", MS)],
             "weights are not constant, or of a wrong shape", "'w'"),
    "unknown": ([n("QAttention", "x x", "y", MS)], "an operator is not standard ONNX", "com.microsoft.QAttention"),
}  # fmt: skip


def with_bad(nodes: Sequence[onnx.NodeProto], **constants: Array) -> onnx.ModelProto:
    used = {name for node in nodes for name in node.input}
    known: dict[str, Any] = {**SCALES, **BAD, "p": np.zeros(8, np.int64), **constants}
    inputs = {"x": (F, (2, 4)), "k": (TensorProto.INT32, (2, 4))}
    return made(nodes, inputs, {"y": (F, (2, 4))}, {name: v for name, v in known.items() if name in used})


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    nodes, what, found = REFUSED[name]
    problem = refused(tmp_path, with_bad(nodes))[0]
    assert problem.what == what and found in problem.found and "m.onnx" in problem.where


def test_a_scale_that_is_no_number(tmp_path: Path) -> None:
    problem = refused(tmp_path, with_bad([n("QuantizeLinear", "x si z", "y")]))[0]
    assert problem.what == "a weight is not a number" and "'si'" in problem.where


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    nodes = [n("QuantizeLinear", "x s0 zs", "a"), n("DequantizeLinear", "a s0 z", "b"),
             n("DequantizeLinear", "w s- z3", "d"),
             n("Mul", "b d", "y")]  # fmt: skip
    problems = refused(tmp_path, with_bad(nodes))
    assert [(p.what, p.where.split("'")[1]) for p in problems] == [
        ("a scale is not positive", "QuantizeLinear_a"),
        ("a scale is not positive", "DequantizeLinear_d"),
    ]


def test_too_many_moves_of_an_unknown_input(tmp_path: Path) -> None:
    """A long chain of moves is no deeper for us than a short one."""
    names = ["x", *(f"t{i}" for i in range(3000))]
    nodes = [n("Identity", a, b) for a, b in itertools.pairwise(names)]
    nodes.append(n("DequantizeLinear", f"{names[-1]} s z", "y"))
    loaded = load(tmp_path, made(nodes, {"x": (U, (2, 3))}, {"y": (F, (2, 3))}, SCALES))
    assert loaded.graph.inputs[0].dtype == ir.DataType.FLOAT


def mutations() -> list[onnx.ModelProto]:
    conv, weights = NETS["conv"]
    add = [Q, n("QLinearAdd", "q s z q s z s z", "t", MS), n("DequantizeLinear", "t s z", "y")]
    return [dynamic(np.float32(0.5)), with_bad(add), proto_of(conv, opset=18, **weights)]  # fmt: skip


@pytest.mark.parametrize("which", range(3))
def test_mutated_files_end_in_an_error_or_a_graph(tmp_path: Path, which: int) -> None:
    rng, path = random.Random(which), tmp_path / "m.onnx"
    proto = mutations()[which]
    if which == 2:
        proto = quantized(tmp_path, proto, quant_format=QuantFormat.QOperator)
    data = proto.SerializeToString()
    outcomes = set()
    for _ in range(150):
        mutated = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        path.write_bytes(bytes(mutated))
        try:
            onnx_frontend.load(path)
            outcomes.add("graph")
        except MagikError as error:
            assert str(error)
            outcomes.add("error")
    assert outcomes == {"graph", "error"}
