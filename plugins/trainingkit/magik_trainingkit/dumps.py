"""What layers compute in eval(), in folders that `magik compare` reads; environment variables ask for it.

docs/training.md, "Dumps", says what lies where.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from magik_core.dump_info import TENSORS, safe
from magik_core.numerics import dequantize
from magik_trainingkit.values import tensors

if TYPE_CHECKING:
    from magik_core.net import Net, Port

FOLDER = "magik_trainingkit_dump"  # by default
CODES, REALS, INPUTS, ALL = "ptq_model", "ptq_model_dequantize", "inputs", "intermediate"
Row = dict[str, object]

_ROWS: dict[Path, dict[str, Row]] = {}  # by folder and file, of this process


def is_asked(kind: str = "DUMP") -> bool:
    """Whether MAGIK_TRAININGKIT_DUMP or MAGIK_TRAININGKIT_DEVP_DUMP is set, and not to 0."""
    return os.environ.get(f"MAGIK_TRAININGKIT_{kind}", "0") not in ("", "0")


def layer(module: nn.Module, net: Net, feeds: Mapping[str, np.ndarray]) -> None:
    """Write what a layer's program reads, and its first output, as the board stores it."""
    if not is_asked():
        return
    name, port = _name(module), net.outputs[0]
    if port.quant is not None:  # others are part of a layer, or what the network gives
        codes = net.run_quantized(feeds)[port.name]
        _write(CODES, name, codes, _meaning(port))
        _write(REALS, name, dequantize(codes, port.quant).astype("<f4"), None)
    for i, (own, x) in enumerate(zip(net.inputs, feeds.values(), strict=True)):
        shape: Row = {"shape": list(own.board_shape), "axes": list(own.axes), "dtype": "f32"}
        _write(INPUTS, f"{name}_{i}", x.transpose(own.axes).astype("<f4"), shape)


def intermediate(module: nn.Module, given: tuple[Any, ...], result: Any) -> None:
    """Write the tensors that any layer of the kit was given and has made, as floats."""
    if not is_asked("DEVP_DUMP"):
        return
    named = {"": result, **{f"_in{i}": x for i, x in enumerate(given)}}
    for what, value in named.items():
        for i, tensor in enumerate(tensors(value)):
            array = tensor.detach().float().cpu().numpy()
            axes = (0, 2, 3, 1) if array.ndim == 4 else tuple(range(array.ndim))
            stored = array.transpose(axes)
            meaning: Row = {"shape": list(stored.shape), "axes": list(axes), "dtype": "f32"}
            _write(ALL, f"{_name(module)}{what}{i or ''}", stored.astype("<f4"), meaning)


def _name(module: nn.Module) -> str:
    """Of the layer in its network, which `check` has told it; else of its kind."""
    return str(getattr(module, "name", "")) or type(module).__name__


def _meaning(port: Port) -> Row:
    place: Row = {"shape": list(port.board_shape), "axes": list(port.axes), "dtype": port.dtype}
    return {**place, "scale": port.scale, "zero_point": port.zero_point, "bits": port.bits}


def _write(kind: str, name: str, array: np.ndarray, meaning: Row | None) -> None:
    """Write one file, and with a meaning its row in tensors.json: that of the folder, or of both folders of codes."""
    root = Path(os.environ.get("MAGIK_TRAININGKIT_PATH", "") or FOLDER)
    folder, file = root / kind, f"{safe(name)}.bin"
    place = root if kind in (CODES, REALS) else folder
    folder.mkdir(parents=True, exist_ok=True)
    if meaning is not None:
        rows = _rows(place, (CODES, REALS) if place is root else (".",))
        rows[file] = {"file": file, "layer": name, **meaning}
        (place / TENSORS).write_text(json.dumps([*rows.values()], indent=2) + "\n", encoding="utf-8")
    (folder / file).write_bytes(np.ascontiguousarray(array).tobytes())


def _rows(place: Path, folders: tuple[str, ...]) -> dict[str, Row]:
    """What this process has written there; what an earlier one has is taken away."""
    place = place.resolve()
    if place not in _ROWS:
        _ROWS[place] = {}
        listed = json.loads((place / TENSORS).read_text(encoding="utf-8")) if (place / TENSORS).exists() else []
        for file in (place / folder / Path(row["file"]).name for row in listed for folder in folders):
            file.unlink(missing_ok=True)
    return _ROWS[place]
