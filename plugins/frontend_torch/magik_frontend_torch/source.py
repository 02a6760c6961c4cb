"""From what the user gave, a file or an object, to the graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.export import ExportedProgram

from magik_core import asked
from magik_core.errors import UsageError
from magik_frontend_torch import archive, capture, factory, pickles, programs, safetensors, script
from magik_frontend_torch.export import export

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.hookspecs import Request

MOST_KEYS = 4
ALLOW = "allow_pickle"  # a permission: it fits everything
SIZED = ("submodule", "input_dtypes")  # options of what is run to follow it
USED = {  # by kind of file, with what it is called; others take every option
    archive.PROGRAM: ("an exported program", (ALLOW,)),
    archive.SCRIPT: ("a TorchScript archive", (*SIZED, ALLOW)),
}


def load(model: Any, request: Request) -> ir.Model:
    """Return the graph of a module, a program or a file.

    Raises: ModelError: it cannot be read or exported. UsageError: an option is missing or wrong.
    """
    if isinstance(model, (nn.Module, ExportedProgram)):
        _check_object(model, request)
        name = type(model).__name__ if isinstance(model, nn.Module) else "program"
        return _graph(model, request, name, name, is_object=True)
    path = Path(model)
    return _graph(_open(path, request), request, path.stem, str(path))


def _graph(model: Any, request: Request, name: str, where: str, is_object: bool = False) -> ir.Model:
    if isinstance(model, ExportedProgram):
        return export(model, name, where)
    module = _part(model, str(request.options.get("submodule") or ""), where)
    if isinstance(module, torch.jit.ScriptModule):
        module = script.as_module(module, where)
    if request.example_inputs:
        inputs = capture.resized(request.example_inputs, request.input_shapes, where)
    else:
        inputs = capture.example_inputs(module, request.input_shapes, _dtypes(request), where, is_object)
    program = capture.capture(module, inputs, where)
    script.check_state(module, where)
    return export(program, name, where)


def _open(path: Path, request: Request) -> Any:
    """A module or a program."""
    allow_pickle = request.options.get("allow_pickle") in (True, 1, "true", "True", "1")
    kind = archive.kind_of(path)
    if kind in USED:
        called, used = USED[kind]
        asked.check_options(request.options, used, called, str(path))
    if kind == archive.PROGRAM:
        return programs.read(path, allow_pickle)
    if kind == archive.SCRIPT:
        return script.read(path, allow_pickle)
    if kind == archive.SAFETENSORS:
        return _network(safetensors.read(path), request, path)
    with factory.working_directory():
        saved = pickles.read(path, allow_pickle)
    if isinstance(saved, nn.Module):
        asked.check_options(request.options, (*SIZED, ALLOW), "a file that holds the network itself", str(path))
        return saved
    return _network(pickles.weights_in(saved, path), request, path)


def _check_object(model: nn.Module | ExportedProgram, request: Request) -> None:
    """Raises: UsageError: options that are for files."""
    name = type(model).__name__
    if isinstance(model, ExportedProgram):
        called, used = USED[archive.PROGRAM]
    elif request.example_inputs:
        called, used = "a module with example inputs", (SIZED[0], ALLOW)
    else:
        called, used = "a module", (*SIZED, ALLOW)
    asked.check_options(request.options, used, called, name)


def _network(weights: dict[str, torch.Tensor], request: Request, path: Path) -> nn.Module:
    """The user's network with the weights of a file."""
    name = str(request.options.get("model") or "")
    if not name:
        keys = ", ".join(list(weights)[:MOST_KEYS])
        raise UsageError(
            "the file holds the weights of a network, not the network",
            where=str(path),
            found=f"{len(weights)} tensors: {keys}{', …' * (len(weights) > MOST_KEYS)}",
            need="the function that makes the network: --model package.module:function",
            hint="or save the whole of it: torch.export.save(torch.export.export(network, inputs), path)",
        )
    network = factory.make(name, request.options.get("arguments"))
    factory.fill(network, weights, str(path), name)
    return network


def _part(module: nn.Module, path: str, where: str) -> nn.Module:
    """A part of a network by its path."""
    if not path:
        return module
    parts = dict(module.named_modules())
    if path not in parts:
        found, need = path, "one of: " + ", ".join(list(parts)[1:20])
        raise UsageError("the network has no such part", where=f"option submodule, {where}", found=found, need=need)
    return parts[path]


def _dtypes(request: Request) -> list[str]:
    said = request.options.get("input_dtypes") or []
    return [str(name) for name in said] if isinstance(said, (list, tuple)) else str(said).replace(",", " ").split()
