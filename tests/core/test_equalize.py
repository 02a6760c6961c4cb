"""Equalization leaves the function alone and evens out the weights."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from magik_core.equalize import equalize
from magik_core.float_session import FloatSession

R = np.random.default_rng(0)


def chain(middle=(), groups=1, last_channels=5, with_bias=True, keep=False, share=False):
    """x -> Conv(3 -> 6) -> middle -> Conv(6 -> last) -> y, ranges of the 6 channels far apart."""
    spread = np.geomspace(1e-2, 1e2, 6).reshape(6, 1, 1, 1)
    constants = {
        "w1": (R.normal(size=(6, 3, 3, 3)) * spread),
        "b1": R.normal(size=6),
        "w2": R.normal(size=(last_channels, 6 // groups, 3, 3)),
        "slope": R.uniform(0.1, 0.5, (6, 1, 1)),
    }
    values = {n: ir.Value(name=n, const_value=ir.tensor(a.astype(np.float32), name=n)) for n, a in constants.items()}
    x = ir.val("x", ir.DataType.FLOAT, [1, 3, 8, 8])
    nodes = [ir.node("Conv", [x, values["w1"], *([values["b1"]] if with_bias else [])], name="first")]
    for op in middle:
        inputs = [nodes[-1].outputs[0], *([values["slope"]] if op == "PRelu" else [])]
        nodes.append(ir.node(op, inputs))
    nodes.append(ir.node("Conv", [nodes[-1].outputs[0], values["w2"]], {"group": groups}))
    outputs = [nodes[-1].outputs[0]]
    if keep:
        outputs.append(nodes[0].outputs[0])
    if share:
        nodes.append(ir.node("Identity", [values["w2"]]))
        outputs.append(nodes[-1].outputs[0])
    for i, value in enumerate(outputs):
        value.name, value.dtype = f"y{i}", ir.DataType.FLOAT
    for i, node in enumerate(nodes):
        if not node.outputs[0].name:
            node.outputs[0].name = f"t{i}"
    graph = ir.Graph([x], outputs, nodes=nodes, opset_imports={"": 20}, name="g",
                     initializers=[v for v in values.values() if v.uses()])  # fmt: skip
    return ir.Model(graph, ir_version=10)


def outputs(model):
    feeds = {"x": np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)}
    return list(FloatSession(model).run(feeds).values())


def ranges(model, name, axis):
    w = np.abs(model.graph.initializers[name].const_value.numpy())
    return w.max(axis=tuple(i for i in range(w.ndim) if i != axis))


@pytest.mark.parametrize("middle", [(), ("Relu",), ("LeakyRelu",), ("PRelu",)])
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_function_stays_and_the_ranges_meet(middle, groups, with_bias):
    model = chain(middle, groups, 6, with_bias)
    before = outputs(model)
    assert equalize(model) == 1
    for a, b in zip(before, outputs(model), strict=True):
        assert np.abs(a - b).max() <= 1e-5 * np.abs(a).max()
    assert np.allclose(ranges(model, "w1", 0), ranges(model, "w2", 0 if groups > 1 else 1), rtol=1e-3)


@pytest.mark.parametrize(
    "model",
    [
        chain(("Sigmoid",)),
        chain(("Relu", "Relu")),
        chain(("Relu",), groups=2, last_channels=4),  # neither ordinary nor depthwise
        chain(("Relu",), groups=6, last_channels=12),
        chain(("Relu",), keep=True),  # somebody else reads between them
        chain(("Relu",), share=True),  # somebody else reads the weight
    ],
)
def test_what_is_no_pair_stays_as_it_is(model):
    weights = [v.const_value.numpy().copy() for v in model.graph.initializers.values()]
    assert equalize(model) == 0
    after = [v.const_value.numpy() for v in model.graph.initializers.values()]
    assert all(np.array_equal(a, b) for a, b in zip(weights, after, strict=True))


def test_dead_channels_stay():
    model = chain(("Relu",))
    for name, axis in (("w1", 0), ("w2", 1)):
        value = model.graph.initializers[name]
        w = value.const_value.numpy().copy()
        np.moveaxis(w, axis, 0)[2 if axis else 3] = 0
        value.const_value = ir.tensor(w, name=name)
    before = outputs(model)
    assert equalize(model) == 1
    assert all(np.isfinite(v.const_value.numpy()).all() for v in model.graph.initializers.values())
    assert np.allclose(before[0], outputs(model)[0], rtol=1e-4, atol=1e-3)
