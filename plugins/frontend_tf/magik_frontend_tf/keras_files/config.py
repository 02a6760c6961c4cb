"""The JSON of a model's architecture as layers without weights: Keras 2's form of calls and Keras 3's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from magik_core.errors import ModelError
from magik_frontend_tf.keras_files.source import Call, Layer, Model, Ref

MODELS = ("Functional", "Model", "Sequential")
INPUT = "InputLayer"
MAX_DEPTH = 16  # of models and wrappers in each other
MAX_LAYERS = 1 << 15
FUNCTION_KINDS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


class Damaged(Exception):
    """Where the configuration is not what Keras writes, and what was found."""


def parse(text: str | bytes, where: str) -> tuple[Model, Mapping[str, Any]]:
    """The model of a JSON text, and the text as values.

    Raises: ModelError: it is no JSON, or no model of layers.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise ModelError("the architecture is no JSON, or truncated", where=where, found=found) from None
    if not isinstance(data, dict):
        raise ModelError("the architecture is no Keras model", where=where, found=type(data).__name__)
    kind = data.get("class_name")
    if kind not in MODELS or not isinstance(data.get("config"), (dict, list)):
        raise ModelError(
            "the architecture is no model of layers",
            where=where,
            found=f"class {kind!r}",
            need=f"one of: {', '.join(MODELS)}",
            hint="save a subclassed model as a SavedModel, model.export('folder'), and give the folder",
        )
    try:
        return model(data, 0), data
    except Damaged as damaged:
        place, found = damaged.args
        raise ModelError("the architecture is damaged", where=f"{place} in {where}", found=found) from None
    except (RecursionError, OverflowError) as error:
        raise ModelError("the architecture is damaged", where=where, found=type(error).__name__) from None


def model(data: Mapping[str, Any], depth: int) -> Model:
    """Raises: Damaged."""
    if depth > MAX_DEPTH:
        raise Damaged("a model", f"more than {MAX_DEPTH} models and wrappers in each other")
    config = data["config"]
    name, items = str(data.get("name") or "model"), config
    if isinstance(config, dict):
        name, items = str(config.get("name") or name), config.get("layers")
    if not isinstance(items, list) or len(items) > MAX_LAYERS:
        raise Damaged(f"model '{name}'", f"layers: {type(items).__name__}")
    if data["class_name"] == "Sequential":
        return _sequential(name, items, config if isinstance(config, dict) else {}, depth)
    if not isinstance(config, dict):
        raise Damaged(f"model '{name}'", "no input_layers and output_layers")
    layers = tuple(layer(item, depth) for item in items)
    ends = [_ends(config.get(key), f"{key} of model '{name}'") for key in ("input_layers", "output_layers")]
    _check_names(name, layers)
    return Model(name, layers, ends[0], _renumbered(layers, ends[1]))


def _renumbered(layers: tuple[Layer, ...], outputs: tuple[Ref, ...]) -> tuple[Ref, ...]:
    """Count the calls of inner models from 0; returns the outputs.

    Keras counts the making of an inner model as its call 0: Keras 2 everywhere, Keras 3 among the outputs, and
    there not for a Sequential.
    """
    inner = {one.name for one in layers if one.model is not None}
    refs = [*outputs, *(ref for one in layers for call in one.calls for ref in call.refs())]
    if any(one.is_new for one in layers):
        counted = {one.name for one in layers if one.model is not None and not one.model.is_sequential}
        return tuple(_earlier(ref, counted) for ref in outputs)
    counted = inner - {ref.layer for ref in refs if ref.call == 0}
    for one in layers:
        one.calls = tuple(Call(_earlier(call.args, counted), _earlier(call.kwargs, counted)) for call in one.calls)
    return tuple(_earlier(ref, counted) for ref in outputs)


