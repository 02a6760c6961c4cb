"""QUANT_OP_SKIP and QUANT_NODE_SKIP: the nodes that a name means, and names that mean none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import magik_core as magik
from magik_core import passes, skips
from magik_core.errors import UsageError
from magik_core.pipeline import quantized
from magik_core.prepare import prepare
from magik_core.quantize import check_recipe
from magik_core.recipe import Choice, Recipe
from magik_core.spelling import serialize
from tests.core.graphs import source_of
from tests.core.test_lower import model, node

NET = """g (float[1,8,8,8] x) => (float[1,4] y) {
    [conv] a = Conv <pads = [1, 1, 1, 1]> (x, w)
    [relu6] b = Clip (a, zero, six)
    [depthwise] c = Conv <group = 8> (b, d)
    [sum] e = Add (c, c)
    [bias] f = Add (e, per_channel)
    [bilinear] h = Resize <mode = "linear"> (f, , two)
    [nearest] i = Resize <mode = "nearest"> (h, , two)
    [pool] j = AveragePool <kernel_shape = [2, 2]> (i)
    [gap] k = GlobalAveragePool (j)
    [gate] l = HardSigmoid (k)
    [flat] m = Flatten (l)
    [fc] n = Gemm (m, v, u)
    [product] p = MatMul (n, q)
    [both] r = Add (p, n)
    [norm] y = LayerNormalization (r, ones)
}"""
CONSTANTS = {
    "w": np.ones((8, 8, 3, 3), np.float32),
    "zero": np.float32(0),
    "six": np.float32(6),
    "d": np.ones((8, 1, 3, 3), np.float32),
    "per_channel": np.arange(8, dtype=np.float32).reshape(8, 1, 1),
    "two": np.array([1, 1, 2, 2], np.float32),
    "v": np.ones((8, 4), np.float32),
    "u": np.ones(4, np.float32),
    "q": np.eye(4, dtype=np.float32) + 1,
    "ones": np.ones(4, np.float32),
}
NORM = """g (float[1,3,8,8] x) => (float[1,3,8,8] y) {
    [relu] a = Relu (x)
    [bn] b = BatchNormalization (a, k, c, m, v)
    [end] y = Relu (b)
}"""
NORM_CONSTANTS = {name: np.arange(1, 4, dtype=np.float32) for name in "kcmv"}


def network(text: str, constants: Mapping[str, np.ndarray | np.float32]) -> ir.Model:
    out = prepare(source_of(text, **{name: np.asarray(value) for name, value in constants.items()}))
    passes.run(out)
    return out


def skipped(net: ir.Model, *, nodes: Collection[str] = (), ops: Collection[str] = ()) -> set[str]:
    recipe, unmet = skips.resolve(net, Recipe(skip_nodes=frozenset(nodes), skip_ops=frozenset(ops)))
    assert not unmet and not recipe.skip_ops
    check_recipe(net, recipe)
    return set(recipe.skip_nodes)


@pytest.fixture(scope="module")
def net() -> ir.Model:
    return network(NET, CONSTANTS)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("Conv", {"conv", "depthwise"}),
        ("Conv2D", {"conv"}),
        ("DepthwiseConv2dNative", {"depthwise"}),
        ("Relu6", {"relu6"}),
        ("Add", {"sum", "bias", "both"}),
        ("EltwiseAdd", {"sum", "bias", "both"}),
        ("BiasAdd", {"bias"}),
        ("Resize", {"bilinear", "nearest"}),
        ("ResizeBilinear", {"bilinear"}),
        ("ResizeNearestNeighbor", {"nearest"}),
        ("Unpool2D", {"nearest"}),
        ("AvgPool", {"pool"}),
        ("GlobalAvgPool", {"gap"}),
        ("Hsigmoid", {"gate"}),
        ("Gemm", {"fc"}),
        ("MatMul", {"fc", "product"}),
        ("Linear", {"fc", "product"}),
        ("SkipLayerNormalization", {"norm"}),
    ],
)
def test_the_nodes_of_a_type(net: ir.Model, name: str, nodes: set[str]) -> None:
    assert skipped(net, ops=[name]) == nodes


def test_every_type_of_the_vendor_is_known(net: ir.Model) -> None:
    check_recipe(net, Recipe(skip_ops=frozenset(skips.VENDORS)))


@pytest.mark.parametrize("name", ["BatchNormalization", "BatchNormScale", "FusedBatchNorm"])
def test_a_batch_norm_is_its_product_and_its_sum(name: str) -> None:
    net = network(NORM, NORM_CONSTANTS)
    assert skipped(net, ops=[name]) == skipped(net, nodes=["bn"]) == {"bn/scale", "bn"}
    assert skips.resolve(net, Recipe(skip_ops=frozenset({"EltwiseMul"})))[0].skip_nodes == set()


def test_a_batch_norm_of_which_the_product_is_left() -> None:
    net = network(NORM, {**NORM_CONSTANTS, "c": np.zeros(3, np.float32), "m": np.zeros(3, np.float32)})
    assert len(net.graph) == 3
    assert skipped(net, nodes=["bn"]) == skipped(net, ops=["BatchNormScale"]) == {net.graph[1].name}


PARTS = """g (float[1,3,8,8] x) => (float[1,3,8,8] y) {
    [conv] a = Conv <pads = [1, 1, 1, 1]> (x, w)
    [bn] b = BatchNormalization (a, k, c, m, v)
    [gate] d = Sigmoid (b)
    [silu] e = Mul (b, d)
    [same] f = Identity (e)
    [mean] mu = ReduceMean (f, last)
    [centered] diff = Sub (f, mu)
    [power] square = Pow (diff, two)
    [variance] var = ReduceMean (square, last)
    [sum] s = Add (var, little)
    [root] r = Sqrt (s)
    [quotient] q = Div (diff, r)
    [scale] n = Mul (q, factors)
    [norm] o = Add (n, factors)
    [end] y = Relu (o)
}"""
PARTS_CONSTANTS = NORM_CONSTANTS | {
    "w": np.ones((3, 3, 3, 3), np.float32),
    "last": np.array([-1]),
    "two": np.float32(2),
    "little": np.float32(1e-5),
    "factors": np.arange(1, 9, dtype=np.float32),
}


@pytest.fixture(scope="module")
def parts() -> ir.Model:
    return network(PARTS, PARTS_CONSTANTS)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("conv", {"bn"}),  # in whose name it is now
        ("bn", {"bn"}),
        ("gate", {"silu"}),
        ("silu", {"silu"}),
        ("mean", {"norm"}),
        ("power", {"norm"}),
        ("scale", {"norm"}),
    ],
)
def test_a_node_that_became_part_of_another(parts: ir.Model, name: str, nodes: set[str]) -> None:
    found = {n.name: n.op_type for n in parts.graph}
    assert found == {"bn": "Conv", "silu": "Swish", "norm": "LayerNormalization", "end": "Relu"}
    assert skipped(parts, nodes=[name]) == nodes


def test_a_node_that_is_gone_is_part_of_none(parts: ir.Model) -> None:
    with pytest.raises(UsageError, match="the graph has no node of this name"):
        skipped(parts, nodes=["same"])


def test_bits_for_a_node_that_became_part_of_another(parts: ir.Model) -> None:
    choice, other = Choice(feature_bits=16), Choice(feature_bits=12)
    assert skips.resolve(parts, Recipe(nodes={"conv": choice, "gate": other}))[0].nodes == {"bn": choice, "silu": other}
    both = {"conv": choice, "bn": other}
    assert skips.resolve(parts, Recipe(nodes=both))[0].nodes == both


def test_a_type_without_nodes_is_told(net: ir.Model) -> None:
    recipe, unmet = skips.resolve(
        net, Recipe(skip_nodes=frozenset({"conv"}), skip_ops=frozenset({"Tanh", "EltwiseDiv"}))
    )
    assert (recipe.skip_nodes, recipe.skip_ops) == ({"conv"}, set())
    text = "has no effect: the network, as it is after rewriting, has no node of this type"
    assert unmet == (f"QUANT_OP_SKIP EltwiseDiv {text}", f"QUANT_OP_SKIP Tanh {text}")
    assert skips.resolve(net, Recipe(skip_ops=frozenset({"Tanh"}), is_float=True))[1] == ()


@pytest.mark.parametrize(("name", "near"), [("EltwiseAd", "EltwiseAdd"), ("Unpool", "Unpool2D"), ("Conv2", "Conv2D")])
def test_a_type_that_nobody_knows_has_a_hint(net: ir.Model, name: str, near: str) -> None:
    recipe, unmet = skips.resolve(net, Recipe(skip_ops=frozenset({name})))
    with pytest.raises(UsageError) as caught:
        check_recipe(net, recipe)
    assert not unmet and str(caught.value) == (
        f"error: unknown operator type\nwhere: {name}\n need: an operator type of ONNX or of the vendor\n\n"
        f" hint: did you mean {near}?"
    )


def test_a_conversion_warns_of_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    np.save(tmp_path / "calib.npy", x)
    source = tmp_path / "net.onnx"
    source.write_bytes(serialize(model([node("Sigmoid", "x", "y", "n")], (1, 3, 6, 6), ["y"])))
    keys = {"calibration": str(tmp_path / "calib.npy"), "quant_op_skip": ["Conv2D"]}
    (text,) = magik.convert(source, **keys).warnings
    assert text.startswith("QUANT_OP_SKIP Conv2D has no effect")
    notes: list[str] = []
    quantized(source, notes=notes.append, **keys)
    assert notes == [text]
