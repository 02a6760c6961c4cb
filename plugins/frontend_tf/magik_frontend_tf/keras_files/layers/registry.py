"""The tables of layers and functions, filled where they are defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]  # (call) -> Tensor or list of them; a function of Keras: (call, its arguments)
LAYERS: dict[str, Function] = {}
FUNCTIONS: dict[str, Function] = {}


def layer(*names: str) -> Callable[[Function], Function]:
    """Enter a function under every class of Keras that it converts."""
    return _enter(LAYERS, names)


def function(*names: str) -> Callable[[Function], Function]:
    """Enter a function under every name that keras.ops, tf and TensorFlow's graph have for it."""
    return _enter(FUNCTIONS, names)


def _enter(table: dict[str, Function], names: tuple[str, ...]) -> Callable[[Function], Function]:
    def enter(made: Function) -> Function:
        for name in names:
            assert name not in table, name
            table[name] = made
        return made

    return enter
