"""Graphs of TensorFlow of the shared folder: float results as TensorFlow's, and converted for T41."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench import metrics, planner
from magik_core import passes, pipeline
from magik_core.hookspecs import Request
from magik_core.net import load
from magik_core.prepare import prepare
from magik_core.read import read
from tests.core.graphs import run

SHARED = planner.shared_folder() / "models"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]
# What TensorFlow itself computes block by block; in a process of its own, for its threads and its words.
STREAM = """
import sys
import numpy as np
import tensorflow as tf
step = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
blocks = np.load(sys.argv[2])
np.save(sys.argv[3], np.stack([list(step(tf.constant(x)).values())[0].numpy() for x in blocks]))
"""


@dataclass(frozen=True)
class Model:
    """A file, where it begins, its recorded input and output, and how an input is laid out."""

    path: str
    name: str
    x: str
    y: str
    begin: str = ""

    def recorded(self) -> tuple[list[np.ndarray], np.ndarray]:
        ref = np.load(SHARED / self.path.partition("/")[0] / "ref.npz")
        x = ref[self.x].astype(np.float32)
        if self.path.startswith("fsrcnn"):
            return [x[None, :, :, None] / 255], ref[self.y]
        if self.path.startswith("mlperf"):
            x = x[..., None]
        return [one[None] for one in x], ref[self.y]

    def request(self) -> Request:
        """Sizes are asked for where the file leaves them open."""
        sizes = (tuple(self.recorded()[0][0].shape),) if self.path.startswith("fsrcnn") else ()
        return Request(inputs=(self.begin,) if self.begin else (), input_shapes=sizes)


MODELS = [
    *(
        Model(f"arm-kws-frozen/{name}.pb", "Mfcc", f"{name}/Mfcc", f"{name}/labels_softmax", "Mfcc")
        for name in ("DS_CNN_S", "DNN_S", "GRU_S")
    ),
    *(
        Model(f"fsrcnn/FSRCNN{kind}_x{scale}.pb", "IteratorGetNext", "y_u8", f"FSRCNN{kind}_x{scale}")
        for kind in ("", "-small")
        for scale in (2, 3, 4)
    ),
    Model("mlperf-tiny-kws/kws_ref_model", "input_1", "x", "saved_model"),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: Path(m.path).stem)
def test_float(model: Model) -> None:
    xs, y = model.recorded()
    request = model.request()
    graph = prepare(
        read(SHARED / model.path, request=request), inputs=request.inputs, input_shapes=request.input_shapes
    )
    got = np.concatenate([run(graph, {model.name: x})[0] for x in xs])
    assert got.shape == y.shape
    np.testing.assert_allclose(got, y, rtol=0, atol=1e-4 * np.ptp(y))
    passes.run(graph, (), lambda node, reason: None)
    found = Counter(node.op_type for node in graph.graph)
    assert found["Transpose"] <= 1  # fsrcnn's: half of its DepthToSpace
    assert not {"Loop", "Scan"} & set(found)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3], MODELS[-1]], ids=lambda m: Path(m.path).stem)
def test_t41(model: Model, tmp_path: Path) -> None:
    """Samples are the recorded inputs: that it works is shown here."""
    xs, y = model.recorded()
    request = model.request()
    np.save(tmp_path / "samples.npy", np.concatenate(xs))
    result = pipeline.convert(
        SHARED / model.path,
        tmp_path / "out",
        soc="T41",
        calibration=tmp_path / "samples.npy",
        input=list(request.inputs),
        input_shape=[list(shape) for shape in request.input_shapes],
    )
    assert result.float_steps == 0
    net = load(tmp_path / "out.mgk")
    got = np.concatenate([next(iter(net.run(x).values())) for x in xs])
    assert metrics.cosine({"y": y}, {"y": got.reshape(y.shape)}) > 0.98


def test_gru_has_its_layer() -> None:
    graph = read(SHARED / MODELS[2].path, request=MODELS[2].request())
    assert Counter(node.op_type for node in graph.graph)["GRU"] == 1


def test_dtln_streams_as_in_tensorflow(tmp_path: Path) -> None:
    """Two LSTMs in each stage between a Fourier transform and its inverse, all of their states carried on."""
    path = SHARED / "dtln/saved_model"
    graph = prepare(read(path))
    found = Counter(node.op_type for node in graph.graph)
    assert (found["LSTM"], len(graph.graph.inputs), len(graph.graph.outputs)) == (4, 9, 9)
    blocks = np.random.default_rng(0).normal(0, 0.1, (20, 1, 512)).astype(np.float32)
    np.save(tmp_path / "x.npy", blocks)
    command = [sys.executable, "-c", STREAM, str(path), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    wanted = np.load(tmp_path / "y.npy")
    feeds = {str(v.name): np.zeros(tuple(v.shape), np.float32) for v in graph.graph.inputs if v.shape is not None}
    outputs = [str(v.name) for v in graph.graph.outputs]
    rows = []
    for block in blocks:
        made = dict(zip(outputs, run(graph, {**feeds, "input_1": block}), strict=True))
        feeds = {name: made.get(f"{name}/next", x) for name, x in feeds.items()}
        rows.append(made["conv1d_1"])
    np.testing.assert_allclose(np.stack(rows), wanted, rtol=0, atol=1e-4 * np.ptp(wanted))
