"""Describe a file, whatever it is: a model file of ours or a source model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from magik_core import model_file
from magik_core.container import MAGIC
from magik_core.hookspecs import Request
from magik_core.read import read
from magik_core.report import Description, describe_graph

if TYPE_CHECKING:
    import onnx_ir as ir


def describe(path: str | Path, *, frontend: str = "", request: Request | None = None) -> Description:
    """The description of a `.mgk` or `.bin`, or of a source model read by a frontend.

    Args:   frontend: its name; without one, the file's first bytes decide.
            request: where a source model is cut, and sizes that it leaves open.
    Raises: LoadError: a damaged model file. ModelError, GraphError: a source model that cannot be read.
    """
    path = Path(path)
    if not frontend and is_model_file(path):
        from magik_core import unpack

        return Description.of(*unpack.read(path))
    request = request or Request()
    return describe_graph(_sized(read(path, frontend, request), request))


def _sized(model: ir.Model, asked: Request) -> ir.Model:
    """The model with all sizes that can be known, nodes otherwise as they are; cut or with shapes, as converted."""
    from onnx_ir.passes import common

    from magik_core import graph
    from magik_core.prepare import prepare

    if asked.inputs or asked.outputs or asked.input_shapes:
        return prepare(model, inputs=asked.inputs, outputs=asked.outputs, input_shapes=asked.input_shapes)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    graph.infer(model, strict=False)
    return model


def is_model_file(path: Path) -> bool:
    """Whether a file begins as `magik convert` writes them."""
    try:
        if not path.is_file():  # some source formats are folders
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise model_file.unreadable(path, error) from None
