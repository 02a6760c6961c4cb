"""The c of an LSTM over time: what onnxruntime has for the sequence up to there, and what calibration covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from magik_core.calibrate import calibrate
from magik_core.cells import cells
from magik_core.float_session import FloatSession
from magik_core.ops.cases import Input, case, floats
from magik_core.quantizers.max_abs import QUANTIZER
from tests import harness

T, BATCH, SIZE, HIDDEN = 5, 2, 3, 4
STATE = (BATCH, HIDDEN)


def model(dirs: int, lengths: Any = None, states: Any = None, peepholes: bool = False, **attributes: Any) -> ir.Model:
    w, r, b = (floats(dirs, 4 * HIDDEN, n, seed=n) for n in (SIZE, HIDDEN, 2))
    bias = b.reshape(dirs, 8 * HIDDEN)
    first = [Input((dirs, *STATE) if not attributes.get("layout") else (BATCH, dirs, HIDDEN))] * 2
    given = [lengths, *(first if states else [None, None]), *([floats(dirs, 12)] if peepholes else [])]
    x = (T, BATCH, SIZE) if not attributes.get("layout") else (BATCH, T, SIZE)
    item = case("LSTM", w, r, bias, *given, x=x, hidden_size=HIDDEN, outputs=3, **attributes)
    return harness.model_of(item)


MODELS: dict[str, dict[str, Any]] = {
    "forward": {},
    "reverse": {"direction": "reverse", "lengths": np.array([3, 5], np.int32)},
    "states": {"states": True, "peepholes": True, "lengths": np.array([5, 2], np.int32)},
    "both": {"direction": "bidirectional", "states": True, "lengths": np.array([1, 4], np.int32)},
    "batch first": {"direction": "bidirectional", "states": True, "clip": 0.5, "input_forget": 1},
    "functions": {"direction": "reverse", "activations": ["HardSigmoid", "Softsign", "Tanh"]},
}


@pytest.mark.parametrize("name", MODELS)
def test_the_last_one_is_that_of_onnxruntime(name: str) -> None:
    """Forward and backward: of each sequence, the state after as many times as it is long."""
    options = dict(MODELS[name])
    dirs = 2 if options.get("direction") == "bidirectional" else 1
    net = model(dirs, **options)
    if name == "batch first":  # onnxruntime has no layout 1: the graph says the same in both
        net = model(dirs, **options, layout=1)
    ((last, cell),) = cells(net).items()
    rng = np.random.default_rng(1)
    feeds = {v.name or "": rng.uniform(-1, 1, v.shape.numpy()).astype(np.float32) for v in net.graph.inputs}  # type: ignore[union-attr]
    arrays = FloatSession(net, [last, *cell.reads]).run(feeds)
    found = cell.over_time(arrays)
    assert found.shape == (T, dirs, *STATE)
    lengths = options.get("lengths", np.full(BATCH, T))
    want = arrays[last].swapaxes(0, 1) if name == "batch first" else arrays[last]
    for n, length in enumerate(lengths):
        assert np.allclose(found[length - 1, :, n], want[:, n], atol=1e-6)
        assert not found[length:, :, n].any()


def test_each_time_is_the_last_of_a_shorter_sequence() -> None:
    net = model(1)
    ((last, cell),) = cells(net).items()
    x = np.random.default_rng(2).uniform(-1, 1, (T, BATCH, SIZE)).astype(np.float32)
    found = cell.over_time({cell.reads[0]: x})
    for i in range(T):
        short = model(1, lengths=np.full(BATCH, i + 1, np.int32))
        assert np.allclose(found[i], FloatSession(short, [last]).run({cell.reads[0]: x})[last], atol=1e-6)


def test_ranges_cover_all_times() -> None:
    net = model(1)
    ((last, cell),) = cells(net).items()
    x = np.random.default_rng(3).uniform(-1, 1, (T, BATCH, SIZE)).astype(np.float32)
    x[-1] = -x[0]
    found = calibrate(net, [{cell.reads[0]: x}], {last: 16}, QUANTIZER)[last]
    all_of_it = cell.over_time({cell.reads[0]: x})
    assert found == (min(float(all_of_it.min()), 0), max(float(all_of_it.max()), 0))
    assert all_of_it.min() < all_of_it[-1].min() or all_of_it.max() > all_of_it[-1].max()


def test_one_time_needs_nothing() -> None:
    w, r = floats(1, 4 * HIDDEN, SIZE), floats(1, 4 * HIDDEN, HIDDEN)
    assert cells(harness.model_of(case("LSTM", w, r, x=(1, BATCH, SIZE), hidden_size=HIDDEN, outputs=3))) == {}
    assert cells(harness.model_of(case("Relu", x=(1, 2)))) == {}
