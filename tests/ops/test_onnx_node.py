"""ONNX's own node tests, in f32: numpy and C give the same bits, close to the expected outputs.

A case is run for each choice of constants that lowers: all of its inputs computed, its integers constant,
all but the first constant. One that lowers in no way is refused, by an error that says why. How many
passed and were refused is printed at the end of the run.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from magik_core import graph, passes
from magik_core.errors import MagikError
from magik_core.ops import by_onnx
from magik_core.prepare import prepare
from magik_core.program import Program
from tests import harness

DTYPES = tuple(np.dtype(t) for t in (np.float32, np.int64, np.int32, np.bool_))
TITLE = "ONNX node tests"
OTHERS = {  # cases held against onnxruntime's result, and why
    "test_resize_downsample_scales_linear_align_corners": "onnxruntime aligns the corners of whole pixels",
}


class Refused(Exception):
    """Why a case is outside of what magik computes."""


@dataclass(frozen=True)
class NodeCase:
    """One of ONNX's cases: a model, its inputs and the outputs it expects."""

    name: str
    model: onnx.ModelProto
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def collect() -> list[NodeCase]:
    """ONNX's cases of operators that have a kernel; also those spelled out in more than one node."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    known = {*by_onnx(), "Constant"}
    return [
        NodeCase(c.name, c.model, *(tuple(values) for values in c.data_sets[0]))
        for c in found
        if c.model is not None and c.data_sets is not None
        if all(n.op_type in known and n.domain == "" for n in c.model.graph.node)
    ]


def arrays(values: tuple[Any, ...]) -> list[np.ndarray]:
    """Arrays of a case's values.

    Raises: Refused: one is no tensor, or of a type or size that no kernel takes.
    """
    out = [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]
    for x in out:
        if not isinstance(x, (np.ndarray, np.generic)):
            raise Refused(f"a value is no tensor: {type(x).__name__}")
        if x.dtype not in DTYPES:
            raise Refused(f"no kernel for dtype {x.dtype}")
        if x.size == 0:
            raise Refused("a tensor is empty")
    return [np.asarray(x) for x in out]


def at_opset(model: onnx.ModelProto, want: list[np.ndarray]) -> onnx.ModelProto:
    """The model in an opset that magik reads, its output shapes as expected.

    Newer versions of these operators only take more types; the checker says where that is not so.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for value, x in zip(model.graph.output, want, strict=True):
        del value.type.tensor_type.shape.dim[:]
        for size in x.shape:
            value.type.tensor_type.shape.dim.add().dim_value = size
        value.type.tensor_type.shape.SetInParent()
    if graph.opset(model) > graph.OPSET:
        for entry in model.opset_import:
            entry.version = graph.OPSET if entry.domain == "" else entry.version
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise Refused(f"it needs an opset above {graph.OPSET}") from error
    return model


def choices(feeds: dict[str, np.ndarray]) -> Iterator[frozenset[str]]:
    """Names of the inputs to bind as constants, in every way that differs."""
    first = next(iter(feeds), None)
    integers = frozenset(n for n, x in feeds.items() if x.dtype != np.float32 and n != first)
    yield from dict.fromkeys((frozenset(), integers, frozenset(feeds) - {first}))


def lowered(model: onnx.ModelProto, feeds: dict[str, np.ndarray], constants: frozenset[str]) -> Program:
    """The case's f32 program.

    Raises: MagikError: a refusal by name.
    """
    source = ir.from_proto(model)
    prepared = prepare(source, constants={n: feeds[n] for n in constants})
    if any(n.op_type not in by_onnx() for n in prepared.graph):
        passes.run(prepared)
    return harness.in_float(prepared)


def check(program: Program, feeds: dict[str, np.ndarray], want: list[np.ndarray]) -> None:
    """Hold numpy against C in one and in three threads, and against the expected outputs."""
    given = {n: feeds[n] for n in program.inputs}
    values = harness.in_numpy(program, given)
    for threads in (1, 3):
        for y, c in zip(values, harness.in_c(program, given, threads), strict=True):
            assert y.dtype == c.dtype and y.tobytes() == c.tobytes(), "C differs from numpy"
    for y, w in zip(harness.as_source(program, values), want, strict=True):
        if w.dtype != np.float32:
            np.testing.assert_array_equal(y, w)
        else:
            finite = np.abs(w[np.isfinite(w)])
            np.testing.assert_allclose(y, w, rtol=1e-3, atol=1e-5 * max(1.0, finite.max(initial=0.0)))


def reasons(model: onnx.ModelProto, feeds: dict[str, np.ndarray], want: list[np.ndarray]) -> list[str]:
    """Why each choice of constants is refused; empty where it lowers, and then it has to be right."""
    out = []
    for constants in choices(feeds):
        try:
            program = lowered(model, feeds, constants)
        except MagikError as error:
            out.append(error.problems[0].what)
        else:
            out.append("")
            check(program, feeds, want)
    return out


def narrowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its first output only."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    gone = {value.name for value in model.graph.output[1:]}
    del model.graph.output[1:]
    for node in model.graph.node:
        node.output[:] = ["" if name in gone else name for name in node.output]
        while not node.output[-1]:
            node.output.pop()
    return model


def outcome(case: NodeCase) -> str:
    """`passed`, or why the case is refused; a wrong result or an error without a name raises."""
    try:
        inputs, want = arrays(case.inputs), arrays(case.outputs)
        model = at_opset(case.model, want)
    except Refused as error:
        return f"refused: {error}"
    feeds = dict(zip([i.name for i in model.graph.input], inputs, strict=True))
    if case.name in OTHERS:
        want = harness.reference(ir.from_proto(model), feeds)
    found = reasons(model, feeds, want)
    if "" in found:
        return f"as onnxruntime: {OTHERS[case.name]}" if case.name in OTHERS else "passed"
    if len(want) > 1 and "" in reasons(narrowed(model), feeds, want[:1]):
        return f"first output passed: {found[-1]}"
    return f"refused: {found[-1]}"


@pytest.mark.parametrize("case", collect(), ids=lambda c: c.name)
def test_node(case: NodeCase, record_property: Callable[[str, object], None]) -> None:
    try:
        result = outcome(case)
    except BaseException:
        record_property("counted", (TITLE, "failed"))
        raise
    record_property("counted", (TITLE, result))
    assert result == "passed" or result.partition(": ")[2], "a refusal without a reason"


def test_a_refusal_says_why() -> None:
    case = next(c for c in collect() if c.name == "test_resize_upsample_scales_cubic")
    assert outcome(case) == "refused: Resize: no kernel for this mode"
