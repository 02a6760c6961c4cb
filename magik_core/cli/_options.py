"""Options that several commands share, and the config that they make."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magik_core.errors import Problem, UsageError

if TYPE_CHECKING:
    from magik_core.config import Config

KEYS = "Config keys"
MAX_NUMBER = 2.0**63 - 1024  # what fits an int64 and a float


def _key(*names: str, key: str, say: str, metavar: str) -> object:
    return typer.Option(*names, help=f"{say} [{key}]", metavar=metavar, rich_help_panel=KEYS)


def key_of(say: str | None) -> str:
    """The config key that an option's help ends with; empty where it has none."""
    found = re.search(r"\[([A-Z_]+)\]$", say or "")
    return found[1] if found else ""


Model = Annotated[Path, typer.Argument(help="The model to read.", metavar="MODEL")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, to stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what each pass did, or why it declined.")]
Frontend = Annotated[
    str | None,
    _key("--frontend", key="FRONTEND", say="Read the model with this frontend, do not guess.", metavar="NAME"),
]
FrontendOptions = Annotated[
    list[str] | None,
    _key(
        "--frontend-option",
        key="FRONTEND_OPTIONS",
        say="Give the frontend an option; repeatable.",
        metavar="NAME=VALUE",
    ),
]
Factory = Annotated[
    str | None,
    typer.Option("--model", help="The function that makes the network a file has only the weights of. It is run.",
                 metavar="PACKAGE.MODULE:FUNCTION"),
]  # fmt: skip
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Unpickle a checkpoint: that runs whatever code is in it.")
]
Threads = Annotated[int, typer.Option(min=1, max=256, help="Threads; the result is the same for any number.")]
SomeThreads = Annotated[
    int | None,
    typer.Option(
        min=1, max=256, help="Threads, by default one per CPU, at most 4; the result is the same for any number."
    ),
]
ImageColor = Annotated[
    str | None,
    typer.Option("--color", help="Channel order to load images in; the model's by default.", metavar="RGB|BGR|GRAY"),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="Config file (JSON).", metavar="FILE")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set any config key; wins over --config.", metavar="KEY=VALUE", rich_help_panel=KEYS),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--constant", help="Put a number or a JSON list in the place of an input; repeatable.", metavar="NAME=VALUE"
    ),
]
States = Annotated[
    list[str] | None,
    _key("--state", key="STATES", say="Carry an output to an input of the next run; repeatable.", metavar="IN=OUT"),
]
Soc = Annotated[str | None, _key("--soc", key="SOC", say="The chip; without it, this computer.", metavar="NAME")]
Inputs = Annotated[str | None, _key("--inputs", key="INPUT", say="Begin at these tensors.", metavar="A,B")]
Outputs = Annotated[str | None, _key("--outputs", key="OUTPUT", say="End at these tensors.", metavar="A,B")]
Shape = Annotated[
    str | None,
    _key(
        "--input-shape",
        key="INPUT_SHAPE",
        say="Sizes in the model's own order of axes, 1,3,H,W or 1,H,W,3; one per input, separated by ';'.",
        metavar="N,N,…",
    ),
]
Mean = Annotated[str | None, _key("--mean", key="MEAN", say="Subtracted, per channel.", metavar="M,M,M")]
Normal = Annotated[str | None, _key("--normal", key="NORMAL", say="Divided by, per channel.", metavar="N,N,N")]
Color = Annotated[
    str | None, _key("--color", key="COLOR", say="Channel order the model wants.", metavar="RGB|BGR|GRAY")
]
Calib = Annotated[str | None, _key("--calib", key="QUANT_DATASET_PATH", say="Calibration data.", metavar="PATH")]
CalibSize = Annotated[
    str | None, _key("--calib-size", key="QUANT_DATASET_SIZE", say="Samples of it to use.", metavar="N")
]
FeatureMethod = Annotated[
    str | None,
    _key("--feature-method", key="QUANT_FEATURE_METHOD", say="Range estimator of activations.", metavar="NAME"),
]
WeightMethod = Annotated[
    str | None,
    _key("--weight-method", key="QUANT_WEIGHT_METHOD", say="Scale estimator of weights.", metavar="NAME"),
]
FeatureBits = Annotated[
    str | None, _key("--feature-bits", key="QUANT_FEATURE_BIT", say="Bits of activations.", metavar="8|10|…|16|32")
]
WeightBits = Annotated[
    str | None, _key("--weight-bits", key="QUANT_WEIGHT_BIT", say="Bits of weights.", metavar="2|4|8|16|32")
]
SkipNodes = Annotated[
    str | None, _key("--skip-nodes", key="QUANT_NODE_SKIP", say="Nodes that stay in f32.", metavar="A,B")
]
SkipOps = Annotated[
    str | None, _key("--skip-ops", key="QUANT_OP_SKIP", say="Operator types that stay in f32.", metavar="A,B")
]

