"""Read TorchScript, and make an ordinary module of it that runs its code operator by operator."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from magik_core.errors import ModelError
from magik_frontend_torch import archive
from magik_frontend_torch.capture import said
from magik_frontend_torch.interpreter import Interpreter
from magik_frontend_torch.quiet import quiet

MOST_CODE_BYTES = 64 << 20
AT_LOAD = re.compile(rb"\b__setstate__\b")  # the only code of an archive that loading runs


def read(path: Path, allow_pickle: bool = False) -> torch.jit.ScriptModule:
    """Load an archive.

    Raises: ModelError: it is damaged, or runs code while it is loaded and is not vouched for.
    """
    opened = archive.open_archive(path)
    own = [name for name in opened.sizes if name.startswith("code/") and name.endswith(".py")]
    if not allow_pickle:
        found = [name for name in own if AT_LOAD.search(archive.read(opened, name, MOST_CODE_BYTES))]
        if found:
            raise ModelError(
                "the archive runs code of its own while it is loaded",
                where=str(path),
                found=f"__setstate__ in {', '.join(found[:4])}",
                need="modules that are only weights and forward",
                hint="if you trust the file, pass --allow-pickle",
            )
    try:
        with quiet():
            module: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")
    except Exception as error:  # the C++ reader raises RuntimeError and others
        raise archive.damaged(path, f"{type(error).__name__}: {said(error)}") from None
    if not module._c._has_method("forward"):
        need = "a module with a forward"
        raise ModelError("the TorchScript module has no forward", where=str(path), need=need)
    return module


def as_module(scripted: torch.jit.ScriptModule, where: str) -> nn.Module:
    """Return a module of Python with the same parts and weights; its forward is followed by torch.export."""
    interpreter = Interpreter(where)
    return Scripted(scripted, interpreter)


class Scripted(nn.Module):
    """A part of a TorchScript module: weights are its own, methods run in the interpreter."""

    def __init__(self, scripted: Any, interpreter: Interpreter, path: str = "") -> None:
        super().__init__()
        self.path = path
        self.interpreter = interpreter
        self.scripted = [scripted]  # in a list: it is no part of this module
        for name, child in scripted.named_children():
            self.add_module(name, Scripted(child, interpreter, f"{path}.{name}".lstrip(".")))
        for name, parameter in scripted.named_parameters(recurse=False):
            self.register_parameter(name, nn.Parameter(parameter.detach(), requires_grad=False))
        for name, buffer in scripted.named_buffers(recurse=False):
            self.register_buffer(name, buffer.detach())
        self.forward = self._forward()

    def attribute(self, name: str) -> Any:
        """What the code calls `self.name`."""
        if (self.path, name) in self.interpreter.written:
            return self.interpreter.written[self.path, name]
        if name == "training":
            return self.training
        for own in (self._modules, self._parameters, self._buffers):
            if name in own:
                return own[name]
        return self.scripted[0]._c.getattr(name)

    def set_attribute(self, name: str, value: Any) -> None:
        """Remember what the code assigns to `self.name`; where torch.export does not undo it."""
        self.interpreter.written[self.path, name] = value

    def call_method(self, name: str, args: tuple[Any, ...]) -> Any:
        """Run a method; a forward, and its overloads, as torch.export sees a module called."""
        if not name.startswith("forward"):
            return self._run(name, args)
        self.interpreter.method = name
        return self(*args)

    def _run(self, name: str, args: tuple[Any, ...]) -> Any:
        return self.interpreter.run_graph(self.scripted[0]._c._get_method(name).graph, (self, *args))

    def _forward(self) -> Any:
        """A forward with the names and defaults of the code's; or the overload that was asked for."""
        signature = self._signature()

        def forward(*args: Any, **kwargs: Any) -> Any:
            name, self.interpreter.method = self.interpreter.method, "forward"
            if name != "forward":
                return self._run(name, args)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return self._run(name, tuple(bound.arguments.values()))

        forward.__signature__ = signature  # type: ignore[attr-defined]
        return forward

    def _signature(self) -> inspect.Signature:
        code = self.scripted[0]._c
        arguments = code._get_method("forward").schema.arguments[1:] if code._has_method("forward") else ()
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        return inspect.Signature(
            [
                inspect.Parameter(a.name, kind, default=a.default_value if a.has_default_value() else empty)
                for a in arguments
            ]
        )


def check_state(module: nn.Module, where: str) -> None:
    """Raises: ModelError: running the module has changed attributes of its parts, with their names."""
    if not isinstance(module, Scripted) or not module.interpreter.written:
        return
    names = [f"{path}.{name}".lstrip(".") for path, name in module.interpreter.written]
    inner = [name for name, part in module.named_children() if isinstance(part, Scripted)]
    raise ModelError(
        "the module keeps state from one call to the next, and a graph cannot",
        where=where,
        found=f"its forward writes {', '.join(names)}",
        need="a forward that takes its state as an input and returns the new one",
        hint=f"convert a part that does: --frontend-option submodule=NAME, NAME of {', '.join(inner)}" if inner else "",
    )
