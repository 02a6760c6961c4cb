"""A format imported: is it right, how many nodes has it, what is left of its layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime

import magik_core as magik
from bench import references
from bench.formats import Arrays, Format
from magik_core import passes, plugins, spelling
from magik_core.errors import MagikError
from magik_core.hookspecs import Request
from magik_core.prepare import prepare
from magik_core.program import Program
from magik_core.read import read


@dataclass(frozen=True)
class Row:
    """What was found.

    Args:
        imports: "yes", or why not; difference: the largest, in units of the output's range, and against what.
        nodes: of the graph that the frontend returns; left: by the passes; transposes: among those.
        moves: Transposes among the steps of the float program, which has its tensors in NHWC.
        is_right: None where nothing could be compared.
    """

    name: str
    file: str
    frontend: str
    imports: str
    difference: float | None = None
    tolerance: float | None = None
    against: str = ""
    nodes: int | None = None
    left: int | None = None
    transposes: int | None = None
    moves: int | None = None
    remark: str = ""
    is_right: bool | None = None


class Mismatch(Exception):
    """Inputs or outputs are others than the list says."""


def is_installed(found: Format) -> bool:
    return not found.frontend or found.frontend in plugins.load().frontends


def row(found: Format, models: Path) -> Row:
    """Import a format, compare it, and count its nodes."""
    start = (found.name, found.path, found.frontend)
    if not is_installed(found):
        return Row(*start, f"frontend {found.frontend} is not installed", remark=found.why)
    try:
        model = source(found, models)
        ready = prepared(found, models, model)
        gap, against, is_right = compared(found, models, ready)
    except MagikError as error:
        is_expected = bool(found.refused) and found.refused in str(error)
        return Row(*start, f"no: {error.problems[0].what}", remark=found.why, is_right=is_expected)
    except Mismatch as error:
        return Row(*start, f"no: {error}", remark=found.why, is_right=False)
    nodes = len(list(model.graph))
    passes.run(ready)
    kinds = [node.op_type for node in ready.graph]
    remark = found.why
    try:
        moves = [type(step.op).__name__ for step in float_program(found, models, model).steps].count("Transpose")
    except MagikError as error:
        moves, remark = None, f"no program yet: {error.problems[0].what}, {error.problems[0].found}"
    counts = (nodes, len(kinds), kinds.count("Transpose"), moves)
    return Row(*start, "yes", gap, found.tolerance, against, *counts, remark, is_right)


def compared(found: Format, models: Path, ready: ir.Model) -> tuple[float | None, str, bool | None]:
    """How far the graph is from what is expected, from what, and whether that is near enough."""
    try:
        wanted = references.outputs(found, models)
    except ModuleNotFoundError as error:
        return None, f"{found.against}: no {error.name}", None
    y = ordered(found, computed(ready, found.samples(models)))
    gap = difference(y, wanted)
    return gap, found.against, gap <= found.tolerance and not found.refused


def source(found: Format, models: Path, path: str = "") -> ir.Model:
    """What the frontend makes of a format; the one that knows the file, which has to be the one of the list."""
    file = models / (path or found.path)
    shapes = tuple(x.shape[1:] for x in found.samples(models))
    reader = plugins.load().sniff(file)
    if reader.name != found.frontend:
        raise Mismatch(f"read by {reader.name}")
    return read(file, request=Request(found.inputs, (), shapes, (), found.options))


def prepared(found: Format, models: Path, model: ir.Model) -> ir.Model:
    """The graph with the samples' sizes, cut where the format asks for it."""
    shapes = [x.shape[1:] for x in found.samples(models)]
    return prepare(model, inputs=found.inputs, input_shapes=shapes, constants=found.constants)


def float_program(found: Format, models: Path, model: ir.Model, output: Path | None = None) -> Program:
    """Every step in f32; written to `output` where there is one."""
    shapes = [x.shape[1:] for x in found.samples(models)]
    constants = dict(found.constants)
    return magik.convert(
        model, output, is_float=True, input=list(found.inputs), input_shape=shapes, constants=constants
    ).program


def computed(model: ir.Model, feeds: Arrays) -> dict[str, np.ndarray]:
    """Outputs by name, in onnxruntime without its own rewrites."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(spelling.serialize(model), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    if len(names) != len(feeds):
        raise Mismatch(f"{len(names)} inputs, not {len(feeds)}: {', '.join(names)}")
    rows = [session.run(None, dict(zip(names, sample, strict=True))) for sample in zip(*feeds, strict=True)]
    columns = (np.stack(column) for column in zip(*rows, strict=True))
    return {value.name: y for value, y in zip(session.get_outputs(), columns, strict=True)}


def ordered(found: Format, outputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """In the order of what is expected."""
    if missing := [name for name in found.outputs if name not in outputs]:
        raise Mismatch(f"no output {missing[0]} but {', '.join(outputs)}")
    return [outputs[name] for name in found.outputs] if found.outputs else list(outputs.values())


def difference(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """The largest one, in units of each output's range."""
    if len(found) != len(wanted):
        raise Mismatch(f"{len(found)} outputs, not {len(wanted)}")
    out = 0.0
    for y, w in zip(found, wanted, strict=True):
        if y.size != w.size:
            raise Mismatch(f"an output of shape {y.shape[1:]}, not {w.shape[1:]}")
        gap = np.abs(y.astype(np.float64).reshape(w.shape) - w).max()
        out = max(out, float(gap / max(float(np.ptp(w)), 1e-9)))
    return out
