"""Keras files written by hand: archives and HDF5 files of any configuration and weights."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def input_layer(shape: Sequence[int | None], **config: Any) -> dict[str, Any]:
    made = {"batch_shape": list(shape), "dtype": "float32", "name": "x", **config}
    return {"class_name": "InputLayer", "name": "x", "config": made, "inbound_nodes": []}


def sequential(*layers: tuple[str, dict[str, Any]], shape: Sequence[int | None] = (None, 4)) -> dict[str, Any]:
    """A chain of (class, configuration), each called by its class in lower case."""
    items = [{"class_name": kind, "config": {"name": kind.lower(), **config}} for kind, config in layers]
    return {"class_name": "Sequential", "config": {"name": "net", "layers": [input_layer(shape), *items]}}


def functional(layers: Sequence[dict[str, Any]], *outputs: str) -> dict[str, Any]:
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[name, 0, 0] for name in outputs]}
    return {"class_name": "Functional", "config": {"name": "net", "layers": list(layers), **ends}}


def hdf5(arrays: Arrays) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, array in arrays.items():
            file[path] = array
    return buffer.getvalue()


def archive(path: Path, config: Mapping[str, Any] | bytes, weights: Arrays | bytes, version: str = "3.0.0") -> Path:
    """A .keras file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": version}))
        file.writestr("config.json", config if isinstance(config, bytes) else json.dumps(config))
        file.writestr("model.weights.h5", weights if isinstance(weights, bytes) else hdf5(weights))
    return path
