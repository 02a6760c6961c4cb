"""The layers of Keras that magik reads: one small function each, in files by family."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from magik_frontend_tf.keras_files.layers.registry import FUNCTIONS, LAYERS, Function
from magik_frontend_tf.keras_files.refusal import Refusal

EXPORT = "write it with Keras's own layers, or give the folder that model.export('folder') makes"


@cache
def families() -> Mapping[str, tuple[str, ...]]:
    """The names of layers by family; loads them all."""
    return _by_module(LAYERS)


@cache
def functions() -> Mapping[str, tuple[str, ...]]:
    """The names of functions by family."""
    return _by_module(FUNCTIONS)


def _by_module(table: Mapping[str, Function]) -> Mapping[str, tuple[str, ...]]:
    names = sorted(info.name for info in iter_modules(__path__) if info.name != "registry")
    modules = [import_module(f"{__name__}.{name}").__name__ for name in names]
    found = {
        module.rpartition(".")[2]: tuple(sorted(n for n, made in table.items() if made.__module__ == module))
        for module in modules
    }
    return {name: items for name, items in found.items() if items}


def layer(kind: str) -> Function:
    """The function of a layer.

    Raises: Refusal: there is none.
    """
    families()
    if kind == "Lambda":
        raise Refusal("a Lambda holds code, which is never run", kind, "a layer of docs/keras.md", EXPORT)
    if ">" in kind:
        raise Refusal("a layer is a class of the model's own", kind, "a layer of docs/keras.md", EXPORT)
    if kind not in LAYERS:
        raise Refusal("a layer is not supported", kind, "a layer of docs/keras.md", EXPORT)
    return LAYERS[kind]


def operation(name: str) -> Function:
    """The function of a call of keras.ops or tf.

    Raises: Refusal: there is none.
    """
    functions()
    if name not in FUNCTIONS:
        raise Refusal("a function is not supported", name, "a function of docs/keras.md", EXPORT)
    return FUNCTIONS[name]
