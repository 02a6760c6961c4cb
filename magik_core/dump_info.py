"""What lies beside dumps and says what they are: model_node_info.json and tensors.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from magik_core.errors import DataError, short
from magik_core.layout import Axes
from magik_core.program import DTYPES, QuantParams, Shape, Tensor

NODES, TENSORS = "model_node_info.json", "tensors.json"
MOST_NAME = 200  # characters of a file's stem
MOST_NUMBER = 1e30  # of a scale or a zero point

T = TypeVar("T")


def safe(name: str) -> str:
    """A name as a file has it: "/" is written "_", and so is what some systems do not allow."""
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name)[:MOST_NAME]


def nodes(folder: Path) -> tuple[str, ...]:
    """Names in model_node_info.json, in the folder or above it, as files have them; empty without it.

    Raises: DataError: it is there and is something else.
    """

    def read(value: Any) -> tuple[str, ...]:
        kinds = _list(_object(value, "the file").get("all_type"), "all_type")
        named = (_list(value.get(_text(kind, "an operator"), []), f"the names of {kind}") for kind in kinds)
        return tuple(safe(_text(name, "a name")) for names in named for name in names)

    return _read(folder, NODES, '{"all_type": [...], "<operator>": [names]}', read) or ()


def tensors(folder: Path) -> dict[str, Tensor]:
    """Per file name, in the network's order, what tensors.json says of it; empty without it.

    Raises: DataError: it is there and is something else.
    """

    def read(value: Any) -> dict[str, Tensor]:
        rows = (_object(one, "an entry") for one in _list(value, "the file"))
        return {_text(one.get("file"), "file"): _tensor(one) for one in rows}

    need = '[{"file": "NAME.bin", "layer": NAME, "shape": [...], "dtype": "u8", ...}]'
    return _read(folder, TENSORS, need, read) or {}


def stored_order(path: Path) -> tuple[Shape, Axes] | None:
    """Stored shape and axis order of an input that magik dumped, of the tensors.json beside it; None of other files.

    Raises: DataError: that is there and is something else.
    """

    def read(value: Any) -> tuple[Shape, Axes] | None:
        file = path.name.replace("_uint8.bin", ".bin")  # the same input in bytes
        rows = (_object(one, "an entry") for one in _list(value, "the file"))
        row = next((one for one in rows if one.get("file") == file and "axes" in one), None)
        if row is None:
            return None
        axes, shape = tuple(_list(row["axes"], "axes")), _tensor(row).shape
        if not all(type(axis) is int for axis in axes) or sorted(axes) != list(range(len(shape))):
            raise ValueError(f"axes is {_shown(row['axes'])}")
        return shape, axes

    need = '[{"file": "input.bin", "layer": NAME, "shape": [1, 4, 4, 3], "axes": [0, 2, 3, 1], "dtype": "u8", ...}]'
    return _read(path.parent, TENSORS, need, read) if (path.parent / TENSORS).is_file() else None


def _tensor(one: Mapping[str, Any]) -> Tensor:
    """Raises: ValueError: says what is there instead."""
    shape, dtype = _list(one.get("shape"), "shape"), one.get("dtype")
    if not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"shape is {_shown(shape)}")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"dtype is {_shown(dtype)}")
    quant = None
    if "scale" in one:
        scale, zero_point = (_number(one.get(key), key) for key in ("scale", "zero_point"))
        if type(bits := one.get("bits")) is not int:
            raise ValueError(f"bits is {_shown(bits)}")
        quant = QuantParams(scale, zero_point, bits)
    return Tensor(_text(one.get("layer"), "layer"), dtype, tuple(shape), quant)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_shown(value)}, no object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is {_shown(value)}, no list")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is {_shown(value)}, no text")
    return value


def _number(value: Any, what: str) -> float:
    if type(value) not in (int, float) or not abs(value) < MOST_NUMBER:
        raise ValueError(f"{what} is {_shown(value)}, no number")
    return float(value)


def _shown(value: Any) -> str:
    """As JSON has it, the beginning of it; what is not there is missing."""
    return "missing" if value is None else short(json.dumps(value), 60)


def _read(folder: Path, name: str, need: str, make: Callable[[Any], T]) -> T | None:
    path = next((p for p in (folder / name, folder.parent / name) if p.is_file()), None)
    if path is None:
        return None
    try:
        return make(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        found = error.strerror or str(error)
    except UnicodeDecodeError as error:
        found = f"no UTF-8: {error.reason} at byte {error.start}"
    except json.JSONDecodeError as error:
        found = f"no JSON: {error}"
    except RecursionError:
        found = "JSON that is nested too deep"
    except ValueError as error:
        found = str(error)
    raise DataError("the description of dumps cannot be read", where=str(path), found=found, need=need)
