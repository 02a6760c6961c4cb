"""Random graphs through the whole flow: numpy and C agree, plans hold, files are the same every time.

`pytest --hypothesis-profile=long` runs many more of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import onnx_ir as ir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magik_core import library, passes, states
from magik_core.float_session import FloatSession
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.plan_check import check_plan
from magik_core.prepare import prepare
from magik_core.program import Program
from magik_core.quantize import quantize, values_to_calibrate
from magik_core.recipe import FEATURE_BITS, WEIGHT_BITS, Choice, Recipe
from magik_core.source import Quantization, WeightQuantizer
from magik_core.unpack import unpack
from tests import harness
from tests.ops.random_graphs import Graph, graphs
from tests.runtime.corpus import wide_weight_codes

Feeds = harness.Feeds
PROFILE = settings(deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Sample:
    """A graph after the passes (or without them), and feeds in source order."""

    model: ir.Model
    feeds: Feeds
    want: list[np.ndarray]


def sample(g: Graph, with_passes: bool) -> Sample:
    source = ir.from_proto(g.proto())
    feeds = {n: g.rng.uniform(-2, 2, s).astype(np.float32) for n, s in g.inputs.items()}
    want = harness.reference(source, feeds)
    model = prepare(source)
    if with_passes:
        passes.run(model)
    states.name_outputs(model)
    return Sample(model, {v.name or "": feeds[v.name or ""] for v in model.graph.inputs}, want)


def mixed(s: Sample, seed: int) -> Recipe:
    """Widths of features and weights by chance, half of the nodes with some of their own; 32 bits now and then."""
    rng = np.random.default_rng(seed)

    def some(bits: tuple[int, ...]) -> int:
        return int(rng.choice(bits))

    nodes = [node.name or "" for node in s.model.graph if rng.random() < 0.5]
    choices = {name: Choice(some(FEATURE_BITS), some(WEIGHT_BITS)) for name in nodes}
    return Recipe(feature_bits=some(FEATURE_BITS[:-1]), weight_bits=some(WEIGHT_BITS[:-1]), nodes=choices)


def in_codes(
    s: Sample, weights: WeightQuantizer | None = None, *, twice: bool = False, recipe: Recipe | None = None
) -> Program:
    """In codes of the ranges that the feeds have; weights as magik chooses them, or as `weights` does; sums rounded
    once or twice."""
    recipe = recipe or Recipe()
    names = values_to_calibrate(s.model, recipe)
    arrays = FloatSession(s.model, names).run(s.feeds)
    ranges = {n: (float(x.min()), float(x.max())) for n, x in arrays.items()}
    found = quantize(s.model, ranges, recipe, harness.channel_scales)
    return lower(s.model, replace(found, weights=weights or found.weights, rounds_twice=twice))


def bits(values: list[np.ndarray]) -> list[bytes]:
    return [v.tobytes() for v in values]


def check(program: Program, feeds: Feeds) -> list[np.ndarray]:
    """Hold numpy, every kind of C kernels in one and three threads, the plan, and the file read back to each other."""
    want = harness.in_numpy(program, feeds)
    placed = plan(program)
    check_plan(program, placed)
    data = pack(program, placed, names=True)
    for isa, threads in product(library.isas(), (1, 3)):
        codes = harness.in_parts(Net(data, threads=threads, isa=isa), feeds)
        found = [codes[program.source.get(name, name)] for name in program.outputs]
        assert bits(found) == bits(want)
    again, placed_again = unpack(data)
    assert pack(again, placed_again, names=True) == data
    assert bits(harness.in_numpy(again, feeds)) == bits(want)
    return want


@PROFILE
@given(graphs(), st.booleans(), st.sampled_from([None, wide_weight_codes]), st.booleans())
def test_codes(g: Graph, with_passes: bool, weights: WeightQuantizer | None, twice: bool) -> None:
    s = sample(g, with_passes)
    program = in_codes(s, weights, twice=twice)
    check(program, s.feeds)
    same = in_codes(s, weights, twice=twice)
    assert pack(same, plan(same), names=True) == pack(program, plan(program), names=True)


@PROFILE
@given(graphs(), st.booleans(), st.integers(0, 2**32 - 1))
def test_mixed_widths(g: Graph, with_passes: bool, seed: int) -> None:
    s = sample(g, with_passes)
    check(in_codes(s, recipe=mixed(s, seed)), s.feeds)


@PROFILE
@given(graphs(), st.booleans())
def test_float(g: Graph, with_passes: bool) -> None:
    """Close to onnxruntime's result of the graph as it was drawn, before any pass."""
    s = sample(g, with_passes)
    program = lower(s.model, Quantization())
    outputs = harness.as_source(program, check(program, s.feeds))
    for y, w in zip(outputs, s.want, strict=True):
        assert y.shape == w.shape
        assert np.abs(y - w).max() <= 1e-4 * max(np.abs(w).max(), 1e-3)
