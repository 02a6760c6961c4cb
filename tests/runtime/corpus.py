"""Model files of every operator's CASES and of some nets, with inputs and what numpy computes from them."""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from magik_core import numerics, ops, states
from magik_core.graph import OPSET
from magik_core.lower import lower
from magik_core.ops.cases import Case, floats, weights
from magik_core.ops.dequantize import Dequantize
from magik_core.ops.quantize import Quantize
from magik_core.ops.reshape import Reshape
from magik_core.ops.sigmoid import Sigmoid
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams, Step, Tensor
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.recipe import Recipe
from magik_core.run import run
from magik_core.source import Quantization
from tests import harness, streams
from tests.core.attention import SIZE, T, attention

CASES: list[Case] = [
    c
    for info in pkgutil.iter_modules(ops.__path__)
    for c in getattr(importlib.import_module(f"magik_core.ops.{info.name}"), "CASES", ())
]


WIDTHS = ((12, 12, 8), (8, 10, 4), (16, 8, 16), (16, 16, 8))  # of inputs, outputs and weights, taken in turns


@dataclass(frozen=True)
class Entry:
    """One model file with inputs and the CRC of every step's outputs by the numpy definition."""

    name: str
    model: Path
    inputs: Path
    crcs: tuple[str, ...]


def programs(cases: list[Case] | None = None) -> Iterator[tuple[str, Program, Mapping[str, np.ndarray]]]:
    """(name, program, feeds in source order): each case in codes and in f32, then the nets."""
    for i, case in enumerate(CASES if cases is None else cases):
        model = harness.model_of(case)
        if not case.is_float_only:
            program = harness.quantized(case, model)
            yield f"{i} u8 {case}", program, harness.data_of(case, program, seed=3)
            if "u16" in ops.by_onnx()[case.op_type].dtypes:
                program = harness.quantized(case, model, *WIDTHS[i % len(WIDTHS)])
                yield f"{i} u16 {case}", program, harness.data_of(case, program, seed=3)
        yield f"{i} f32 {case}", harness.in_float(model), harness.data_of(case, seed=4)
    rng = np.random.default_rng(5)
    for found, shape in ((nets(), (1, 3, 9, 7)), (memory_nets(), (T, 1, SIZE))):
        for name, program in found.items():
            yield name, program, {"x": rng.uniform(-1, 1, shape).astype(np.float32)}
    for name, (model, carried) in streams.nets().items():
        for kind, program in streams.programs(model, carried).items():
            yield f"{name} {kind}", program, {"x": streams.frames(model, 1)}


def entries(folder: Path) -> list[Entry]:
    """Write the corpus; every other model keeps its names, so that section PROG is in the corpus too."""
    return [
        entry(folder / str(i), name, program, feeds, names=i % 2 == 1)
        for i, (name, program, feeds) in enumerate(programs())
    ]


def entry(path: Path, name: str, program: Program, feeds: Mapping[str, np.ndarray], *, names: bool) -> Entry:
    """Write one model file and its inputs as `path` with suffixes; feeds are in source order."""
    stored = harness.stored_feeds(program, feeds)
    values = run(program, stored)
    crcs = []
    for step in program.steps:
        crc = 0
        for t in step.outputs:
            crc = (crc * 31 + zlib.crc32(np.ascontiguousarray(values[t]).tobytes())) % 2**32
        crcs.append(f"{crc:08x}")
    model, inputs = path.with_suffix(".bin"), path.with_suffix(".raw")
    model.write_bytes(pack(program, plan(program), names=names))
    inputs.write_bytes(b"".join(stored[n].tobytes() for n in program.inputs))
    return Entry(name, model, inputs, tuple(crcs))


# ---- nets of several steps: a residual block, branches that join, a table, a reshape -----------------


def net(*, mean: bool = False) -> onnx.ModelProto:
    """A small net with one input x (1, 3, 9, 7) and two outputs; `mean` subtracts one per channel first."""
    nodes = [
        *([helper.make_node("Sub", ["x", "mean"], ["m"], "x/mean")] if mean else []),
        helper.make_node("Conv", ["m" if mean else "x", "w0", "b0"], ["a"], "conv", pads=[1, 1, 1, 1], strides=[2, 1]),
        helper.make_node("Relu", ["a"], ["a1"], "relu"),
        helper.make_node("Conv", ["a1", "w1"], ["b"], "depthwise", group=4, pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a1", "b"], ["c"], "residual"),
        helper.make_node("Conv", ["c", "w2"], ["d"], "pointwise"),
        helper.make_node("Sigmoid", ["c"], ["e"], "gate"),
        helper.make_node("Concat", ["d", "e"], ["f"], "join", axis=1),
        helper.make_node("Transpose", ["f"], ["g"], "turn", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["g", "shape"], ["y"], "flat"),
    ]
    constants = {
        "w0": weights(4, 3, 3, 3),
        "b0": floats(4),
        "w1": weights(4, 1, 3, 3),
        "w2": weights(6, 4, 1, 1),
        "shape": np.array([1, -1, 10], np.int64),
    }
    if mean:
        constants["mean"] = np.array([100, 110.5, 120], np.float32).reshape(1, 3, 1, 1)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 9, 7))],
        [onnx.ValueInfoProto(name="y"), onnx.ValueInfoProto(name="c")],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


