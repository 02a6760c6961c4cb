"""A real network that onnxruntime has quantized: every step is within one code of onnxruntime's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, utils, version_converter

import magik_core as magik
from magik_core.net import load
from magik_core.program import QuantParams, Tensor
from tests.core.graphs import SHARED, needs_shared, run

pytestmark = [pytest.mark.shared, pytest.mark.slow, needs_shared]
NETS = {  # file, its recorded images, MEAN, NORMAL
    "ultraface": ("ultraface-rfb320/onnx/version-RFB-320_simplified.onnx", "image_rgb_u8", 127, 128),
    "fastestdet": ("fastestdet/FastestDet.onnx", "image_bgr_u8", 0, 255),
}
# Of the values of an output, how many lie more than a step from onnxruntime's when nothing holds the two together on
# the way. onnxruntime's own kernels of integers and of floats are 2 % apart, docs/onnx-quantized.md.
APART = 0.03
OFFSETS = {np.dtype(np.uint8): 0, np.dtype(np.int8): 128}


def inputs(net: str) -> np.ndarray:
    path, key, mean, normal = NETS[net]
    images = np.load(SHARED / "models" / path.partition("/")[0] / "ref.npz")[key]
    return ((images.transpose(0, 3, 1, 2).astype(np.float32) - mean) / normal).astype(np.float32)


def quantized(net: str, path: Path, **choices: object) -> onnx.ModelProto:
    """The network as onnxruntime.quantization writes it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static

    model = onnx.load(SHARED / "models" / NETS[net][0])
    constants = {t.name for t in model.graph.initializer}
    kept = [v for v in model.graph.input if v.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    name, x = model.graph.input[0].name, inputs(net)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[np.ndarray] = iter(x[:, None])

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.left, None)
            return None if sample is None else {name: sample}

    onnx.save(version_converter.convert_version(model, 17), path)
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True, **choices}
    quantize_static(str(prepared), str(path), Reader(), **kinds)
    return onnx.shape_inference.infer_shapes(onnx.load(path))


@pytest.mark.parametrize("kind", ["u8", "s8"])
@pytest.mark.parametrize("net", NETS)
def test_every_step_is_onnxruntime_s(net: str, kind: str, tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType

    path = tmp_path / "net.onnx"
    activation = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8}[kind]
    model = quantized(net, path, activation_type=activation)
    result = magik.convert(path, tmp_path / "net")
    assert result.float_steps == 0 and result.calibration_samples == 0
    program, feeds = result.program, {model.graph.input[0].name: inputs(net)[:1]}
    stored = load(tmp_path / "net.mgk").trace(feeds)
    made = {s.outputs[0]: array for s, (_, _, array) in zip(program.steps, stored, strict=True)}
    pairs = list(_pairs(model))
    values: dict[str, np.ndarray] = {}
    worst, wrong, count = 0.0, 0, 0
    extractor = utils.Extractor(model)
    for x, dequantized, quant in pairs:
        if x not in made:  # the input, and what only moves
            values[dequantized] = _sequel(extractor, values, feeds, dequantized)
            continue
        tensor = program.tensors[x]
        assert tensor.quant == quant, "the parameters are the source's"
        want = _sequel(extractor, values, feeds, dequantized)
        values[dequantized] = _real(tensor, made[x])
        steps = np.abs(values[dequantized] - want) / quant.scale
        worst, wrong, count = max(worst, float(steps.max())), wrong + int((steps > 0.5).sum()), count + steps.size
    assert worst <= 1.001
    assert wrong <= 0.002 * count
    steps = np.concatenate([found.ravel() for found in _ends(tmp_path / "net.mgk", model, pairs, inputs(net))])
    assert np.mean(steps > 1.001) <= APART
    assert np.mean(steps) < 0.3


def _ends(
    path: Path, model: onnx.ModelProto, pairs: list[tuple[str, str, QuantParams]], x: np.ndarray
) -> Iterator[np.ndarray]:
    """How many steps each output is from onnxruntime's, for each input."""
    scales = {name: quant.scale for _, name, quant in pairs}
    program, (name,) = load(path), [v.name for v in model.graph.input]
    for one in x:
        feeds = {name: one[None]}
        found = program.run(feeds)
        for output, want in zip(model.graph.output, run(model, feeds), strict=True):
            yield np.abs(found[output.name] - want) / scales[output.name]


def _pairs(model: onnx.ModelProto) -> Iterator[tuple[str, str, QuantParams]]:
    """(what is quantized, what comes out, parameters) of every activation, in order."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    readers = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    for n in model.graph.node:
        if n.op_type == "QuantizeLinear" and n.input[0] not in constants:
            scale, zero = constants[n.input[1]], constants[n.input[2]]
            quant = QuantParams(float(scale), float(int(zero) + OFFSETS[zero.dtype]))
            yield n.input[0], readers[n.output[0]], quant


def _real(tensor: Tensor, codes: np.ndarray) -> np.ndarray:
    assert isinstance(tensor.quant, QuantParams)
    back = np.argsort(tensor.axes)
    real = np.float32(tensor.quant.scale) * (codes.astype(np.float32) - np.float32(tensor.quant.zero_point))
    return np.ascontiguousarray(real.reshape(tensor.shape).transpose(back))


def _sequel(
    extractor: utils.Extractor, values: dict[str, np.ndarray], feeds: dict[str, np.ndarray], name: str
) -> np.ndarray:
    """What onnxruntime makes of magik's own values, up to the next pair."""
    needed = extractor.extract_model([*values, *feeds], [name])
    known = {**values, **feeds}
    (y,) = run(needed, {v.name: known[v.name] for v in needed.graph.input})
    return y
