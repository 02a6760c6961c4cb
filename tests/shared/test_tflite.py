"""TFLite files of the shared folder: float results as recorded, integers as TFLite's own kernels compute them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from magik_frontend_tf.tflite import convert, reader

from bench import planner
from bench.tflite import COUNT, DEFAULT, KWS, MOBILENET, REFERENCE, VWW, Integers, codes, differences, inputs, real
from magik_core import graph
from magik_core.hookspecs import Request
from tests.conftest import repository
from tests.core.graphs import run

SHARED = planner.shared_folder() / "models"
EMOTION = "emotion-mini-xception/emotion_model_quantized.tflite"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]


def imported(path: str) -> ir.Model:
    return repository().sniff(SHARED / path).load(SHARED / path, Request())


def ref(model: str) -> Mapping[str, np.ndarray]:
    return np.load(SHARED / model / "ref.npz")


# ---- float -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Float:
    """A file, how its input is made of the recorded one, the outputs in order, and the tolerance of their range."""

    path: str
    input: str
    mean: float
    normal: float
    outputs: tuple[str, ...]
    tolerance: float = 1e-4

    def x(self) -> np.ndarray:
        x = (ref(Path(self.path).parts[0])[self.input].astype(np.float32) - self.mean) / self.normal
        return x if x.ndim == 4 else x[..., None]


FLOATS = [
    Float("ultraface-rfb320/tflite/version-RFB-320_without_postprocessing.tflite", "image_rgb_u8", 127, 128,
          ("tflite_boxes", "tflite_scores")),
    Float("mlperf-tiny-vww/vww_96_float.tflite", "image_u8", 0, 255, ("prob",)),
    # weights of s8: TFLite quantizes the activations as it runs, the record of emotion is of the f32 weights
    Float("mlperf-tiny-kws/kws_ref_model_float32.tflite", "x", 0, 1, ("tflite_float",), 0.06),
    Float(EMOTION, "image_u8", 127.5, 127.5, ("prob",), 0.03),
]  # fmt: skip


@pytest.mark.parametrize("model", FLOATS, ids=lambda m: m.path.partition("/")[0])
def test_float(model: Float) -> None:
    found, recorded = imported(model.path), ref(Path(model.path).parts[0])
    name = str(found.graph.inputs[0].name)
    rows = [run(found, {name: x[None]}) for x in model.x()]
    for i, key in enumerate(model.outputs):
        w = recorded[key]
        y = np.concatenate([row[i] for row in rows])
        np.testing.assert_allclose(y, w, rtol=0, atol=model.tolerance * np.ptp(w), err_msg=key)
        assert model.tolerance < 1e-3 or (y.argmax(-1) == w.argmax(-1)).all()


@pytest.mark.parametrize("part, x, y, states", [("1", "mag", "mask", "st1"), ("2", "blk", "out", "st2")])
def test_dtln(part: str, x: str, y: str, states: str) -> None:
    """Blocks one after another, the state handed on."""
    found, recorded = imported(f"dtln/model_{part}.tflite"), ref("dtln")
    names = [str(v.name) for v in found.graph.inputs]
    state = np.zeros((1, 2, 128, 2), np.float32)
    for block, w, end in zip(recorded[x], recorded[y], recorded[states], strict=True):
        out, state = run(found, {names[0]: block[None], names[1]: state})
        np.testing.assert_allclose(out[0], w, rtol=0, atol=1e-4 * np.ptp(recorded[y]))
        np.testing.assert_allclose(state[0], end, rtol=0, atol=1e-4 * np.ptp(recorded[states]))


# ---- integers --------------------------------------------------------------------------------------------


# Largest difference of a code, as docs/tflite.md has it: with the default kernels, and with the reference kernels,
# which round twice.
MOST = {KWS: (0, 18), VWW: (3, 4), MOBILENET: (7, 15)}


@pytest.mark.parametrize("kernels", [DEFAULT, REFERENCE])
@pytest.mark.parametrize("path", MOST)
def test_integers_of_the_graph(path: str, kernels: str) -> None:
    tflite, found = Integers.of(SHARED / path, kernels), imported(path)
    before, after = tflite.quantization()
    name = str(found.graph.inputs[0].name)
    wanted, got = [], []
    for x in inputs(path, before, SHARED.parent):
        wanted.append(tflite(x))
        got.append(codes(run(found, {name: real(x[None], before)})[0], after))
    assert len(wanted) == COUNT
    assert abs(np.concatenate(got) - np.concatenate(wanted)).max() <= MOST[path][kernels == REFERENCE]
    assert np.mean([w.argmax() == y.argmax() for w, y in zip(wanted, got, strict=True)]) >= 0.95


# Of the integers of a program, by how it rounds and by TFLite's kernels; docs/tflite.md has them, too.
PROGRAMS = {
    (KWS, "once", DEFAULT): 0,
    (VWW, "once", DEFAULT): 0,
    (MOBILENET, "once", DEFAULT): 8,
    (KWS, "twice", REFERENCE): 0,
    (VWW, "twice", REFERENCE): 0,
    (MOBILENET, "twice", REFERENCE): 1,
}


@pytest.mark.parametrize("path, rounding, kernels", PROGRAMS)
def test_integers_of_programs(path: str, rounding: str, kernels: str) -> None:
    """No calibration data; the codes are those of TFLite's kernels that round alike."""
    pytest.importorskip("tensorflow")
    found = list(differences(path, rounding, kernels, planner.shared_folder(), soc="T41"))
    assert len(found) == COUNT and max(found) <= PROGRAMS[path, rounding, kernels]


@pytest.mark.parametrize("path", MOST)
def test_integers_of_each_operator(path: str) -> None:
    """Given the reference kernels' own inputs: no code is further off than 1, and few are off at all."""
    tflite, model = Integers.of(SHARED / path, REFERENCE), reader.read(SHARED / path)
    how = {t.index: t.quantization for t in model.tensors if t.quantization is not None}
    pairs = {i: np.array([q.scale[0], q.zero_point[0]]) for i, q in how.items()}
    tflite(inputs(path, tflite.quantization()[0], SHARED.parent)[0])
    for op in model.operators:
        read = tuple(i for i in op.inputs if i >= 0 and not model.tensors[i].data)
        one = convert.convert(replace(model, operators=(op,), inputs=read, outputs=op.outputs), Request())
        feeds = {
            str(v.name): real(tflite.interpreter.get_tensor(i), pairs[i])
            for v, i in zip(one.graph.inputs, read, strict=True)
        }
        (out,) = op.outputs
        off = abs(codes(run(one, feeds)[0], pairs[out]) - tflite.interpreter.get_tensor(out))
        assert off.max() <= 1 and (off > 0).mean() < 0.1, op.name


def test_quantized_weights_alone() -> None:
    """Nine weights of s8, none of the activations."""
    found = [node.op_type for node in imported(EMOTION).graph]
    assert found.count("DequantizeLinear") == 9 and "QuantizeLinear" not in found


def test_no_trail_of_transposes() -> None:
    """One behind the input; in ultraface, one before each of the eight heads that are flattened."""
    for path, most in ((KWS, 1), (VWW, 1), (MOBILENET, 1), (EMOTION, 1), (FLOATS[0].path, 9)):
        found = imported(path)
        moved = [n for n in found.graph if n.op_type == "Transpose"]
        assert len(moved) == most, path
        images = [n for n in moved if any(u.op_type == "Conv" for v in n.outputs for u in graph.consumers(v))]
        assert len(images) <= 1
