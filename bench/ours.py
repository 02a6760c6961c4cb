"""magik on the bench's networks: its recipe, its model file, the library that boards run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import magik_core as magik
from bench.metrics import Outputs
from bench.tasks import Task
from magik_core.pipeline import Result


def convert(task: Task, model: Path, x: np.ndarray, folder: Path, soc: str = "host", **more: Any) -> Result:
    """Write `ours.bin` and its companions; the samples `x` are given raw, mean and normal are magik's to apply.

    Args: more: of magik_core.convert; the default recipe without.
    """
    np.save(folder / "samples.npy", task.raw(x))
    keys = {"mean": list(task.mean), "normal": list(task.normal)} if task.mean else {}
    return magik.convert(
        model,
        folder / "ours.bin",
        soc=soc,
        calibration=folder / "samples.npy",
        input_shape=task.input_shape(x),
        **{**keys, **more},
    )


def run(net: magik.Net, x: np.ndarray) -> Outputs:
    """Outputs for raw samples (n, …), computed one by one."""
    rows = [net.run(one[None]) for one in x]
    return {p.name: np.concatenate([row[p.name] for row in rows]) for p in net.outputs}