def _earlier(value: Any, layers: set[str]) -> Any:
    """The value with references to some layers counted from one call before."""
    if isinstance(value, Ref):
        return value._replace(call=value.call - 1) if value.layer in layers and value.call else value
    if isinstance(value, (list, tuple)):
        return type(value)(_earlier(item, layers) for item in value)
    if isinstance(value, dict):
        return {key: _earlier(item, layers) for key, item in value.items()}
    return value


def _sequential(name: str, items: list[Any], config: Mapping[str, Any], depth: int) -> Model:
    """A chain: its calls are made here, and its input where it has none."""
    layers = [layer(item, depth) for item in items]
    if not layers:
        raise Damaged(f"model '{name}'", "no layers")
    if layers[0].kind != INPUT:
        first = layers[0]
        shape = _first_shape(first.config) or _first_shape(first.inner[0].config if first.inner else {})
        if shape is None:
            shape = config.get("build_input_shape")
        dtype = first.config.get("dtype") if first.kind != "Embedding" else "int32"
        made = {"batch_input_shape": shape, "dtype": dtype if isinstance(dtype, str) else None}  # else a policy
        layers.insert(0, Layer(INPUT, f"{first.name}_input", made))
    for before, here in pairwise(layers):
        here.calls = (Call((Ref(before.name, 0, 0),)),)
    layers[0].calls = (Call(()),)
    _check_names(name, layers)
    chain = tuple(layers)
    return Model(name, chain, (Ref(chain[0].name, 0, 0),), (Ref(chain[-1].name, 0, 0),), is_sequential=True)


def _first_shape(config: Mapping[str, Any]) -> Any:
    return config.get("batch_input_shape") or config.get("batch_shape")


def _check_names(name: str, layers: list[Layer] | tuple[Layer, ...]) -> None:
    names = [one.name for one in layers]
    if len(set(names)) < len(names):
        twice = sorted({one for one in names if names.count(one) > 1})
        raise Damaged(f"model '{name}'", f"two layers are called {twice[0]!r}")


