"""Read safetensors: a JSON header with dtype, shape and bounds of each tensor, then the bytes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeGuard

import torch

from magik_frontend_torch.archive import damaged

MOST_HEADER_BYTES = 16 << 20
METADATA = "__metadata__"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name.

    Raises: ModelError: the file is truncated, its header is damaged, or a dtype is unknown.
    """
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, MOST_HEADER_BYTES):
        raise damaged(path, f"a header of {length} bytes in a file of {len(data)}")
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error), "a JSON header") from None
    if not isinstance(header, dict):
        raise damaged(path, "a header that is no object")
    body = data[8 + length :]
    return {name: _tensor(path, name, entry, body) for name, entry in header.items() if name != METADATA}


def _tensor(path: Path, name: str, entry: Any, body: bytes) -> torch.Tensor:
    if not isinstance(entry, dict):
        raise damaged(path, f"{name}: {str(entry)[:80]}", "dtype, shape and data_offsets")
    kind, shape, bounds = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    dtype = DTYPES.get(kind) if isinstance(kind, str) else None
    if dtype is None or not _are_sizes(shape) or not _are_sizes(bounds) or len(bounds) != 2:
        raise damaged(path, f"{name}: {str(entry)[:80]}", f"a dtype of {', '.join(DTYPES)}, a shape and two bounds")
    begin, end = bounds
    size = math.prod(shape) * torch.empty(0, dtype=dtype).element_size()
    if not 0 <= begin <= end <= len(body) or end - begin != size:
        raise damaged(path, f"{name}: bytes {begin} to {end} of {len(body)} for {size}")
    if size == 0:
        return torch.zeros(shape, dtype=dtype)
    return torch.frombuffer(bytearray(body[begin:end]), dtype=dtype).reshape(shape)


def _are_sizes(found: Any) -> TypeGuard[list[int]]:
    return isinstance(found, list) and all(type(n) is int and n >= 0 for n in found)
