"""A real detector through the C++ API, as pixels and as NV12, on this machine and on MIPS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import ours, planner
from bench.datasets import split
from bench.tasks import BY_TASK
from tests.runtime import boards
from tests.runtime.boards import client, four, run, write

SHARED = planner.shared_folder()
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of shared models and data is missing"),
]


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_ultraface(chain: str, tmp_path: Path) -> None:
    """Every output's bytes are those of Python's Net."""
    task = BY_TASK["ultraface"]
    pictures = split(task.data(SHARED), task.calibrate)[0].x
    ours.convert(task, SHARED / "models" / task.source, pictures, tmp_path, "T41")
    data, (height, width) = (tmp_path / "ours.bin").read_bytes(), task.frame.size
    nv12 = np.random.default_rng(2).integers(0, 256, height * width * 3 // 2, np.uint8)
    files = write(tmp_path / "pixels", four(pictures[:1])), write(tmp_path / "nv12", nv12)
    ran = run(chain, client(chain, "core_image"), tmp_path / "ours.bin", *files, tmp_path / "out")
    assert ran.code == 0, ran.err
    name = boards.Net(data).inputs[0].name
    assert (tmp_path / "out.pixels").read_bytes() == boards.expected(data, {name: pictures[:1]})
    rgb = boards.rgb_of_nv12(nv12, height, width)
    assert (tmp_path / "out.nv12").read_bytes() == boards.expected(data, {name: rgb})