def layer(data: Any, depth: int) -> Layer:
    """Raises: Damaged."""
    kind, config = (data.get("class_name"), data.get("config")) if isinstance(data, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(config, (dict, list)):
        raise Damaged("a layer", f"{str(data)[:80]!r}, no class and configuration")
    held = config if isinstance(config, dict) else {}
    name = str(data.get("name") or held.get("name") or kind.lower())
    module = str(data.get("module") or "")
    is_function = module.startswith(("keras.src.ops", "keras.ops")) or kind in FUNCTION_KINDS
    nodes = data.get("inbound_nodes")
    is_new = isinstance(nodes, list) and any(isinstance(node, dict) for node in nodes)
    if is_new and not module and kind not in MODELS and "trainable" not in held:
        is_function = True  # in an .h5 of Keras 3, where layers have no module
    registered = data.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        kind = registered  # a class of the user's, whatever it is called
    made = Layer(kind, name, held, is_function, is_new, _calls(nodes, name))
    if kind == INPUT:
        made.calls = (Call(()),)
    if kind in MODELS:
        made.model = model({**data, "class_name": kind}, depth + 1)
        made.model.name = name
    elif not is_function:
        made.inner = _inner(kind, held, depth)
    return made


def _inner(kind: str, config: Mapping[str, Any], depth: int) -> tuple[Layer, ...]:
    """The layers of a wrapper; of a Bidirectional both, of an RNN its cells."""
    if depth > MAX_DEPTH:
        raise Damaged("a layer", f"more than {MAX_DEPTH} models and wrappers in each other")
    if kind == "TimeDistributed":
        return (layer(config.get("layer"), depth + 1),)
    if kind == "Bidirectional":
        forward = layer(config.get("layer"), depth + 1)
        given = config.get("backward_layer")
        turned = {**forward.config, "go_backwards": not forward.config.get("go_backwards")}
        backward = layer(given, depth + 1) if given else Layer(forward.kind, forward.name, turned)
        return (forward, backward)
    if kind == "RNN":
        cell: Any = config.get("cell")
        cells = cell["config"].get("cells") if _is_stack(cell) else [cell]
        return tuple(layer(one, depth + 1) for one in cells) if isinstance(cells, list) else ()
    return ()


def _is_stack(cell: Any) -> bool:
    return isinstance(cell, dict) and cell.get("class_name") == "StackedRNNCells" and isinstance(cell["config"], dict)


def _calls(nodes: Any, name: str) -> tuple[Call, ...]:
    if nodes is None:
        return ()
    if not isinstance(nodes, list):
        raise Damaged(f"layer '{name}'", f"inbound_nodes: {str(nodes)[:80]!r}")
    return tuple(_new_call(node) if isinstance(node, dict) else _old_call(node, name) for node in nodes)


def _new_call(node: Mapping[str, Any]) -> Call:
    args, kwargs = decode(node.get("args")), decode(node.get("kwargs"))
    return Call(tuple(args) if isinstance(args, list) else (), kwargs if isinstance(kwargs, dict) else {})


def decode(value: Any) -> Any:
    """A value of Keras 3's JSON: tensors as Ref, arrays and slices as lists and dictionaries."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__keras_tensor__" and isinstance(config, dict):
        return _ref(config.get("keras_history"), "a tensor")
    if kind in ("__tensor__", "__numpy__", "__tuple__") and isinstance(config, dict):
        return decode(config.get("value"))
    if kind in ("__ellipsis__", "__none__"):
        return Ellipsis if kind == "__ellipsis__" else None
    if kind == "__slice__" and isinstance(config, dict):
        return {key: decode(config.get(key)) for key in ("start", "stop", "step")}
    return {key: decode(item) for key, item in value.items()}


def _old_call(node: Any, name: str) -> Call:
    """Keras 2: [[layer, call, output, kwargs]…], or one of these; a constant is layer "_CONSTANT_VALUE"."""
    items = [node] if isinstance(node, list) and node and isinstance(node[0], str) else node
    if isinstance(items, dict):
        items = list(items.values())
    if not isinstance(items, list) or not all(isinstance(i, list) and len(i) >= 3 for i in items):
        raise Damaged(f"layer '{name}'", f"inbound node {str(node)[:80]!r}")
    args = [i[2] if i[0] == "_CONSTANT_VALUE" else _ref(i, f"layer '{name}'") for i in items]
    given = items[0][3] if items and len(items[0]) > 3 and isinstance(items[0][3], dict) else {}
    kwargs = {key: _old_value(value) for key, value in given.items()}
    return Call((args[0] if len(args) == 1 and items is not node else args,), kwargs)


def _old_value(value: Any) -> Any:
    if isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and all(type(n) is int for n in value[1:3]):
            return value[2] if value[0] == "_CONSTANT_VALUE" else _ref(value, "a tensor")
        return [_old_value(item) for item in value]
    if isinstance(value, dict):
        return decode(value) if "class_name" in value else {key: _old_value(item) for key, item in value.items()}
    return value


def _ends(data: Any, where: str) -> tuple[Ref, ...]:
    """Inputs or outputs of a model: one, a list, or a dictionary of them."""
    found: list[Ref] = []
    waiting = [data]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, list) and item and isinstance(item[0], str):
            found.append(_ref(item, where))
        elif isinstance(item, (list, dict)):
            waiting[:0] = list(item.values()) if isinstance(item, dict) else item
        else:
            raise Damaged(where, f"{str(item)[:80]!r}")
    if not found:
        raise Damaged(where, "none")
    return tuple(found)


def _ref(item: Any, where: str) -> Ref:
    if isinstance(item, list) and len(item) >= 3 and isinstance(item[0], str):
        call, output = item[1:3]
        if type(call) is int and type(output) is int and 0 <= call < 1 << 16 and 0 <= output < 1 << 16:
            return Ref(item[0], call, output)
    raise Damaged(where, f"no reference to a tensor: {str(item)[:80]!r}")
