"""magik inspect MODEL|OUT.mgk: what a model is made of, what it costs, how its memory is planned."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from magik_core.cli import _console, _options

if TYPE_CHECKING:
    from magik_core.report import Description, Port, Row

PALETTE = ("cyan", "yellow", "green", "magenta")  # by shade: touching tensors differ
HEIGHT = 16  # lines of the picture
PLAIN_WIDTH = 80  # columns where stdout is no terminal
STEP_COLUMNS = ("#", "step", "operator", "kernel", "shapes", "dtype", "params", "MACs", "bytes")
NODE_COLUMNS = ("#", "node", "operator", "shapes", "dtype", "params", "MACs", "bytes")
SLOT_COLUMNS = ("offset", "bytes", "from", "to", "tensor", "shape", "shares with")
SPARE = ("kernel", "params", "dtype", "bytes", "shares with")  # that a narrow terminal does without, in this order


def command(
    model: Annotated[Path, typer.Argument(help="A .mgk model file or a source model.", metavar="MODEL|OUT.mgk")],
    html: _options.Html = None,
    is_plan: Annotated[bool, typer.Option("--plan", help="The memory plan only, with every tensor's place.")] = False,
    inputs: _options.Inputs = None,
    input_shape: _options.Shape = None,
    outputs: _options.Outputs = None,
    frontend: _options.Frontend = None,
    frontend_options: _options.FrontendOptions = None,
    factory: _options.Factory = None,
    allows_pickle: _options.AllowPickle = False,
    is_json: _options.Json = False,
) -> None:
    """Show operators, shapes, bits, MACs and memory of a .mgk model file or a source model.

    Example: magik inspect model.mgk --html model.html
    """
    from magik_core.describe import describe

    page = _options.page(html, model)
    asked = _options.config(None, None, INPUT=inputs, INPUT_SHAPE=input_shape, OUTPUT=outputs, FRONTEND=frontend)
    asked = _options.with_frontend_options(asked, frontend_options, factory, allows_pickle)
    found = describe(model, frontend=asked.frontend, request=asked.request())
    if page is not None:
        from magik_core import files
        from magik_core.html import render

        files.write({page: render(found).encode()})
    if is_json:
        typer.echo(found.to_json())
    elif is_plan:
        _plan(found)
        _map(found)
    else:
        _steps(found)
        _summary(found)
        _plan(found)
    if page is not None:
        _console.words(f"wrote {page}")


def _steps(found: Description) -> None:
    is_graph = found.kind == "graph"
    rows = [_cells(i, row, is_graph) for i, row in enumerate(found.rows)]
    _console.table(NODE_COLUMNS if is_graph else STEP_COLUMNS, rows, spare=SPARE)


def _cells(index: int, row: Row, is_graph: bool) -> tuple[str, ...]:
    kernel = () if is_graph else (row.kernel,)
    sizes = (f"{row.params:,}", f"{row.macs:,}", f"{row.activation_bytes + row.weight_bytes:,}")
    return (str(index), row.name, row.op, *kernel, shapes(row), row.dtype, *sizes)


def shapes(row: Row) -> str:
    """Shapes of the activations that a step reads and writes: `1x8x8x3 → 1x4x4x16`."""
    x = [_shape(port) for port in row.inputs if not port.is_constant]
    return f"{', '.join(x)} → {', '.join(map(_shape, row.outputs))}"


def _shape(port: Port) -> str:
    if port.shape is None:
        return "?"
    return "x".join("?" if size < 0 else str(size) for size in port.shape) or "scalar"


def _summary(found: Description) -> None:
    operators = ", ".join(f"{total.steps} {total.op}" for total in found.ops)
    rows = [
        ("name", found.name),
        *(("input", f"{port.name} {_shape(port)} {port.dtype} {port.color}".rstrip()) for port in found.inputs),
        *(("output", f"{port.name} {_shape(port)} {port.dtype}") for port in found.outputs),
        *(("state", f"{port.name} {_shape(port)} {port.dtype}") for port in found.states),
        ("nodes" if found.kind == "graph" else "steps", f"{len(found.rows)}, {found.float_steps} of them float"),
        ("operators", operators),
        ("MACs", f"{found.macs:,}{' or more: sizes are open' if found.has_open_sizes else ''}"),
        ("params", f"{found.params:,}"),
        ("weights", _console.nbytes(found.weight_bytes)),
    ]
    if found.arena_bytes is not None:
        rows.append(("arena", _arena(found)))
    _console.data()
    _console.table(("", ""), rows, has_header=False)
    if found.has_open_sizes:
        _console.words("the model leaves sizes open: --input-shape fixes them", "yellow")


def _arena(found: Description) -> str:
    above = f"{found.arena_excess:.1%} above" if found.arena_excess else "at"
    return f"{_console.nbytes(found.arena_bytes or 0)}, {above} the lower bound of {found.lower_bound:,}"


def _plan(found: Description) -> None:
    """The picture of the arena; nothing for a source model, which has no plan yet."""
    from magik_core.cli import _drawing

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
    lines = _drawing.draw(found, width, HEIGHT)
    if not lines:
        return
    picture = _drawing.picture_of(found, width, HEIGHT)
    color = {label: PALETTE[picture.shades[item]] for item, label in picture.labels.items()}
    out = _console.out()
    out.print()
    for y, line in enumerate(lines):
        text = Text(_console.plain(line), no_wrap=True)
        owners = picture.owners[y] if y < HEIGHT else ()
        for x, owner in enumerate(owners, _drawing.MARGIN):
            if owner != _drawing.FREE:
                text.stylize(PALETTE[picture.shades[owner]], x, x + 1)
        if line[2:3] in color and line[:2] == "  " and line[3:5] == "  ":
            text.stylize(color[line[2]], 2, 3)
        out.print(text)


def _map(found: Description) -> None:
    if not found.memory:
        _console.words("a source model has no memory plan: magik convert makes one")
        return
    end = len(found.rows)
    rows = [
        (f"{slot.offset:,}", f"{slot.nbytes:,}", "input" if slot.first < 0 else str(slot.first),
         "output" if slot.last >= end else str(slot.last), slot.tensor, "x".join(map(str, slot.shape)),
         ", ".join(slot.shares))
        for slot in sorted(found.memory, key=lambda slot: (slot.offset, slot.first))
    ]  # fmt: skip
    _console.data()
    _console.table(SLOT_COLUMNS, rows, spare=SPARE)
