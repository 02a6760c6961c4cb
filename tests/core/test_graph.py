"""The helpers over onnx_ir."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from magik_core import graph, spelling
from magik_core.errors import GraphError
from magik_core.prepare import prepare
from magik_core.quantize import bits_of
from magik_core.recipe import Choice, Recipe
from tests.core.graphs import proto_of, random_feeds, run, source_of

TWO = "agraph (float[1,4] x) => (float[1,4] y) { r = Relu(x) y = Mul(r, c) }"
C = np.array([[1, 2, 3, 4]], np.float32)


def test_attribute_has_a_default() -> None:
    model = prepare(source_of("agraph (float[4] x) => (float[4] y) { y = Elu<alpha=2.0>(x) }"))
    assert graph.attribute(model.graph[0], "alpha") == 2.0
    assert graph.attribute(model.graph[0], "beta", 3) == 3


def test_constant_is_the_array_of_a_constant_only() -> None:
    mul = prepare(source_of(TWO, c=C)).graph[1]
    np.testing.assert_array_equal(graph.constant(mul.inputs[1]), C)
    assert graph.constant(mul.inputs[0]) is None
    assert graph.constant(None) is None


@pytest.mark.parametrize(("array", "number"), [(np.full((2, 2), 3.0), 3.0), (C, None), (np.zeros((0,)), None)])
def test_scalar_is_the_number_that_fills_a_constant(array: np.ndarray, number: float | None) -> None:
    model = prepare(source_of(TWO, c=C))
    assert graph.scalar(graph.add_constant(model, "k", array)) == number


def test_consumers_come_once_each() -> None:
    model = prepare(source_of("agraph (float[4] x) => (float[4] y) { s = Mul(x, x) y = Add(s, x) }"))
    (x,) = model.graph.inputs
    assert [node.op_type for node in graph.consumers(x)] == ["Mul", "Add"]
    assert graph.sole_consumer(x) is None
    assert graph.sole_consumer(model.graph[0].outputs[0]) is model.graph[1]
    assert graph.sole_consumer(model.graph.outputs[0]) is None


def test_static_shape_wants_numbers() -> None:
    model = source_of("agraph (float[n,4] x) => (float[n,4] y) { y = Relu(x) }")
    assert graph.static_shape(model.graph.inputs[0]) is None
    assert graph.static_shape(None) is None
    assert graph.static_shape(prepare(model).graph.inputs[0]) == (1, 4)


def test_bypass_keeps_the_name_of_an_output() -> None:
    model = prepare(source_of("agraph (float[4] x) => (float[4] y) { r = Relu(x) y = Abs(r) }"))
    assert graph.bypass(model.graph[1], model.graph[0].outputs[0])
    assert [v.name for v in model.graph.outputs] == ["y"]
    assert not graph.bypass(model.graph[0], model.graph.inputs[0])


def test_replace_hands_name_and_uses_over() -> None:
    model = prepare(source_of(TWO, c=C))
    graph.replace(model.graph[0], graph.insert(model.graph[0], "Abs", [model.graph.inputs[0]]))
    graph.name_everything(model)
    assert [(n.op_type, n.name, n.outputs[0].name) for n in model.graph] == [("Abs", "r", "r"), ("Mul", "y", "y")]


def test_names_are_made_unique() -> None:
    model = prepare(source_of(TWO, c=C))
    assert graph.add_constant(model, "c", C).name == "c_1"
    model.graph[1].name = "r"
    graph.name_everything(model)
    assert [node.name for node in model.graph] == ["r", "r_1"]


def test_infer_names_every_node_that_does_not_fit() -> None:
    text = "agraph (float[1,4] x) => (float[1,4] y) { one = MatMul(x, x) y = MatMul(one, one) }"
    model = source_of(text)
    with pytest.raises(GraphError) as caught:
        graph.infer(model)
    problems = caught.value.problems
    assert {p.what for p in problems} == {"the graph does not hold together"}
    assert problems[0].where == "MatMul"
    assert "Incompatible dimensions" in problems[0].found
    graph.infer(model, strict=False)


def test_an_opset_that_cannot_be_converted_is_named_with_both() -> None:
    proto = proto_of("agraph (float[4] x) => (float[4] y) { y = CumProd(x, axis) }", opset=26, axis=np.array(0))
    with pytest.raises(GraphError) as caught:
        graph.convert_opset(proto)
    (problem,) = caught.value.problems
    assert problem.what == "the model cannot be converted to the opset that magik works in"
    assert problem.found.startswith("opset 26: ")
    assert problem.need == f"a model that onnx {onnx.__version__} converts to opset {graph.OPSET}"
    assert problem.hint == f"export the model again with opset {graph.OPSET} or a nearby one"


@pytest.mark.parametrize(("op", "opset"), [("Upsample", 9), ("Resize", 10)])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_an_older_resize_keeps_its_coordinates(op: str, opset: int, mode: str) -> None:
    scales = np.array([1, 1, 1, 1.5], np.float32)
    text = f'agraph (float[1,1,1,4] x) => (float[1,1,1,6] y) {{ y = {op} <mode = "{mode}"> (x, scales) }}'
    proto = proto_of(text, opset=opset, scales=scales)
    proto.ir_version = graph.IR_VERSION
    x = {"x": np.array([[[[0, 3, 9, 27]]]], np.float32)}
    y = run(ir.from_proto(graph.convert_opset(proto)), x)[0]
    np.testing.assert_allclose(y, run(ir.from_proto(proto), x)[0], rtol=1e-6)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21])
def test_old_opsets_convert(opset: int) -> None:
    proto = proto_of("agraph (float[1,4] x) => (float[1,4] y) { r = Relu(x) y = Mul(r, c) }", opset=opset, c=C)
    converted = graph.convert_opset(proto)
    assert graph.opset(converted) == graph.OPSET
    np.testing.assert_array_equal(run(ir.from_proto(converted), {"x": -C})[0], np.zeros_like(C))


def test_an_expression_that_cannot_be_evaluated_is_an_error() -> None:
    text = "agraph (float[3,6] x, int64 n) => (seq(float[a,b]) y) { y = SplitToSequence<axis=1>(x, n) }"
    with pytest.raises(GraphError) as caught:
        prepare(source_of(text))
    assert caught.value.problems[0].what == "a constant expression cannot be evaluated"
    assert "SplitToSequence" in caught.value.problems[0].where


def test_serialize_runs_and_fingerprint_tells_models_apart() -> None:
    one, same, other = (prepare(source_of(TWO, c=c)) for c in (C, C.copy(), C + 1))
    x = random_feeds(one)
    np.testing.assert_array_equal(run(one, x)[0], np.maximum(x["x"], 0) * C)
    assert graph.fingerprint(one) == graph.fingerprint(same) != graph.fingerprint(other)


@pytest.mark.parametrize("alpha", ["", "<alpha=1.5>"])
def test_an_older_runtime_gets_an_older_opset(monkeypatch: pytest.MonkeyPatch, alpha: str) -> None:
    model = prepare(source_of(f"agraph (float[9] x) => (float[9] y) {{ s = Swish{alpha}(x) y = Abs(s) }}"))
    wanted, mark = run(model, random_feeds(model))[0], graph.fingerprint(model)
    monkeypatch.setattr(spelling.metadata, "version", lambda name: "1.23.2")
    old = onnx.ModelProto.FromString(spelling.serialize(model))
    assert graph.opset(old) == 23
    assert "Swish" not in [node.op_type for node in old.graph.node]
    np.testing.assert_allclose(run(model, random_feeds(model))[0], wanted, rtol=1e-5, atol=1e-6)
    assert graph.fingerprint(model) == mark


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("t = Exp(x) y = Relu(t)", "Exp"),
        ("t = Exp(x) y = Clip(t, low, high)", "Exp"),
        ("t = Exp(x) y = Clip(t, , high)", "Exp"),
        ("t = Exp(x) y = Sqrt(t)", None),
        ("t = Exp(x) u = Relu(t) y = Add(u, t)", None),
        ("t = Exp(x) m = ReduceMax<keepdims=0>(x) y = Clip(t, low, m)", None),
        ("y = Relu(x)", None),
    ],
)
def test_limits_that_one_computation_alone_has(text: str, found: str | None) -> None:
    bounds = {"low": np.float32(0), "high": np.float32(6)}
    model = source_of(f"agraph (float[4] x) => (float[4] y) {{ {text} }}", **bounds)
    node = next((n for n in model.graph if n.op_type in ("Relu", "Clip")), model.graph[-1])
    decides = graph.limited(node)
    assert (decides.op_type if decides else None) == found


def test_computed_limits_decide_on_their_own() -> None:
    model = source_of(
        "agraph (float[4] x) => (float[4] y) { t = Exp(x) m = ReduceMax<keepdims=0>(x) y = Clip(t, , m) }"
    )
    graph.infer(model)
    for node in model.graph:
        node.name = node.op_type
    bits = bits_of(model, Recipe(nodes={"Exp": Choice(feature_bits=16)}))
    assert (bits["t"], bits["y"]) == (16, 8)
