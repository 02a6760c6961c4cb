"""Networks with memory, quantized: silero-vad decides as in float, DTLN loses less than 0.3 dB, states stay codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import magik_core as magik
from bench import planner, sound
from magik_core import pack
from magik_core.net import Net, encode, load
from magik_core.plan import plan
from magik_core.recipe import Recipe
from magik_core.run import Stream, start

SHARED = planner.shared_folder()
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]
SPECTRUM = frozenset({"Pow", "Add", "Sqrt"})  # squares of a spectrum span more than 16 bits


def test_silero_decides_as_in_float(tmp_path: Path) -> None:
    recipe = Recipe(feature_bits=16, weight_bits=16, skip_ops=SPECTRUM)
    for name, (real, codes) in sound.vad(SHARED, tmp_path, recipe=recipe).items():
        assert np.array_equal(real > 0.5, codes > 0.5), name
    net = load(tmp_path / f"{Path(sound.VAD).stem}.mgk")
    assert "lstm_u16" in net.kernels and "lstm_f32" not in net.kernels
    assert [p.name for p in net.inputs] == ["input"] and [p.bits for p in net.states] == [16]


def test_dtln_is_as_good_as_in_float(tmp_path: Path) -> None:
    for name, (real, codes) in sound.dtln(SHARED, tmp_path, recipe=Recipe(feature_bits=16, weight_bits=16)).items():
        assert codes > real - 0.3, name
    net = load(tmp_path / "model_1.mgk")
    assert net.kernels.count("lstm_u16") == 2
    assert [p.name for p in net.inputs] == ["input_2"] and [p.bits for p in net.states] == [16]


@pytest.mark.parametrize("network", ["silero", "dtln 1", "dtln 2"])
def test_streaming_is_what_the_caller_would_carry(tmp_path: Path, network: str) -> None:
    """The net that keeps its states, beside the same steps with the states going through the caller; and numpy."""
    path, frames, keys = stateful(network)
    np.save(tmp_path / "frames.npy", frames)
    result = magik.convert(path, tmp_path / "net", calibration=tmp_path / "frames.npy", **keys)
    program, net = result.program, load(tmp_path / "net.bin")
    opened = replace(program, inputs=program.entering, outputs=program.leaving, states=())
    through, stream = Net(pack.pack(opened, plan(opened), names=False)), Stream(program)
    (state,), (output,) = program.states, program.outputs
    name, after = program.source.get(output, output), program.source.get(state.after, state.after)
    held, port = start(program)[state.before], net.inputs[0]
    first = None
    for frame in frames[:8]:
        x = encode(port, frame[None])
        found = net.run_quantized({port.name: x})[name]
        passed = through.run_quantized({port.name: x, state.before: held})
        held = passed[after]
        assert np.array_equal(found, passed[name]) and np.array_equal(found, stream.run({port.name: x})[output])
        first = found if first is None else first
    net.reset()
    assert np.array_equal(net.run_quantized({port.name: encode(port, frames[:1])})[name], first)


def stateful(network: str) -> tuple[Path, np.ndarray, dict[str, Any]]:
    """The file of a network, frames of sound along axis 0, and what is said of it."""
    heard = sound.sounds(SHARED)["marvin_617de221_0"]
    if network == "silero":
        shapes = [[1, sound.WINDOW + sound.BEFORE], [2, 1, 128]]
        keys: dict[str, Any] = {"constants": {"sr": sound.RATE}, "input_shape": shapes, "states": sound.VAD_STATES}
        return SHARED / sound.VAD, np.concatenate(list(sound.windows(heard)))[8:24], keys
    stage = int(network[-1])
    blocks = np.stack([heard[at : at + sound.BLOCK] for at in range(4000, 6000, sound.HOP)])
    given = blocks if stage == 2 else np.abs(np.fft.rfft(blocks)).astype(np.float32)
    return SHARED / f"models/dtln/model_{stage}.onnx", given[:, None], {"states": sound.DTLN_STATES[stage - 1]}
