"""Real models, end to end: convert, run, hold C against numpy bit for bit and both against recorded outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import metrics, ours, planner
from bench.datasets import split
from bench.tasks import BY_TASK, Task
from magik_core import unpack
from magik_core.lower import lower
from magik_core.net import Net, encode, load
from magik_core.run import run
from magik_core.source import Quantization

SHARED = planner.shared_folder()
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]
MOST = 1.02  # arena over lower bound
# mean cosine of the default recipe to the recorded float outputs; a little under what `make bench` measures
LEAST = {
    "ultraface": 0.999,
    "ultraface-simplified": 0.998,
    "ultraface-raw": 0.998,
    "ppocr-cls": 0.985,
    "fastestdet": 0.985,
}


def assert_same_bits(net: Net, mgk: Path, x: np.ndarray) -> None:
    """Every tensor that the library computes is what numpy computes.

    Args: x: the input of a net with one, in the source's terms.
    """
    program, _ = unpack.read(mgk)
    traced = net.trace(x)
    values = run(program, {net.inputs[0].name: encode(net.inputs[0], x)})
    written = [t.name for step in program.steps for t in program.writes(step)]
    assert len(written) == len(traced)
    for name, (kernel, _, got) in zip(written, traced, strict=True):
        np.testing.assert_array_equal(got, values[name], err_msg=f"{name} of {kernel}")


@pytest.mark.parametrize("soc", ["T40", "T41"])
@pytest.mark.parametrize("task", [BY_TASK[name] for name in LEAST], ids=lambda t: t.name)
def test_model(task: Task, soc: str, tmp_path: Path) -> None:
    calibration, _ = split(task.data(SHARED), task.calibrate)
    result = ours.convert(task, SHARED / "models" / task.source, calibration.x, tmp_path, soc)
    net = load(tmp_path / "ours.bin")
    assert result.calibration_samples == task.calibrate
    assert result.soc == soc
    assert result.float_steps == 0
    ref = np.load(SHARED / task.ref)
    recorded, prefix = ref[task.recorded[0]], task.recorded[1]
    wanted = {p.name: ref[prefix + p.name] if prefix + p.name in ref else ref[prefix] for p in net.outputs}
    assert metrics.cosine(wanted, ours.run(net, task.raw(recorded))) > LEAST[task.name]
    if soc == "T41":
        x = recorded[:1].astype(np.float32).transpose(0, 3, 1, 2)
        assert_same_bits(load(tmp_path / "ours.mgk"), tmp_path / "ours.mgk", x)


@pytest.mark.parametrize("net", planner.NETS, ids=lambda n: n.name)
def test_plan(net: planner.Net) -> None:
    """Quantized and in f32, a plan keeps every tensor and is near the least there can be."""
    model = planner.prepared(net, SHARED)
    for how in (planner.quantization(model), Quantization()):
        plan = planner.planned(lower(model, how, name=net.name))
        assert plan.lower_bound > 0
        assert plan.arena_bytes <= MOST * plan.lower_bound


def test_recurrent_layers_compute_on_codes() -> None:
    for net in planner.NETS:
        if net.name.startswith(("dtln", "silero")):
            model = planner.prepared(net, SHARED)
            real = planner.float_steps(lower(model, planner.quantization(model)))
            assert "lstm" not in real, net.name
