"""magik init [MODEL]: write a config file to fill in, or filled from a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magik_core import plugins
from magik_core.cli import _console, _options
from magik_core.errors import UsageError

if TYPE_CHECKING:
    from magik_core.config import Config

DEFAULT = Path("magik.cfg")


def command(
    model: Annotated[Path | None, typer.Argument(help="Fill in its inputs and shapes.", metavar="[MODEL]")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.", metavar="FILE")] = DEFAULT,
    frontend: _options.Frontend = None,
    frontend_options: _options.FrontendOptions = None,
    factory: _options.Factory = None,
    allows_pickle: _options.AllowPickle = False,
    is_forced: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a config file: empty keys to fill in, or a model's inputs and your answers.

    On a terminal, with MODEL, it asks for the rest; elsewhere it asks nothing.
    """
    from magik_core import config, config_text, files

    if output.exists() and not is_forced:
        raise UsageError(
            "the file exists",
            where=str(output),
            need="a new file",
            hint="pass --force to replace it, or -o FILE",
        )
    files.check_outputs([output], reads=[model])
    values = dict(config_text.TEMPLATE)
    if model is not None:
        asked = _options.config(None, None, FRONTEND=frontend)
        values |= _of_model(model, _options.with_frontend_options(asked, frontend_options, factory, allows_pickle))
        if sys.stdin.isatty():
            values |= _ask(values)
        config.Config.parse(values)
    files.write({output: config_text.dumps(values).encode()})
    _console.words(f"wrote {output}")


def _of_model(path: Path, asked: Config) -> dict[str, Any]:
    """INPUT, INPUT_SHAPE, OUTPUT and how it is read; a shape that is not fixed is left for the user."""
    from magik_core.read import read

    graph = read(path, asked.frontend, asked.request()).graph
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    shapes = [None if value.shape is None else list(value.shape) for value in inputs]
    is_fixed = all(shape is not None and all(isinstance(dim, int) for dim in shape) for shape in shapes)
    if not is_fixed:
        _console.words("INPUT_SHAPE is left empty: the model's shapes are not fixed, fill them in", "yellow")
    return {
        "INPUT": [value.name for value in inputs],
        "INPUT_SHAPE": (shapes[0] if len(shapes) == 1 else shapes) if is_fixed else [],
        "OUTPUT": [value.name for value in graph.outputs],
        "QUANT_DATASET_PATH": "",
        **({"FRONTEND": asked.frontend} if asked.frontend else {}),
        **({"FRONTEND_OPTIONS": asked.frontend_options} if asked.frontend_options else {}),
    }


def _ask(values: Mapping[str, Any]) -> dict[str, Any]:
    """What no model says, asked on the terminal; an empty answer keeps the default."""
    from magik_core.config import from_text

    socs = ", ".join(plugins.load().socs)
    questions = {
        "SOC": f"SoC ({socs})",
        "INPUT_SHAPE": "Input shape in the model's own order of axes, e.g. 1,3,240,320",
        "COLOR": "Channel order the model wants (RGB, BGR, GRAY)",
        "MEAN": "Mean, one number or one per channel",
        "NORMAL": "Divisor, one number or one per channel",
        "QUANT_DATASET_PATH": "Calibration images (empty: none)",
    }
    out: dict[str, Any] = {}
    for key, question in questions.items():
        if values[key] in ("", []):
            answer = typer.prompt(question, default="", show_default=False, err=True)
            if answer.strip():
                out[key] = from_text(key, answer)
    return out
