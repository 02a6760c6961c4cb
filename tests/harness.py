"""What the operator tests share: a Case as an ONNX model, its program, and three ways to run it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from magik_core import graph, numerics, spelling
from magik_core.graph import OPSET
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.ops.cases import Case, Input
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams
from magik_core.quantize import quantize
from magik_core.recipe import Choice, Recipe
from magik_core.run import run
from magik_core.source import Quantization

ELEMENTS = {"f32": TensorProto.FLOAT, "s32": TensorProto.INT64, "bool": TensorProto.BOOL}
Feeds = dict[str, np.ndarray]


def channel_scales(w: np.ndarray, bits: int) -> np.ndarray:
    """Of 16 bits those of 8 bits over 256: weights that 8 bits represent exactly stay exact."""
    top = 2 ** (bits - 1) - 1 if bits <= 8 else 127 << (bits - 8)
    most = np.abs(w).max(axis=1)
    return np.where(most > 0, most / top, 1.0)


def model_of(case: Case) -> ir.Model:
    """The case as a one-node model of the working opset with inferred shapes."""
    names, inputs, constants = [], [], []
    for i, item in enumerate(case.inputs):
        names.append("" if item is None else f"x{i}")
        if isinstance(item, Input):
            inputs.append(helper.make_tensor_value_info(f"x{i}", ELEMENTS[item.dtype], item.shape))
        elif item is not None:
            constants.append(numpy_helper.from_array(np.asarray(item), f"x{i}"))
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op_type, names, outputs, "node", **case.attributes)
    values = [onnx.ValueInfoProto(name=o) for o in outputs]
    graph = helper.make_graph([node], "case", inputs, values, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return infer(model)


def infer(model: onnx.ModelProto) -> ir.Model:
    """Fill in types and shapes; sizes that only a run can tell are taken from a run."""
    out = ir.serde.deserialize_model(model)
    graph.infer(out)
    return out


def data_of(case: Case, program: Program | None = None, seed: int = 0) -> Feeds:
    """Random inputs in source order; with a quantized program, on the grid of its codes, both ends included."""
    out: Feeds = {}
    for i, item in enumerate(case.inputs):
        if not isinstance(item, Input):
            continue
        rng = np.random.default_rng(zlib.crc32(f"{case}{i}{seed}".encode()))
        name = f"x{i}"
        if item.values is not None:
            x = np.array(item.values).reshape(item.shape)
        elif item.dtype == "f32":
            x = rng.uniform(item.low, item.high, item.shape)
            ends = rng.random(item.shape)
            x = np.where(ends < 0.1, item.low, np.where(ends > 0.9, item.high, x))
        else:
            x = rng.integers(0, 2, item.shape)
        x = x.astype({"f32": np.float32, "s32": np.int64, "bool": np.bool_}[item.dtype])
        quant = program.tensors[name].quant if program is not None else None
        if isinstance(quant, QuantParams):
            x = numerics.dequantize(numerics.quantize(x, quant), quant)
        out[name] = x
    return out


def reference(model: ir.Model, feeds: Feeds) -> list[np.ndarray]:
    """onnxruntime's float result."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(spelling.serialize(model), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def ranges_of(case: Case, model: ir.Model) -> dict[str, tuple[float, float]]:
    out = {f"x{i}": (item.low, item.high) for i, item in enumerate(case.inputs) if isinstance(item, Input)}
    for i, y in enumerate(reference(model, data_of(case))):
        if y.dtype == np.float32:
            out[f"y{i}"] = case.range or (float(y.min()), float(y.max()))
    return out


def quantized(case: Case, model: ir.Model, bits: int = 8, y_bits: int = 8, weight_bits: int = 8) -> Program:
    """The case with inputs of `bits`, outputs of `y_bits`, weights of `weight_bits` unless it has codes of its own."""
    recipe = Recipe(feature_bits=bits, weight_bits=weight_bits, nodes={"node": Choice(y_bits)})
    found = quantize(model, ranges_of(case, model), recipe, channel_scales)
    weights = partial(given, case.codes) if case.codes else found.weights
    return lower(model, replace(found, weights=weights, rounds_twice=case.twice))


def given(codes: tuple[int, int], _: str, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights that are codes times 2^-7, as those codes."""
    out = np.round(w.astype(np.float64) * 128)
    assert (out == w * 128.0).all() and codes[0] <= out.min() and out.max() <= codes[1]
    return out.astype(np.int8 if codes[0] >= -128 and codes[1] <= 127 else np.int16), np.full(len(w), 1 / 128)


def in_float(model: ir.Model) -> Program:
    return lower(model, Quantization())


def stored_feeds(program: Program, feeds: Mapping[str, np.ndarray]) -> Feeds:
    """Feeds in source order as the program's stored tensors."""
    out = {}
    for name in program.inputs:
        t = program.tensors[name]
        x = feeds[name].transpose(t.axes)
        if isinstance(t.quant, QuantParams):
            x = numerics.quantize(x, t.quant)
        out[name] = np.ascontiguousarray(
            x.astype({"u8": np.uint8, "u16": np.uint16, "s32": np.int32, "bool": np.uint8}.get(t.dtype, np.float32))
        )
    return out


def in_numpy(program: Program, feeds: Feeds) -> list[np.ndarray]:
    """Stored outputs by the numpy definition."""
    values = run(program, stored_feeds(program, feeds))
    return [values[name] for name in program.outputs]


def in_parts(net: Net, feeds: Feeds) -> dict[str, np.ndarray]:
    """Stored outputs; every step is shared by all threads, also one that a run would leave to one thread."""
    net.trace(feeds)
    return {p.name: net._read(i).copy() for p, i in zip(net.outputs, net._out, strict=True)}


def in_c(program: Program, feeds: Feeds, threads: int = 1) -> list[np.ndarray]:
    """Stored outputs by the C runtime, through a packed file."""
    codes = in_parts(Net(pack(program, plan(program), names=False), threads=threads), feeds)
    return [codes[program.source.get(name, name)] for name in program.outputs]


def as_source(program: Program, outputs: list[np.ndarray]) -> list[np.ndarray]:
    """Stored outputs as floats in source order."""
    out = []
    for name, y in zip(program.outputs, outputs, strict=True):
        t = program.tensors[name]
        real = numerics.dequantize(y, t.quant) if isinstance(t.quant, QuantParams) else y
        out.append(real.transpose([t.axes.index(a) for a in range(len(t.axes))]))
    return out
