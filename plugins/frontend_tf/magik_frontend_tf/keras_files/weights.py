"""Where the weights of each layer lie: in the archive of Keras 3, in the groups of Keras 2, in objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from magik_core.errors import ModelError, Problem
from magik_frontend_tf.keras_files.config import INPUT
from magik_frontend_tf.keras_files.hdf5 import Contents
from magik_frontend_tf.keras_files.source import Layer, Model, Source

RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell"})
# the parts of a layer that hold its weights in an archive, each under its names
PARTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "LSTM": (("cell",),),
    "GRU": (("cell",),),
    "SimpleRNN": (("cell",),),
    "MultiHeadAttention": tuple((f"{n}_dense", f"_{n}_dense") for n in ("query", "key", "value", "output")),
}
MISSING = "the layer has no weights in the file"


def leaves(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers that hold weights themselves, in order."""
    for layer in layers:
        if layer.children:
            yield from leaves(layer.children)
        else:
            yield layer


# ---- the archive of Keras 3 --------------------------------------------------------------------------------


def from_archive(model: Model, held: Contents, path: str = "layers") -> None:
    """Fill in from groups that are numbered by class: layers/conv2d_1/vars/0."""
    used: dict[str, int] = {}
    for layer in model.layers:
        if layer.is_function or (model.is_sequential and layer.kind == INPUT):
            continue
        name = snake(layer.kind.rpartition(">")[2])
        number = used.get(name, 0)
        used[name] = number + 1
        _from_group(layer, held, f"{path}/{name}_{number}" if number else f"{path}/{name}")


def share(model: Model, version: int) -> None:
    """Give a layer that is in several models the weights that the archive holds once.

    It is known by its name and its configuration.
    """
    inside = [leaf for leaf in leaves(model.layers) if any(kinds(leaf, version))]
    held = {_key(leaf): leaf.weights for leaf in inside if leaf.weights}
    for leaf in inside:
        leaf.weights = leaf.weights or held.get(_key(leaf), ())


def _key(layer: Layer) -> str:
    own = {key: value for key, value in layer.config.items() if not isinstance(value, dict)}
    return json.dumps([layer.kind, layer.name, own], sort_keys=True, default=str)


def _from_group(layer: Layer, held: Contents, path: str) -> None:
    if layer.model is not None:
        from_archive(layer.model, held, f"{path}/layers")
        return
    if layer.kind == "Bidirectional":
        for inner, name in zip(layer.inner, ("forward_layer", "backward_layer"), strict=True):
            _from_group(inner, held, f"{path}/{name}")
    elif layer.kind == "TimeDistributed":
        _from_group(layer.inner[0], held, f"{path}/layer")
    elif layer.kind == "RNN":
        cells = Model("", layer.inner, (), ())
        if len(layer.inner) == 1 and f"{path}/cell/vars/0" in held.arrays:
            layer.inner[0].weights = tuple(_vars(held, f"{path}/cell"))
        else:
            from_archive(cells, held, f"{path}/cell/cells")
    else:
        parts = PARTS.get(layer.kind, (("",),))
        found = []
        for names in parts:
            for name in names:
                arrays = list(_vars(held, f"{path}/{name}" if name else path))
                if arrays:
                    found += arrays
                    break
        layer.weights = tuple(found)


def _vars(held: Contents, path: str) -> Iterator[np.ndarray]:
    number = 0
    while f"{path}/vars/{number}" in held.arrays:
        yield held.arrays[f"{path}/vars/{number}"]
        number += 1


def snake(name: str) -> str:
    """Keras's name of a class in lower case: Conv2DTranspose is conv2d_transpose."""
    split = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", split).lower()


# ---- the groups of Keras 2 ---------------------------------------------------------------------------------


