"""What an HDF5 file holds, as plain values; process/hdf5_worker.py reads it."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magik_core.errors import ModelError

SECONDS = 60.0  # a gigabyte takes two
MAX_MEMORY = 16 << 30  # address space of the worker
WORKER = Path(__file__).parent / "process" / "hdf5_worker.py"


@dataclass(frozen=True)
class Contents:
    """Attributes that are text, by group ("" is the file) and name, and arrays by path."""

    attributes: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, np.ndarray]

    def text(self, group: str, name: str) -> str:
        found = self.attributes.get(group, {}).get(name, "")
        return found if isinstance(found, str) else ""

    def texts(self, group: str, name: str) -> list[str] | None:
        """A list of texts, which Keras splits into numbered parts where it is long; None where there is none."""
        held = self.attributes.get(group, {})
        if name in held:
            parts = [held[name]]
        else:
            parts = []
            while f"{name}{len(parts)}" in held:
                parts.append(held[f"{name}{len(parts)}"])
        if not parts:
            return None
        return [str(item) for part in parts for item in (part if isinstance(part, list) else [part])]


def read(source: Path | bytes, where: str) -> Contents:
    """Read a file, or its bytes.

    Raises: ModelError: it is damaged, or what it holds cannot be taken.
    """
    if importlib.util.find_spec("h5py") is None:
        raise ModelError("h5py is not installed, which reads Keras files", where=where, hint="pip install h5py")
    name = "-" if isinstance(source, bytes) else str(source.resolve())
    try:
        done = subprocess.run(
            [sys.executable, str(WORKER), name],
            input=source if isinstance(source, bytes) else b"",
            capture_output=True,
            timeout=SECONDS,
            check=False,
            preexec_fn=_limit if sys.platform != "win32" else None,
        )
    except subprocess.TimeoutExpired:
        found, need = f"no end after {SECONDS:g} seconds", "a sound HDF5 file"
        raise ModelError("the file is no HDF5, or a damaged one", where=where, found=found, need=need) from None
    head, _, body = done.stdout.partition(b"\n")
    if done.returncode != 0 or not head:
        found = f"the HDF5 library ended with status {done.returncode}"
        raise ModelError("the file is no HDF5, or a damaged one", where=where, found=found, need="a sound HDF5 file")
    said = json.loads(head)
    if "problem" in said:
        what, found, need = said["problem"]
        raise ModelError(what, where=where, found=found, need=need)
    return Contents(said["attributes"], _arrays(said["arrays"], body, where))


def _limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _arrays(heads: list[Any], body: bytes, where: str) -> dict[str, np.ndarray]:
    out, at = {}, 0
    for path, dtype, shape in heads:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > len(body) - at:
            found = f"{len(body) - at} bytes left for {path}"
            raise ModelError("the file is no HDF5, or a damaged one", where=where, found=found, need=f"{size} bytes")
        out[path] = np.frombuffer(body, dtype, math.prod(shape), at).reshape(shape)
        at += size
    return out
