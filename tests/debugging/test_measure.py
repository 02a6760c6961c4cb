"""Layers alone are what their definition computes on the float model's codes; halves blame the right half."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from magik_core import numerics
from magik_core.debugging.measure import PARTS, Layer, measure
from magik_core.debugging.rig import Rig
from magik_core.debugging.sites import stored, values_of
from magik_core.debugging.trials import trials
from magik_core.errors import DataError
from magik_core.float_session import FloatSession
from magik_core.program import QuantParams, Tensor
from magik_core.quantized import Quantized
from magik_core.recipe import Recipe
from magik_core.run import run
from tests.core.test_lower import model, node
from tests.debugging.nets import SHAPE, Feeds, branches, chain, feeds, quantized, weights

GRAPHS = {"chain": chain, "branches": branches}


def alone(subject: Quantized, sample: Feeds) -> Iterator[tuple[str, np.ndarray]]:
    """What each step computes in numpy where every value that it reads is the float model's."""
    program = subject.program()
    held = values_of(subject.graph, program)
    floats = FloatSession(subject.graph, sorted({v.name or "" for v in held.values()})).run(sample)
    arrays = {t.name: t.data for t in program.tensors.values() if t.data is not None}
    arrays |= {name: stored(sample[name], program.tensors[name]) for name in program.inputs}
    for step in program.steps:
        x, y = program.reads(step), program.writes(step)
        for t, value in zip(y, step.op.run(x, y, tuple(arrays[t.name] for t in x)), strict=True):
            yield t.name, value
            arrays[t.name] = stored(floats[held[t.name].name or ""], t) if t.name in held else value


@pytest.mark.parametrize("name", GRAPHS)
def test_a_layer_alone_is_its_definition_on_the_codes_of_float(name: str) -> None:
    samples = feeds(2)
    subject = quantized(GRAPHS[name](), samples)
    rig = Rig(subject.graph, subject.program())
    session = FloatSession(subject.graph, sorted(rig.values))
    for sample in samples:
        got = [(t.name, y.copy()) for t, y in rig.run(sample, session.run(sample))][1:]
        want = list(alone(subject, sample))
        assert [n for n, _ in got] == [n for n, _ in want]
        for (n, a), (_, b) in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=n)


@pytest.mark.parametrize("name", GRAPHS)
def test_accumulated_is_the_program_as_it_runs(name: str) -> None:
    samples = feeds(2)
    subject = quantized(GRAPHS[name](), samples)
    program, seen = subject.program(), {}

    class Seen:
        def add_layer(self, name: str, t: Tensor, array: np.ndarray, want: np.ndarray) -> None:
            seen[t.name] = array.copy()

        add_input = add_layer

    measure(subject, samples, look=Seen())
    values = run(
        program, {"x": numerics.quantize(samples[0]["x"].transpose(0, 2, 3, 1), subject.quantization.values["x"])}
    )
    assert set(seen) > {"x", "y"}
    for tensor, got in seen.items():
        np.testing.assert_array_equal(got, values[tensor], err_msg=tensor)


def by_name(subject: Quantized, samples: list[Feeds], **more: object) -> dict[str, Layer]:
    return {layer.name: layer for layer in measure(subject, samples, **more).layers}  # type: ignore[arg-type]


def sqnr(layer: Layer, part: str) -> float:
    distance = getattr(layer, part)
    assert distance is not None
    return float(distance.sqnr_db)


def test_the_spoiled_layer_is_the_worst_alone() -> None:
    """And its half of the quantization is to blame."""
    samples = feeds(4)
    for half, other in (("weights", "features"), ("features", "weights")):
        spoiled = "weights" if half == "weights" else "activations"
        found = by_name(quantized(chain(spoiled), samples), samples)
        least = min(found.values(), key=lambda layer: sqnr(layer, "isolated"))
        assert least.name == ("second" if half == "weights" else "third")
        assert sqnr(least, half) < sqnr(least, other) - 15


def test_trials_find_the_spoiled_layer() -> None:
    samples = feeds(4)
    subject = quantized(chain("weights"), samples)
    best = trials(subject, measure(subject, samples).layers, samples)[0]
    assert (best.layer, best.nodes, best.output) == ("second", ("second", "second/relu"), "y")
    assert best.gain > 10 and best.after == pytest.approx(best.before + best.gain)


