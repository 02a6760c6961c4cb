"""Real Caffe models: their float outputs are those that OpenCV 4.10 recorded, and they convert for T41."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from magik_frontend_caffe import load

import magik_core as magik
from bench import planner
from magik_core.hookspecs import Request
from magik_core.net import load as load_net
from magik_core.prepare import prepare
from tests.core.graphs import run

SHARED = planner.shared_folder()
MODELS = SHARED / "models"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]
MOST = 1e-4  # of an output's range
LEAST = 0.98  # mean cosine of the integer outputs to the float ones


@dataclass(frozen=True)
class Model:
    """A model, the key of its inputs in ref.npz, and how its outputs are found there."""

    name: str
    path: str
    input: str
    outputs: Mapping[str, str]
    mean: tuple[float, ...] = ()
    normal: tuple[float, ...] = ()

    @property
    def reference(self) -> Mapping[str, np.ndarray]:
        return np.load(MODELS / self.path.partition("/")[0] / "ref.npz")

    def samples(self) -> np.ndarray:
        """(n, C, H, W), before the mean is taken."""
        x = self.reference[self.input].astype(np.float32)
        return x if not self.mean else np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def normalized(self) -> np.ndarray:
        if not self.mean:
            return self.samples()
        mean, normal = (np.float32(v)[:, None, None] for v in (self.mean, self.normal))
        return (self.samples() - mean) / normal


def mtcnn(name: str, *outputs: str) -> Model:
    return Model(name, f"mtcnn/caffe/{name}", f"{name}/caffe/data", {o: f"{name}/caffe/{o}" for o in outputs})


ALL = [
    Model("squeezenet", "squeezenet-v1.0/squeezenet_v1.0", "image_bgr_u8", {"pool_final": "pool_final"},
          (104, 117, 123), (1, 1, 1)),
    Model("ultraface", "ultraface-rfb320/caffe/RFB-320", "image_rgb_u8",
          {"boxes": "caffe_boxes", "scores": "caffe_scores"}, (127,) * 3, (128,) * 3),
    mtcnn("det1", "conv4-2", "prob1"),
    mtcnn("det2", "conv5-2", "prob1"),
    mtcnn("det3", "conv6-2", "conv6-3", "prob1"),
    mtcnn("det4", *(f"fc5_{i}" for i in range(1, 6))),
]  # fmt: skip
IDS = [model.name for model in ALL]


@pytest.mark.parametrize("suffix", [".prototxt", ".caffemodel"])
@pytest.mark.parametrize("model", ALL, ids=IDS)
def test_float_outputs_are_those_recorded(model: Model, suffix: str) -> None:
    """One sample at a time, at the size of the reference, which for det1 is not that of the prototxt."""
    source = load(Path(f"{MODELS / model.path}{suffix}"), Request())
    assert {v.name for v in source.graph.outputs} == set(model.outputs)
    x, reference = model.normalized(), model.reference
    graph = prepare(source, input_shapes=[(1, *x.shape[1:])])
    found = [run(graph, {str(graph.graph.inputs[0].name): one[None]}) for one in x]
    for value, parts in zip(graph.graph.outputs, zip(*found, strict=True), strict=True):
        wanted = reference[model.outputs[str(value.name)]]
        assert np.abs(np.concatenate(parts) - wanted).max() < MOST * np.ptp(wanted), value.name


@pytest.mark.parametrize("model", ALL, ids=IDS)
def test_conversion_for_t41(model: Model, tmp_path: Path) -> None:
    x = model.samples()
    np.save(tmp_path / "x.npy", x)
    result = magik.convert(
        f"{MODELS / model.path}.prototxt", tmp_path / "out", soc="T41", calibration=tmp_path / "x.npy",
        input_shape=[(1, *x.shape[1:])], mean=list(model.mean), normal=list(model.normal),
    )  # fmt: skip
    assert (result.soc, result.float_steps, result.calibration_samples) == ("T41", 0, len(x))
    net = load_net(tmp_path / "out.mgk")
    reference = model.reference
    for name, key in model.outputs.items():
        found = np.concatenate([net.run(one[None])[name] for one in x]).astype(np.float64).reshape(len(x), -1)
        wanted = reference[key].astype(np.float64).reshape(len(x), -1)
        cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosine.mean() > LEAST, (name, cosine)
