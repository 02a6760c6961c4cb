"""The text of a config: JSON in a file, `KEY=VALUE` on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magik_core.errors import UsageError

TEXTS = (
    "SOC",
    "FRONTEND",
    "QUANT_DATASET_PATH",
    "QUANT_FEATURE_METHOD",
    "QUANT_WEIGHT_METHOD",
    "WEIGHT_CORRECT_PATH",
    "FEATURE_CORRECT_PATH",
)
NAMES = ("INPUT", "OUTPUT", "COLOR", "QUANT_NODE_SKIP", "QUANT_OP_SKIP")
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
    return json.dumps(value, default=str)


def read(path: Path) -> Mapping[str, Any]:
    """The keys and values of a config file.

    Raises: UsageError: it cannot be read, is not JSON, or has a key twice; says where.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError("cannot read the config file", where=str(path), found=error.strerror or "") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            "the config file is not text",
            where=str(path),
            found=f"byte {error.start} is not UTF-8",
            need="JSON in UTF-8",
        ) from None
    try:
        out = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        found = "".join(text.splitlines()[error.lineno - 1 : error.lineno]).strip() or "the end of the file"
        raise UsageError("the config file is not JSON", where=where, found=found, need=error.msg) from None
    except _Twice as error:
        raise UsageError("a config key is given twice", where=f"{path}: {error}", need="each key once") from None
    except RecursionError:
        raise UsageError("the config file is nested too deeply", where=str(path), need="a flat object") from None
    if not isinstance(out, dict):
        raise UsageError("the config file holds no keys", where=str(path), found=show(out)[:40], need="a JSON object")
    return out


class _Twice(Exception):
    """A key of a JSON object appears twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise _Twice(key)
        out[key] = value
    return out


def value(key: str, text: str) -> Any:
    """The JSON value that a command line's text stands for; what fits no form stays text."""
    text = text.strip()
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text  # the type check then names the key
    if key in NAMES:
        return [part.strip() for part in text.split(",") if part.strip()]
    if key in ("INPUT_SHAPE", "MEAN", "NORMAL"):
        rows = [[_number(part) for part in _cells(key, row)] for row in text.split(";") if row.strip()]
        return rows if len(rows) != 1 else rows[0]
    return text if key in TEXTS else _number(text)


def _cells(key: str, row: str) -> list[str]:
    return (row.lower().replace("x", ",") if key == "INPUT_SHAPE" else row).split(",")


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
