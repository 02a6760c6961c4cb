"""Every model of the shared folder in every format: does it import, is it right, and what is left of its layout.

    python -m bench.frontends [--shared FOLDER] [--only NAME]… [--json]

"difference" is the largest one between the imported graph in onnxruntime and ref.npz (or the runtime that the row
names), in units of the output's range. "nodes" are those of the graph that the frontend returns, and what the passes
leave; "Transposes" are those left, and how many of them stand inside the graph, not at an input or output, where
they cost nothing. Formats whose frontend is not installed have a row that says so.

The second table holds float programs (`is_float=True`) of one network in several formats against each other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime

import magik_core as magik
from bench import planner, references
from bench.formats import Arrays, Format, Same
from bench.networks import BY_NAME, FORMATS, SAME
from magik_core import graph, passes, plugins
from magik_core.errors import MagikError
from magik_core.hookspecs import Request
from magik_core.net import load
from magik_core.prepare import prepare
from magik_core.program import Program
from magik_core.read import read

HEADS = ("network", "file", "frontend", "imports", "difference", "at most", "against", "nodes", "after passes",
         "Transposes", "remark")  # fmt: skip
SAME_HEADS = ("network", "formats", "difference", "at most", "remark")
MOVES = {"Reshape", "Transpose", "Concat", "Slice", "Copy", "Clip", "Relu"}  # that formats spell in their own ways


@dataclass(frozen=True)
class Row:
    """A line of the first table. Args: is_right: None where nothing could be compared."""

    name: str
    file: str
    frontend: str
    imports: str
    difference: float | None = None
    against: str = ""
    nodes: int | None = None
    left: int | None = None
    transposes: tuple[int, int] | None = None
    is_right: bool | None = None

    def cells(self) -> list[str]:
        moves = "" if self.transposes is None else f"{sum(self.transposes)} ({self.transposes[1]} inside)"
        numbers = ("" if n is None else str(n) for n in (self.nodes, self.left))
        return [self.name, self.file, self.frontend, self.imports, shown(self.difference), self.against, *numbers,
                moves]  # fmt: skip


@dataclass(frozen=True)
class Agreement:
    """A line of the second table. Args: difference: None where only the structure is compared, or nothing."""

    name: str
    formats: tuple[str, ...]
    difference: float | None
    tolerance: float
    remark: str
    is_right: bool | None

    def cells(self) -> list[str]:
        most = shown(self.tolerance) if self.tolerance else "structure"
        return [self.name, ", ".join(self.formats), shown(self.difference), most, self.remark]


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


# ---- one format ----------------------------------------------------------------------------------------------


def source(found: Format, models: Path, path: str = "") -> ir.Model:
    """What the frontend makes of a format; the one that knows it, which has to be the one of the list."""
    file = models / (path or found.path)
    shapes = tuple(x.shape[1:] for x in found.samples(models))
    request = Request(found.inputs, (), shapes, (), found.options)
    reader = plugins.load().sniff(file)
    assert reader.name == found.frontend, f"{file} is read by {reader.name}"
    return read(file, request=request)


def prepared(found: Format, models: Path, model: ir.Model) -> ir.Model:
    """The graph with the samples' sizes, cut where the format asks for it."""
    shapes = [x.shape[1:] for x in found.samples(models)]
    return prepare(model, inputs=found.inputs, input_shapes=shapes, constants=found.constants)


def computed(model: ir.Model, feeds: Arrays) -> dict[str, np.ndarray]:
    """Outputs by name, in onnxruntime without its own rewrites."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.serialize(model), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    rows = [session.run(None, dict(zip(names, sample, strict=True))) for sample in zip(*feeds, strict=True)]
    columns = (np.stack(column) for column in zip(*rows, strict=True))
    return {value.name: y for value, y in zip(session.get_outputs(), columns, strict=True)}


def difference(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """The largest one, in units of each output's range."""
    assert len(found) == len(wanted), f"{len(found)} outputs, not {len(wanted)}"
    out = 0.0
    for y, w in zip(found, wanted, strict=True):
        assert y.size == w.size, f"{y.shape}, not {w.shape}"
        gap = np.abs(y.astype(np.float64).reshape(w.shape) - w).max()
        out = max(out, float(gap / max(float(np.ptp(w)), 1e-9)))
    return out


