"""What lies beside dumps and says what they are: model_node_info.json and tensors.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from magik_core.errors import DataError
from magik_core.program import DTYPES, QuantParams, Tensor

NODES, TENSORS = "model_node_info.json", "tensors.json"
MOST_NAME = 200  # characters of a file's stem

T = TypeVar("T")


def safe(name: str) -> str:
    """A name as a file has it: "/" is written "_", and so is what some systems do not allow."""
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", name)[:MOST_NAME]


def nodes(folder: Path) -> tuple[str, ...]:
    """Names in model_node_info.json, in the folder or above it, as files have them; empty without it.

    Raises: DataError: it is there and is something else.
    """

    def read(value: Any) -> tuple[str, ...]:
        return tuple(safe(str(name)) for kind in value["all_type"] for name in value.get(kind, ()))

    return _read(folder, NODES, '{"all_type": [...], "<operator>": [names]}', read) or ()


def tensors(folder: Path) -> dict[str, Tensor]:
    """Per file name, in the network's order, what tensors.json says of it; empty without it.

    Raises: DataError: it is there and is something else.
    """

    def read(value: Any) -> dict[str, Tensor]:
        return {str(one["file"]): _tensor(one) for one in value}

    need = '[{"file": "NAME.bin", "layer": NAME, "shape": [...], "dtype": "u8", ...}]'
    return _read(folder, TENSORS, need, read) or {}


def _tensor(one: Any) -> Tensor:
    shape = tuple(one["shape"])
    if one["dtype"] not in DTYPES or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"{one['dtype']} {shape}")
    quant = None
    if "scale" in one:
        quant = QuantParams(float(one["scale"]), float(one["zero_point"]), int(one["bits"]))
    return Tensor(str(one["layer"]), str(one["dtype"]), shape, quant)


def _read(folder: Path, name: str, need: str, make: Callable[[Any], T]) -> T | None:
    path = next((p for p in (folder / name, folder.parent / name) if p.is_file()), None)
    if path is None:
        return None
    try:
        return make(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"
        raise DataError("the description of dumps cannot be read", where=str(path), found=found, need=need) from error