def from_groups(source: Source, held: Contents, group: str) -> None:
    """Fill in from one group per layer of the model, with the arrays of everything inside it in one list.

    Raises: ModelError: with every layer whose list is not there.
    """
    problems = []
    for layer in source.model.layers:
        if layer.is_function or layer.kind == INPUT:
            continue
        path = f"{group}/{layer.name}" if group else layer.name
        names = held.texts(path, "weight_names")
        arrays = [held.arrays.get(f"{path}/{name}") for name in names or ()]
        if names is None or any(array is None for array in arrays):
            if any(sum(map(len, kinds(leaf, source.version))) for leaf in leaves([layer])):
                gone = next((n for n, a in zip(names or (), arrays, strict=True) if a is None), path)
                problems.append(Problem(MISSING, f"{layer.kind} '{layer.name}' in {source.where}", need=gone))
            continue
        distribute(layer, [a for a in arrays if a is not None], source.version)
    if problems:
        raise ModelError(problems=problems)


def distribute(layer: Layer, arrays: Sequence[np.ndarray], version: int) -> None:
    """Give a list to the layers inside a layer: first all that training changes, then the others."""
    if not layer.children:
        layer.weights = tuple(arrays)
        return
    waiting = iter(arrays)
    found: dict[int, list[np.ndarray]] = {}
    inside = list(leaves([layer]))
    for turn in (0, 1):
        for leaf in inside:
            trained, fixed = kinds(leaf, version)
            if leaf.config.get("trainable") is False:
                trained, fixed = (), (*trained, *fixed)
            wanted = (trained, fixed)[turn]
            found.setdefault(id(leaf), []).extend(a for _, a in zip(wanted, waiting, strict=False))
    for leaf in inside:
        leaf.weights = tuple(found[id(leaf)])


def kinds(layer: Layer, version: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The weights of a layer that training changes, and the others; as Keras orders them."""
    kind, config = layer.kind, layer.config
    bias = ("bias",) if config.get("use_bias", True) else ()
    if kind == "Dense" or re.fullmatch(r"(Depthwise)?Conv(olution)?\dD(Transpose)?", kind):
        return ("kernel", *bias), ()
    if kind.startswith("SeparableConv"):
        return ("depthwise_kernel", "pointwise_kernel", *bias), ()
    if kind in RECURRENT:
        return ("kernel", "recurrent_kernel", *bias), ()
    if kind in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        own = (*(["gamma"] if config.get("scale", True) else []), *(["beta"] if config.get("center", True) else []))
        return own, ("moving_mean", "moving_variance") if kind == "BatchNormalization" else ()
    if kind == "Normalization":
        stored = ("mean", "variance", "count") if version < 3 else ("mean", "variance")
        return (), stored if config.get("mean") is None else ()
    if kind == "MultiHeadAttention":
        return tuple(f"{name}/{w}" for name in ("query", "key", "value", "output") for w in ("kernel", *bias)), ()
    if kind == "EinsumDense":
        return ("kernel", *(["bias"] if config.get("bias_axes") else [])), ()
    if kind in ("Attention", "AdditiveAttention"):
        concat = ("concat_score_weight",) if config.get("score_mode") == "concat" else ()
        return (("scale",) if config.get("use_scale") else ()) + concat, ()
    return {"Embedding": ("embeddings",), "PReLU": ("alpha",), "RMSNormalization": ("scale",)}.get(kind, ()), ()


# ---- objects in memory -------------------------------------------------------------------------------------


def from_object(model: Model, held: Any) -> None:
    """Fill in from the layers of a model in memory.

    Raises: AttributeError, KeyError, TypeError, ValueError: it is not what its configuration says.
    """
    by_name = {str(layer.name): layer for layer in held.layers}
    for layer in model.layers:
        if not layer.is_function and layer.kind != INPUT:
            _from_layer(layer, by_name[layer.name])


def _from_layer(layer: Layer, held: Any) -> None:
    if layer.model is not None:
        from_object(layer.model, held)
    elif layer.kind == "Bidirectional":
        for inner, one in zip(layer.inner, (held.forward_layer, held.backward_layer), strict=True):
            _from_layer(inner, one)
    elif layer.kind == "TimeDistributed":
        _from_layer(layer.inner[0], held.layer)
    elif layer.kind == "RNN":
        arrays = iter(held.get_weights())
        for cell in layer.inner:
            trained, fixed = kinds(cell, 3)
            cell.weights = tuple(np.asarray(a) for _, a in zip((*trained, *fixed), arrays, strict=False))
    else:
        layer.weights = tuple(np.asarray(array) for array in held.get_weights())