def ordered(found: Format, outputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """In the order of what is expected."""
    return [outputs[name] for name in found.outputs] if found.outputs else list(outputs.values())


def transposes(model: ir.Model) -> tuple[int, int]:
    """Those at an input or an output, and those between other nodes."""
    at_edge, inside = 0, 0
    for node in model.graph:
        if node.op_type == "Transpose":
            is_edge = node.inputs[0] in model.graph.inputs or node.outputs[0].is_graph_output()
            at_edge, inside = at_edge + is_edge, inside + (not is_edge)
    return at_edge, inside


def is_installed(found: Format) -> bool:
    return not found.frontend or found.frontend in plugins.load().frontends


def row(found: Format, models: Path) -> Row:
    """Import a format, compare it, and count its nodes."""
    start = (found.name, found.path, found.frontend)
    if not is_installed(found):
        return Row(*start, f"frontend {found.frontend} is not installed")
    try:
        model = source(found, models)
        ready = prepared(found, models, model)
        y = ordered(found, computed(ready, found.samples(models)))
    except MagikError as error:
        what = error.problems[0].what
        is_expected = bool(found.refused) and found.refused in str(error)
        return Row(*start, f"no: {found.why or what}", is_right=is_expected)
    nodes = len(list(model.graph))
    passes.run(ready)
    counts = (nodes, len(list(ready.graph)), transposes(ready))
    against = found.expected if isinstance(found.expected, str) else "ref.npz"
    try:
        wanted = references.outputs(found, models)
    except ModuleNotFoundError as error:
        return Row(*start, "yes", None, f"{against}: no {error.name}", *counts)
    gap = difference(y, wanted)
    return Row(*start, "yes", gap, against, *counts, is_right=gap <= found.tolerance and not found.refused)


# ---- the same network in several formats ---------------------------------------------------------------------


@dataclass(frozen=True)
class Converted:
    """A float program, and what the host's library makes of the samples."""

    program: Program
    outputs: list[np.ndarray]


def converted(found: Format, models: Path, folder: Path) -> Converted:
    feeds = found.samples(models)
    result = magik.convert(
        models / found.path,
        folder / "net",
        is_float=True,
        input=found.inputs,
        input_shape=[x.shape[1:] for x in feeds],
        constants=found.constants,
        frontend_options=dict(found.options),
    )
    net = load(folder / "net.bin")
    names = [port.name for port in net.inputs]
    rows = [net.run(dict(zip(names, sample, strict=True))) for sample in zip(*feeds, strict=True)]
    outputs = {port.name: np.stack([one[port.name] for one in rows]) for port in net.outputs}
    return Converted(result.program, ordered(found, outputs))


def agreement(same: Same, models: Path) -> Agreement:
    """Convert the formats whose frontends are installed, and hold their programs against the first."""
    formats = [BY_NAME[name] for name in same.formats]
    missing = {found.frontend for found in formats if not is_installed(found)}
    here = [found for found in formats if is_installed(found)]
    remark = "; ".join(filter(None, (same.why, *(f"frontend {name} is not installed" for name in sorted(missing)))))
    names = tuple(found.name for found in here)
    if len(here) < 2:
        return Agreement(same.name, names, None, same.tolerance, remark, None)
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = [converted(found, models, Path(folder)) for found in here]
        except MagikError as error:
            return Agreement(same.name, names, None, same.tolerance, f"no: {error.problems[0].what}", False)
    first, *rest = (common(same, found, one) for found, one in zip(here, made, strict=True))
    if not same.tolerance:
        kinds = [structure(one) for one in made]
        return Agreement(same.name, names, None, 0.0, remark, all(kind == kinds[0] for kind in kinds))
    gap = max(difference(y, first) for y in rest)
    return Agreement(same.name, names, gap, same.tolerance, remark, gap <= same.tolerance)


def common(same: Same, found: Format, made: Converted) -> list[np.ndarray]:
    """The outputs in the order and with the axes of the first format."""
    order = same.order.get(found.name, tuple(range(len(made.outputs))))
    axes = same.axes.get(found.name)
    return [turn(made.outputs[i], axes) for i in order]


def turn(y: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    return y.transpose(0, *(1 + axis for axis in axes)) if axes and y.ndim == 1 + len(axes) else y


def structure(made: Converted) -> tuple[Counter[str], Counter[int]]:
    """Operators that compute, and sizes of the outputs: what two sets of weights of one network share."""
    names = [type(step.op).__name__ for step in made.program.steps]
    return Counter(n for n in names if n not in MOVES), Counter(y[0].size for y in made.outputs)


# ---- the tables ----------------------------------------------------------------------------------------------


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 1 where something is not right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=planner.shared_folder())
    parser.add_argument("--only", action="append", default=[], help="networks whose name has this text")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    models = asked.shared / "models"
    rows = [row(found, models) for found in FORMATS if chosen(found.name, asked.only)]
    same = [agreement(found, models) for found in SAME if chosen(found.name, asked.only)]
    if asked.json:
        print(json.dumps({"formats": [asdict(r) for r in rows], "same": [asdict(a) for a in same]}, indent=1))
    else:
        print(markdown(HEADS, (r.cells() for r in rows)), markdown(SAME_HEADS, (a.cells() for a in same)), sep="\n\n")
    return int(any(found.is_right is False for found in (*rows, *same)))


def chosen(name: str, only: Sequence[str]) -> bool:
    return not only or any(text in name for text in only)


if __name__ == "__main__":
    sys.exit(main())
