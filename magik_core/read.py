"""Read a source model: the first stage, done by the frontend that knows it."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from magik_core import missing, model_file, plugins
from magik_core.errors import UsageError
from magik_core.hookspecs import Request


def read(model: object, frontend: str = "", request: Request | None = None) -> ir.Model:
    """The float graph of a source model.

    Args:
        model: a path, an object that a frontend takes, or an onnx_ir.Model, which is returned as it is.
        frontend: its name; empty: the one that knows the model.
    Raises: UsageError: an option that the frontend does not have. ModelError: of the frontend.
    """
    if isinstance(model, ir.Model):
        return model
    if isinstance(model, (str, Path)):
        model_file.check(Path(model))  # before anybody opens it: a pipe would never end
    installed, request = plugins.load(), request or Request()
    reader = installed.frontend(frontend) if frontend else installed.sniff(model)
    problems = [missing.option(reader.name, n, reader.options) for n in request.options if n not in reader.options]
    if problems:
        raise UsageError(problems=problems)
    return reader.load(Path(model) if isinstance(model, str) else model, request)
