"""Which data a graph's inputs take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magik_core import inputs
from magik_core.config import Config
from magik_core.errors import DataError
from tests.core.test_lower import model, node

KEYS = ("WEIGHT_CORRECT_PATH", "FEATURE_CORRECT_PATH", "DEBUG_PATH")


def test_the_size_is_of_the_calibration_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 5), np.float32))
    graph = model([node("Relu", "x", "y", "n")], (1, 5), ["y"])
    settings = Config.parse(dict.fromkeys(("QUANT_DATASET_PATH", *KEYS), str(tmp_path)) | {"QUANT_DATASET_SIZE": 1})
    samples = inputs.calibration(graph, settings)
    assert samples is not None and len(samples) == 1
    for key in KEYS:
        data = inputs.more(graph, settings, key)
        assert data is not None and len(data) == 3
    assert inputs.calibration(graph, Config()) is None and inputs.more(graph, Config(), "DEBUG_PATH") is None


@pytest.mark.parametrize("key", KEYS)
def test_an_empty_folder_is_named_by_its_key(tmp_path: Path, key: str) -> None:
    graph = model([node("Relu", "x", "y", "n")], (1, 5), ["y"])
    with pytest.raises(DataError, match=f"error: the folder has no data of {key}\nwhere: {tmp_path}\n"):
        inputs.more(graph, Config.parse({key: str(tmp_path)}), key)
