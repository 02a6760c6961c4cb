"""Every hook of magik, and the values that plugins hand over through them.

A plugin is an entry point of the group `magik` that names a module with functions of these names,
each marked `@hookimpl`. A hook receives `register` and calls it once per thing that it offers; it
imports what is heavy when the thing is used, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.ops import Op
    from magik_core.quantizers import Quantizer
    from magik_core.soc import SoC

GROUP = "magik"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True)
class Request:
    """What is asked of a frontend besides the model. The core cuts the graph and binds its sizes after `load`;
    a frontend heeds them only where its reader has to.

    Args:
        inputs, outputs: tensors to begin and to end at (INPUT, OUTPUT); empty: the model's own.
        input_shapes: one per input, in the source's axis order (INPUT_SHAPE); empty: the model's own.
        example_inputs: of a model in memory, where its framework traces it.
        options: the frontend's own (FRONTEND_OPTIONS), their names checked.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    input_shapes: tuple[tuple[int, ...], ...] = ()
    example_inputs: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Frontend:
    """A reader of one source format.

    Args:
        name: as in `--frontend`, e.g. "onnx".
        suffixes: of its files, with the dot, for messages and for people.
        sniff: whether a file or folder is of this format, from its bytes; never raises, imports nothing.
        load: read a path, or an object that it takes; raises ModelError. The framework is imported here.
        options: that it knows, each with a sentence that says what it does.
        takes: whether an object in memory is a model of this framework; never raises, imports nothing.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Path], bool]
    load: Callable[[Any, Request], ir.Model]
    options: Mapping[str, str] = field(default_factory=dict)
    takes: Callable[[object], bool] = lambda model: False


@dataclass(frozen=True)
class Command:
    """A subcommand: `function` has typer's annotations; its docstring is the help text."""

    name: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class Report:
    """A way to write down what `magik inspect` knows: `render(description)` gives the file's text."""

    name: str
    suffix: str
    render: Callable[[Any], str]


@hookspec
def register_frontends(register: Callable[[Frontend], None]) -> None:
    """Offer readers of source formats."""


@hookspec
def register_quantizers(register: Callable[[Quantizer], None]) -> None:
    """Offer range estimators of activations, scale estimators of weights, or both."""


@hookspec
def register_backends(register: Callable[[SoC], None]) -> None:
    """Offer chips."""


@hookspec
def register_ops(register: Callable[[type[Op]], None]) -> None:
    """Offer kernel operators: classes, as a file in magik_core/ops defines one."""


@hookspec
def register_passes(register: Callable[[Callable[..., Any]], None]) -> None:
    """Offer graph rewrites, as a file in magik_core/passes defines one; they run after the built-in ones."""


@hookspec
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer subcommands of `magik`."""


@hookspec
def register_reports(register: Callable[[Report], None]) -> None:
    """Offer report formats."""
