"""The table of layers, filled where their functions are defined."""

from __future__ import annotations

from collections.abc import Callable

from magik_frontend_mxnet.call import Call

Function = Callable[[Call], str | list[str]]
FUNCTIONS: dict[str, Function] = {}


def layer(*names: str) -> Callable[[Function], Function]:
    """Enter a function under every name that MXNet has had for the layer."""

    def enter(function: Function) -> Function:
        for name in names:
            assert name not in FUNCTIONS, name
            FUNCTIONS[name] = function
        return function

    return enter
