"""A Caffe model as plain values: its inputs and its layers, those of V1 told as those of V2, with their weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from magik_core.errors import ModelError, Problem, short
from magik_frontend_caffe import files
from magik_frontend_caffe.schema import FormatError, Message, fields
from magik_frontend_caffe.text import Text
from magik_frontend_caffe.wire import Wire

Array = np.ndarray[Any, Any]
MAX_LAYERS = 10_000
MAX_DIMS = 8
# V1's names of types that differ from V2's by more than their spelling
V1_NAMES = {
    "ABSVAL": "AbsVal", "ARGMAX": "ArgMax", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output",
    "IM2COL": "Im2col", "LRN": "LRN", "MVN": "MVN", "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss", "TANH": "TanH",
}  # fmt: skip


@dataclass(frozen=True)
class Blob:
    """Weights as the file has them; their layer knows what shape they should have."""

    shape: tuple[int, ...]
    data: Array


@dataclass(frozen=True)
class Layer:
    """A layer of either version; `line` is 0 where the file has no lines."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: Message
    blobs: tuple[Blob, ...] | None = None  # None: the weights file does not have the layer
    line: int = 0

    def param(self, name: str) -> Message:
        """The message of a `…_param` field; all defaults where the file has none."""
        found: Message = self.params[name]
        return found


@dataclass(frozen=True)
class Net:
    """Everything that a model's files say for the phase TEST."""

    name: str
    inputs: tuple[tuple[str, tuple[int, ...] | None], ...]
    layers: tuple[Layer, ...]
    path: Path


def read(found: files.Files) -> Net:
    """The net with its weights.

    Raises: ModelError: a file cannot be read; it is not of the format, or truncated.
    """
    message = _parse(found.net)
    layers = [_layer(m) for m in _active(message)]
    if found.weights is not None:
        held = _blobs(message if found.weights == found.net else _parse(found.weights, "Weights"))
        layers = [replace(one, blobs=held.get(one.name)) for one in layers]
    if not layers:
        need = "a net: `layer` or `layers` messages"
        raise ModelError("the model has no layers", where=str(found.net), found="a solver or an empty net", need=need)
    return Net(message["name"] or found.net.stem, _inputs(message), tuple(layers), found.net)


def _parse(path: Path, kind: str = "Net") -> Message:
    data = files.read(path, files.WEIGHTS)
    try:
        message = _read_text(path) if files.is_text(data[: files.HEAD_BYTES]) else Wire(data).message(kind)
    except FormatError as error:
        what = "the model is no Caffe model, or a truncated one"
        raise ModelError(what, where=str(path), found=short(error)) from None
    _check(message, path)
    return message


def _read_text(path: Path) -> Message:
    reader = Text(files.read(path, files.NET).decode("utf-8", "replace"))
    message = reader.net()
    if reader.wrong:
        what = "a value does not fit its field"
        raise ModelError(problems=[Problem(what, f"{path.name}, line {n}", short(a), b) for n, a, b in reader.wrong])
    return message


def _check(message: Message, path: Path) -> None:
    """Refuse what cannot be read at all: too many layers, and nets from before 2014."""
    count = len(message["layer"]) + len(message["layers"])
    if count > MAX_LAYERS:
        need = f"at most {MAX_LAYERS}"
        raise ModelError("the model has too many layers", where=str(path), found=str(count), need=need)
    if any("layer" in m for m in message["layers"]):
        raise ModelError(
            "the model is of a format from before 2014",
            where=str(path),
            found="V0 layers: `layers { layer { … } }`",
            need="V1 or V2 layers",
            hint="run Caffe's upgrade_net_proto_text and upgrade_net_proto_binary on it",
        )


def _active(net: Message) -> Iterator[Message]:
    """The layers of the phase TEST."""
    state = net["state"]
    for layer in (*net["layers"], *net["layer"]):
        include, exclude = layer["include"], layer["exclude"]
        is_out = any(_meets(state, rule) for rule in exclude)
        if any(_meets(state, rule) for rule in include) if include else not is_out:
            yield layer


def _meets(state: Message, rule: Message) -> bool:
    """Whether a rule of include or exclude holds; a net for deployment is in the phase TEST."""
    level, stages = state["level"], set(state["stage"])
    return (
        ("phase" not in rule or rule["phase"] == "TEST")
        and ("min_level" not in rule or level >= rule["min_level"])
        and ("max_level" not in rule or level <= rule["max_level"])
        and stages.issuperset(rule["stage"])
        and not stages.intersection(rule["not_stage"])
    )


def _layer(m: Message) -> Layer:
    kind = m["type"]
    if m.kind == "V1Layer":
        kind = V1_NAMES.get(kind) or "".join(word.capitalize() for word in kind.split("_"))
    return Layer(m["name"], kind, tuple(m["bottom"]), tuple(m["top"]), m, line=m.line)


def _blobs(net: Message) -> dict[str, tuple[Blob, ...]]:
    """The weights by the name of their layer; of a file with both kinds of layers, the newer."""
    return {m["name"]: tuple(map(_blob, m["blobs"])) for m in (*net["layers"], *net["layer"])}


def _blob(m: Message) -> Blob:
    data = m["data"] if "data" in m else m["double_data"].astype(np.float32)
    if "shape" in m:
        shape = tuple(m["shape"]["dim"])
    else:
        shape = tuple(m[name] for name in ("num", "channels", "height", "width") if name in m)
    return Blob(shape, data)


def _inputs(net: Message) -> tuple[tuple[str, tuple[int, ...] | None], ...]:
    """The inputs that the net itself names; None where no size is given."""
    names, dims = net["input"], net["input_dim"]
    shapes = [tuple(shape["dim"]) for shape in net["input_shape"]] or [
        tuple(dims[i : i + 4]) for i in range(0, len(dims), 4)
    ]
    return tuple((name, shapes[i] if i < len(shapes) else None) for i, name in enumerate(names))


def unknown_fields(layer: Layer) -> list[tuple[str, int]]:
    """Fields of the layer's parameters that the tables lack, with their lines: they could mean anything."""
    found = []
    for name in layer.params.values:
        field = fields(layer.params.kind)[name]
        if field.is_message and name.endswith("_param"):
            found += [(f"{name}.{key}", line) for key, line in layer.params[name].unknown]
    return found
