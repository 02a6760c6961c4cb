"""Calls of functions between layers: of keras.ops in Keras 3, of tf in Keras 2, and nodes of TensorFlow's graph."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from magik_frontend_tf.keras_files import layers
from magik_frontend_tf.keras_files.call import Call
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

UNREAD = frozenset({"name", "trainable", "dtype", "function", "batch_input_shape"})  # of a configuration


def call(c: Call) -> Tensor | list[Tensor]:
    """What a function makes.

    Raises: Refusal: it is not known, or is called in a way that is not.
    """
    if c.layer.kind == "TensorFlowOpLayer":
        name, args, kwargs = _node(c)
    elif "function" in c.config:
        name, args, kwargs = str(c.config["function"]).removeprefix("compat.v1."), c.args, c.kwargs
    else:  # of keras.ops: what is no tensor may be in the configuration
        name = c.layer.kind.rpartition(">")[2]
        args, kwargs = c.args, {**{k: v for k, v in c.config.items() if k not in UNREAD}, **c.kwargs}
    made = layers.operation(name)
    given = {key: value for key, value in kwargs.items() if key != "name" and value is not None}
    known = inspect.signature(made).parameters
    extra = [key for key in given if key not in known and given[key] is not False]
    given = {key: value for key, value in given.items() if key in known}
    if extra:
        raise Refusal("a function is called with arguments that are not supported", ", ".join(extra), name)
    try:
        inspect.signature(made).bind(c, *args, **given)
    except TypeError as error:
        raise Refusal("a function is called with other arguments", f"{name}: {error}") from None
    return made(c, *args, **given)


def _node(c: Call) -> tuple[str, list[Any], dict[str, Any]]:
    """A node of TensorFlow's graph, as tf.keras up to 2.3 stored it."""
    node = c.config.get("node_def")
    node = json.loads(node) if isinstance(node, str) else node
    constants = c.config.get("constants") or {}
    if not isinstance(node, Mapping) or not isinstance(constants, Mapping):
        raise Refusal("the node of a function is damaged", str(node)[:80])
    args: list[Any] = []
    tensors = list(c.inputs)
    while tensors or str(len(args)) in constants:
        args.append(constants[str(len(args))] if str(len(args)) in constants else tensors.pop(0))
    attributes = node.get("attr", {})
    kwargs = {"keepdims": True} if _is_true(attributes.get("keep_dims") or attributes.get("keepDims")) else {}
    if str(node.get("op")) == "ConcatV2":
        args = [args[:-1], args[-1]]
    return str(node.get("op")), args, kwargs


def _is_true(attribute: Any) -> bool:
    return isinstance(attribute, Mapping) and attribute.get("b") is True