def test_halves_without_their_error() -> None:
    """Weights on the grid of their codes lose nothing by themselves; the first layer of exact inputs neither."""
    samples = [{"x": np.round(one["x"] * 16).clip(-127, 127)} for one in feeds(2)]
    w = np.round(weights(4, 3, 1, 1) * 20).clip(-127, 127)
    w[:, 0] = 127
    graph = model([node("Conv", "x w", "y", "conv")], SHAPE, ["y"], w=w)
    (layer,) = measure(quantized(graph, samples), samples).layers
    assert sqnr(layer, "weights") == math.inf
    assert sqnr(layer, "features") == pytest.approx(sqnr(layer, "isolated"), abs=0.1)
    assert sqnr(layer, "accumulated") == sqnr(layer, "isolated"), "nothing is before it"


def test_more_bits_are_closer() -> None:
    samples = feeds(2)
    add = model([node("Add", "x x", "y", "sum")], SHAPE, ["y"])
    found = [
        sqnr(by_name(quantized(add, samples, Recipe(feature_bits=b)), samples)["sum"], "isolated") for b in (8, 12)
    ]
    assert found[1] > found[0] + 20


def test_values_beyond_what_a_function_tells_apart_are_no_error() -> None:
    """HardSwish is flat below -3: its input has codes from there only."""
    samples = [{"x": 4 * one["x"]} for one in feeds(2)]
    found = by_name(quantized(chain(), samples), samples)
    assert sqnr(found["third"], "isolated") > 30
    subject = quantized(chain(), samples)
    q = subject.quantization.values["e"]
    assert isinstance(q, QuantParams) and -3.2 < -q.scale * q.zero_point < -2.8
    (usage,) = (t for t in measure(subject, samples).tensors if t.tensor == "e")
    assert usage.saturated_low > 0.01 and usage.seen_low < -3.5, "which the shares do say"


def test_only_the_parts_that_are_asked_for() -> None:
    samples = feeds(1)
    found = by_name(quantized(chain(), samples), samples, parts=("isolated",))
    assert {(x.accumulated, x.features, x.weights) for x in found.values()} == {(None, None, None)}
    full = by_name(quantized(chain(), samples), samples)
    assert found["second"].isolated == full["second"].isolated
    assert full["act"].features is None and all(getattr(full["first"], part) for part in PARTS)


def test_a_layer_in_float_has_no_codes() -> None:
    samples = feeds(2)
    subject = quantized(chain(), samples, Recipe(skip_nodes=frozenset({"second", "second/relu"})))
    found = by_name(subject, samples)
    assert (found["second"].dtype, found["second"].bits, found["second"].weights) == ("f32", 0, None)
    assert sqnr(found["second"], "isolated") > sqnr(found["first"], "isolated")


class Stream:
    """Samples that watch how many of them are alive."""

    def __init__(self, count: int) -> None:
        self.count, self.most, self._alive = count, 0, list[weakref.ref[np.ndarray]]()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Feeds]:
        for i in range(self.count):
            one = feeds(1, seed=i)[0]
            self._alive.append(weakref.ref(one["x"]))
            self.most = max(self.most, sum(ref() is not None for ref in self._alive))
            yield one
            del one


def test_samples_are_streamed() -> None:
    stream, seen = Stream(6), []
    measure(quantized(chain(), feeds(2)), stream, progress=lambda done, total: seen.append((done, total)))
    assert stream.most <= 2 and seen == [(i, 6) for i in range(1, 7)]


def test_threads_change_nothing() -> None:
    samples = feeds(2)
    subject = quantized(branches(), samples)
    assert measure(subject, samples, threads=3) == measure(subject, samples)


def test_a_layer_that_is_not_finite_is_named() -> None:
    square = model([node("Relu", "x", "a", "some"), node("Mul", "a a", "y", "square")], SHAPE, ["y"])
    subject = quantized(square, feeds(2))
    bad = {"x": np.full(SHAPE, 1e30, np.float32)}
    with pytest.raises(DataError) as e:
        measure(subject, [*feeds(1), bad])
    assert str(e.value).startswith(
        "error: an activation is not finite\nwhere: layer 'square', sample 1\nfound: 108 of 108 values"
    )
    with pytest.raises(DataError, match="there are no samples to debug with"):
        measure(subject, [])


def test_corrected_biases_are_not_an_error_of_the_activations() -> None:
    """With real weights the biases are the float model's too."""
    samples = feeds(2)
    subject = quantized(chain(), samples)
    other: ir.Model = ir.from_proto(ir.to_proto(subject.graph))
    other.graph.initializers["b2"].const_value = ir.tensor(np.full(4, 0.3, np.float32), name="b2")
    shifted = by_name(replace(subject, corrected=other), samples)["second"]
    plain = by_name(subject, samples)["second"]
    assert shifted.features == plain.features
    assert sqnr(shifted, "weights") < sqnr(plain, "weights") - 10
