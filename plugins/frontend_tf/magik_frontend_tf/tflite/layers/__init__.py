"""The builtin operators of TFLite that magik reads: one small function each, in files by family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from magik_frontend_tf.tflite.call import Function

_TABLE: dict[str, Function] = {}


def operator(*names: str) -> Callable[[Function], Function]:
    """Enter a function under the names of the operators that it takes."""

    def enter(function: Function) -> Function:
        for name in names:
            assert name not in _TABLE, name
            _TABLE[name] = function
        return function

    return enter


@cache
def table() -> Mapping[str, Function]:
    """The function of each operator, from every file of this folder."""
    for info in iter_modules(__path__):
        import_module(f"{__name__}.{info.name}")
    return dict(sorted(_TABLE.items()))


def families() -> Mapping[str, tuple[str, ...]]:
    """The names of operators by family: a family is a file."""
    out: dict[str, list[str]] = {}
    for name, function in table().items():
        out.setdefault(function.__module__.rpartition(".")[2], []).append(name)
    return {family: tuple(names) for family, names in sorted(out.items())}
