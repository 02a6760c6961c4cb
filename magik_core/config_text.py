"""The text of a config: JSON in a file, `KEY=VALUE` on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from magik_core import model_file
from magik_core.errors import ModelError, UsageError, short

MAX_BYTES = 16 << 20
MAX_DIGITS = 400  # of an integer: more than a float has, and fewer than int() refuses
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")  # also as other languages spell it: 255. and .5
CELLS = re.compile(r"\s*[,xX]\s*|\s+")  # between numbers
TEMPLATE: Mapping[str, Any] = {  # the keys and the order of the vendor's `--gen_config`
    "SOC": "",
    "INPUT": [],
    "INPUT_SHAPE": [],
    "MEAN": [],
    "NORMAL": [],
    "COLOR": [],
    "OUTPUT": [],
    "QUANT_DATASET_PATH": "./path/to/",
}


def dumps(values: Mapping[str, Any]) -> str:
    """A config file's text: one key a line, lists on one line."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def show(value: Any) -> str:
    """A value for a message."""
    try:
        return short(json.dumps(value, default=str))
    except (ValueError, RecursionError):  # an integer too long to spell, or a list in itself
        return f"a value of type {type(value).__name__}"


def read(path: Path) -> Mapping[str, Any]:
    """The keys and values of a config file.

    Raises: UsageError: it cannot be read, is not JSON, or has a key twice; says where.
    """
    try:
        text = model_file.read_bytes(path, MAX_BYTES, what="the config file").decode("utf-8-sig")
    except ModelError as error:
        (p,) = error.problems
        raise UsageError("cannot read the config file", where=p.where, found=p.found, need=p.need) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            "the config file is not text",
            where=str(path),
            found=f"byte {error.start} is not UTF-8",
            need="JSON in UTF-8",
        ) from None
    try:
        out = json.loads(text, object_pairs_hook=_once, parse_int=_integer)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        found = "".join(text.splitlines()[error.lineno - 1 : error.lineno]).strip() or "the end of the file"
        raise UsageError("the config file is not JSON", where=where, found=found, need=error.msg) from None
    except _Twice as error:
        raise UsageError("a config key is given twice", where=f"{path}: {error}", need="each key once") from None
    except _Long as error:
        found, need = f"{len(str(error))} digits: {short(error, 40)}", f"at most {MAX_DIGITS} digits"
        raise UsageError("a number in the config file is too long", where=str(path), found=found, need=need) from None
    except RecursionError:
        raise UsageError("the config file is nested too deeply", where=str(path), need="a flat object") from None
    if not isinstance(out, dict):
        raise UsageError("the config file holds no keys", where=str(path), found=show(out)[:40], need="a JSON object")
    return out


class _Twice(Exception):
    """A key of a JSON object appears twice."""


class _Long(ValueError):
    """An integer has too many digits."""


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _Long(text)
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise _Twice(key)
        out[key] = value
    return out


def value(text: str, kind: object = None) -> Any:
    """The JSON value that a command line's text stands for; what fits no form stays text.

    Args: kind: the type that is wanted: str, a tuple of it, or a tuple of tuples of numbers; others are JSON.
    """
    text = text.strip()
    if kind is str:
        return text
    if text.startswith(("[", "{")):
        return _json(text)
    if kind == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    if get_origin(kind) is tuple:
        rows = [[_json(part) for part in CELLS.split(row.strip())] for row in text.split(";") if row.strip()]
        return rows if len(rows) != 1 else rows[0]
    return _json(text)


def _json(text: str) -> Any:
    """A JSON value, or the text that is none: the type check then names the key."""
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError):
        return float(text) if NUMBER.fullmatch(text) and len(text) <= MAX_DIGITS else text
