"""Networks with memory, quantized: silero-vad decides as in float, DTLN loses less than 0.3 dB, states stay codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import planner, sound
from magik_core.net import load
from magik_core.recipe import Recipe

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
    for name, (real, codes) in sound.dtln(SHARED, tmp_path, recipe=Recipe(feature_bits=16)).items():
        assert codes > real - 0.3, name
    net = load(tmp_path / "model_1.mgk")
    assert net.kernels.count("lstm_u16") == 2
    assert [p.name for p in net.inputs] == ["input_2"] and [p.bits for p in net.states] == [16]