Html = Annotated[str | None, typer.Option("--html", help="Also write a page with charts to this file.", metavar="FILE")]


def page(html: str | None, *reads: Path | None) -> Path | None:
    """The file of `--html`, before anything is done for it.

    Args:   reads: what the command reads.
    Raises: UsageError: it is empty. PackError: it cannot be made, or is read.
    """
    from magik_core import files

    if html == "":
        raise UsageError("--html wants a file", where="--html", found="an empty name", need="FILE")
    if html is not None:
        files.check_outputs([Path(html)], reads=reads)
    return None if html is None else Path(html)


def config(path: Path | None, sets: list[str] | None, states: list[str] | None = None, **options: str | None) -> Config:
    """The config of a command line: the file, then `--set`, then the dedicated options.

    Args: states: of `--state`; options: config keys, in upper case, with the option's text or None.
    """
    from magik_core.config import Config

    base = Config() if path is None else Config.load(path)
    texts, problems = {}, []
    for item in sets or ():
        key, equals, value = item.partition("=")
        if equals:
            texts[key.strip()] = value
        else:
            problems.append(Problem("--set wants a key and a value", "--set", item, "KEY=VALUE"))
    if problems:
        raise UsageError(problems=problems)
    texts |= {key: text for key, text in options.items() if text is not None}
    base = base.with_overrides(texts) if texts else base
    return _with_states(base, states) if states else base


def with_frontend_options(config: Config, items: list[str] | None, factory: str | None, allows_pickle: bool) -> Config:
    """The config with `--frontend-option NAME=VALUE`, `--model` and `--allow-pickle` in FRONTEND_OPTIONS.

    Raises: UsageError: everything that is no name and value, at once.
    """
    options, problems = dict(config.frontend_options), []
    for item in items or ():
        name, equals, text = item.partition("=")
        if not equals or not name.strip():
            problems.append(
                Problem("--frontend-option wants a name and a value", "--frontend-option", item, "NAME=VALUE")
            )
            continue
        try:
            options[name.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            options[name.strip()] = text
    if problems:
        raise UsageError(problems=problems)
    options |= {"model": factory} if factory else {}
    options |= {"allow_pickle": True} if allows_pickle else {}
    return config.model_copy(update={"frontend_options": options})


def _with_states(config: Config, items: list[str]) -> Config:
    """The config with `--state IN=OUT` in STATES.

    Raises: UsageError: everything that is no two names, and inputs that are named twice, at once.
    """
    states, problems = dict(config.states), []
    given: set[str] = set()
    for item in items:
        before, _, after = (part.strip() for part in item.partition("="))
        if not before or not after:
            problems.append(Problem("--state wants an input and an output", "--state", item, "IN=OUT"))
        elif before in given:
            problems.append(Problem("a state is given twice", "--state", item, "one output for each input"))
        given.add(before)
        states[before] = after
    if problems:
        raise UsageError(problems=problems)
    return config.model_copy(update={"states": states})


def constants(items: list[str] | None) -> dict[str, Any]:
    """Arrays by input name, of `--constant NAME=VALUE`.

    Raises: UsageError: everything that is no name and number, at once.
    """
    out, problems = {}, []
    for item in items or ():
        name, _, text = item.partition("=")
        try:
            value = json.loads(text)
            _numbers(value)
        except (ValueError, RecursionError):
            need = "NAME=VALUE, a number or a JSON list of numbers"
            problems.append(Problem("--constant wants an input and a number", "--constant", item, need))
        else:
            if name in out:
                problems.append(Problem("a constant is given twice", "--constant", item))
            out[name] = value
    if problems:
        raise UsageError(problems=problems)
    return out


def _numbers(value: object) -> object:
    """Raises: ValueError: `value` is no number and no even list of them. Returns its shape."""
    if isinstance(value, list):
        shapes = [_numbers(item) for item in value]
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError("ragged")
        return (len(value), *shapes[:1])
    if not isinstance(value, (bool, int, float)) or value != value or abs(value) > MAX_NUMBER:
        raise ValueError("not a number")
    return ()