RANGES = {"x": (-1, 1), "m": (-120, 155), "a": (-6, 6), "a1": (0, 6), "b": (-8, 8), "c": (-5, 9), "f": (-7, 7)}


def nets() -> dict[str, Program]:
    """The net in codes, in f32, with both (so that Quantize and Dequantize are there), with a border table, with
    weights of s16 too, with sums rounded twice; some with codes of u16."""
    params = {name: numerics.params_of_range(*limit) for name, limit in RANGES.items()}
    params |= dict.fromkeys("degy", params["f"])
    raw = {**params, "x": QuantParams(1.0, 0.0)}
    names = frozenset({"gate", "residual"})
    quantizations = {
        "net u8": Quantization(params, frozenset(), weight_codes),
        "net f32": Quantization(),
        "net mixed": Quantization(params, names, weight_codes),
        "net border": Quantization(raw, frozenset(), weight_codes),
        "net border s16": Quantization(raw, frozenset(), wide_weight_codes),
        "net border twice": Quantization(raw, frozenset(), weight_codes, rounds_twice=True),
    }
    out = {k: lower(harness.infer(net(mean="border" in k)), q) for k, q in quantizations.items()}
    return {**out, "net widths": mixed_net(), "net u16": u16_net()}


def memory_nets() -> dict[str, Program]:
    """Nets of a recurrent layer and attention."""
    return {f"memory {op} {bits}": memory_net(op, *bits) for op, bits in MEMORY.items()}


MEMORY = {"LSTM": (8, 4), "GRU": (12, 8), "RNN": (16, 16)}  # bits of features and weights


def mixed_net() -> Program:
    """Codes of 8 to 16 bits, weights of 16 bits, and so sums of 64 bits."""
    widths = dict(zip(RANGES, (8, 8, 12, 12, 16, 10, 14), strict=True))
    params = {name: numerics.params_of_range(*limit, widths[name]) for name, limit in RANGES.items()}
    params |= dict.fromkeys("degy", params["f"])
    recipe = Recipe(weight_bits=16)
    weights = quantize(harness.infer(net()), None, recipe, harness.channel_scales).weights
    return lower(harness.infer(net()), Quantization(params, frozenset(), weights))


def memory_net(op: str, bits: int, weight_bits: int) -> Program:
    """The recurrent layer, the convolution and the attention of tests/core/attention.py."""
    model, recipe = harness.infer(attention(op)), Recipe(feature_bits=bits, weight_bits=weight_bits)
    states.name_outputs(model)
    ranges = dict.fromkeys(values_to_calibrate(model, recipe), (-2.5, 2.5))
    return lower(model, quantize(model, ranges, recipe, harness.channel_scales))


def u16_net() -> Program:
    """Codes of u16 in and out, of 16 and of 12 bits, a half as zero point, moved, and in f32 between."""
    a, b, c = QuantParams(2**-15, 32768.0, 16), QuantParams(2**-16, 100.5, 16), QuantParams(2**-11, 0.0, 12)
    image, flat, nchw, nhwc = (1, 9, 7, 3), (1, 189), (0, 1), (0, 2, 3, 1)
    tensors = (
        Tensor("x", "u16", image, a, None, nhwc),
        Tensor("rows", "u16", flat, a, None, nchw),
        Tensor("real", "f32", flat, None, None, nchw),
        Tensor("gate", "f32", flat, None, None, nchw),
        Tensor("y", "u16", flat, b, None, nchw),
        Tensor("again", "f32", flat, None, None, nchw),
        Tensor("z", "u16", flat, c, None, nchw),
    )
    steps = (
        Step("flat", Reshape.between(image, flat), ("x",), ("rows",)),
        Step("real", Dequantize(), ("rows",), ("real",)),
        Step("gate", Sigmoid(), ("real",), ("gate",)),
        Step("y", Quantize(), ("gate",), ("y",)),
        Step("again", Dequantize(), ("y",), ("again",)),
        Step("z", Quantize(), ("again",), ("z",)),
    )
    return Program("u16", {t.name: t for t in tensors}, steps, ("x",), ("y", "z"), {"y": "y", "z": "z"})


def wide_weight_codes(_: str, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes in [-255, 255], as weights with a zero point have them."""
    scales = harness.channel_scales(w, 8) / 2
    return np.clip(numerics.round_half_up(w / scales[:, None]), -255, 255).astype(np.int16), scales


def weight_codes(_: str, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scales = harness.channel_scales(w, 8)
    return np.clip(numerics.round_half_up(w / scales[:, None]), -127, 127).astype(np.int8), scales
