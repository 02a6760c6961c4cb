"""Keras's models of the shared folder: float results as recorded, and converted for T41."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench import metrics, planner
from magik_core import pipeline
from magik_core.errors import ModelError
from magik_core.hookspecs import Request
from magik_core.net import load
from magik_core.prepare import prepare
from tests.conftest import repository
from tests.core.graphs import run

SHARED = planner.shared_folder() / "models"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]


@dataclass(frozen=True)
class Model:
    """A file, the name of its input, what is done to an image before it, and the least cosine at 8 bits."""

    path: str
    input: str
    scale: Callable[[np.ndarray], np.ndarray]
    least: float

    def recorded(self) -> tuple[np.ndarray, np.ndarray]:
        ref = np.load(SHARED / self.path.partition("/")[0] / "ref.npz")
        return self.scale(ref["image_u8"].astype(np.float32) / 255).astype(np.float32), ref["prob"]


MODELS = [
    Model("mlperf-tiny-vww/vww_96.h5", "input_1", lambda x: x, 0.99),
    Model("emotion-mini-xception/emotion_model.hdf5", "input_1", lambda x: (x[..., None] - 0.5) * 2, 0.98),
]
by_name = pytest.mark.parametrize("model", MODELS, ids=lambda m: m.path.partition("/")[0])


@by_name
def test_float(model: Model) -> None:
    x, wanted = model.recorded()
    path = SHARED / model.path
    graph = prepare(repository().sniff(path).load(path, Request()), input_shapes=[x.shape])
    assert [v.name for v in graph.graph.inputs] == [model.input]
    (y,) = run(graph, {model.input: x})
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-4 * np.ptp(wanted))


@by_name
def test_t41(model: Model, tmp_path: Path) -> None:
    """Samples are the recorded inputs: that it works is shown here."""
    x, wanted = model.recorded()
    np.save(tmp_path / "samples.npy", x)
    result = pipeline.convert(
        SHARED / model.path,
        tmp_path / "out",
        soc="T41",
        input_shape=[[1, *x.shape[1:]]],
        calibration=tmp_path / "samples.npy",
    )
    assert (result.soc, result.calibration_samples, result.float_steps) == ("T41", len(x), 0)
    assert not [s.name for s in result.program.steps if type(s.op).__name__ == "Transpose"]
    net = load(tmp_path / "out.mgk")
    got = np.concatenate([next(iter(net.run(one[None]).values())) for one in x])
    assert metrics.cosine({"y": wanted}, {"y": got}) > model.least


def test_weights_only() -> None:
    path = SHARED / "dtln/model.h5"
    with pytest.raises(ModelError) as caught:
        repository().sniff(path).load(path, Request())
    (problem,) = caught.value.problems
    assert problem.what == "the Keras file holds weights only, no layers" and "lstm" in problem.found
