"""MXNet's models of the shared folder: float results as MXNet's, and converted for T41."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench import accuracy, planner
from magik_core import pipeline
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
    """A symbol, its recorded tensors, and the least cosine of the quantized outputs to them."""

    path: str
    ref: str
    prefix: str
    least: float

    def recorded(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The input, and the outputs by name."""
        ref = np.load(SHARED / self.ref)
        mine = {key.removeprefix(self.prefix): ref[key] for key in ref.files if key.startswith(self.prefix)}
        return mine.pop("data"), mine


MODELS = [
    Model("mobileface-id-v1/MobileFace_Identification_V1-symbol.json", "mobileface-id-v1/ref.npz", "", 0.9),
    *(Model(f"mtcnn/mxnet/det{n}-0001.params", "mtcnn/ref.npz", f"det{n}/mxnet/", 0.98) for n in (1, 2, 3, 4)),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: Path(m.path).name.partition("-")[0])
def test_float(model: Model) -> None:
    x, wanted = model.recorded()
    path = SHARED / model.path
    graph = prepare(repository().sniff(path).load(path, Request()), input_shapes=[x.shape])
    assert {v.name for v in graph.graph.outputs} == set(wanted)
    for value, y in zip(graph.graph.outputs, run(graph, {"data": x}), strict=True):
        w = wanted[str(value.name)]
        assert y.shape == w.shape
        np.testing.assert_allclose(y, w, rtol=0, atol=1e-4 * np.ptp(w), err_msg=str(value.name))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: Path(m.path).name.partition("-")[0])
def test_t41(model: Model, tmp_path: Path) -> None:
    """Samples are the recorded inputs: that it works is shown here, how well it can work in bench/accuracy."""
    x, wanted = model.recorded()
    np.save(tmp_path / "samples.npy", x)
    shape = [[1, *x.shape[1:]]]
    result = pipeline.convert(
        SHARED / model.path, tmp_path / "out", soc="T41", input_shape=shape, calibration=tmp_path / "samples.npy"
    )
    assert (result.soc, result.calibration_samples) == ("T41", len(x))
    net = load(tmp_path / "out.mgk")
    rows = [net.run(one[None]) for one in x]
    for name, w in wanted.items():
        got = np.concatenate([row[name] for row in rows])
        assert accuracy.cosine({name: w}, {name: got}) > model.least, name
