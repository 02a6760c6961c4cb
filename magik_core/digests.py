"""A CRC-32 of every step's outputs: what has to be the same wherever a model file runs."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magik_core.errors import LoadError

VERSION = 1  # of the stored form
MOST_BYTES = 1 << 30  # of all inputs in a file: a small one may unpack to anything
SUFFIX = ".digests.json"
BROKEN = (OverflowError, RecursionError, zlib.error, binascii.Error)  # what a damaged file raises, ours aside


@dataclass(frozen=True)
class Digest:
    """One step: its kernel, the kind of it that ran, CRC-32 of its outputs in eight hexadecimal digits."""

    kernel: str
    isa: str
    crc: str


@dataclass(frozen=True)
class Difference:
    """The first step at which a place computes something else.

    Args: sample: which input; step: -1 when the number of steps differs; name: of the source's node, or empty.
    """

    sample: int
    step: int
    name: str
    kernel: str
    isa: str
    found: str
    need: str

    def __str__(self) -> str:
        if self.step < 0:
            return f"input {self.sample}: {self.found} layers, not {self.need}"
        name = f" '{self.name}'" if self.name else ""
        kind = f" ({self.isa})" if self.isa else ""
        return (
            f"input {self.sample}: layer {self.step} {self.kernel}{name}{kind} differs: {self.found}, not {self.need}"
        )


@dataclass(frozen=True)
class Golden:
    """Digests that were stored, with the inputs that they belong to.

    Args:
        model: CRC-32 of the board's sections of the model file.
        shapes: of the inputs, stored order; empty for those of the file.
        inputs: per sample, the stored input tensors one after the other.
        digests: per sample, of every step.
    """

    model: str
    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[bytes, ...]
    digests: tuple[tuple[Digest, ...], ...]


def crc_of(outputs: Iterable[np.ndarray]) -> str:
    """The digest of a step, as runtime/tools/digest.c has it."""
    crc = 0
    for y in outputs:
        crc = (crc * 31 + zlib.crc32(np.ascontiguousarray(y).tobytes())) % 2**32
    return f"{crc:08x}"


def first_difference(
    found: Sequence[Sequence[Digest]], need: Sequence[Sequence[Digest]], names: Sequence[str] = ()
) -> Difference | None:
    """Where two places part, None where they agree.

    Args: found, need: per sample, of every step; names: of the steps.
    """
    for sample, (mine, theirs) in enumerate(zip(found, need, strict=True)):
        for step, (a, b) in enumerate(zip(mine, theirs, strict=False)):
            if (a.kernel, a.crc) != (b.kernel, b.crc):
                name = names[step] if step < len(names) else ""
                return Difference(sample, step, name, a.kernel, a.isa, a.crc, b.crc)
        if len(mine) != len(theirs):
            return Difference(sample, -1, "", "", "", str(len(mine)), str(len(theirs)))
    return None


# ---- the stored form --------------------------------------------------------------------------------------


def path_of(model: Path) -> Path:
    """Where the digests of a model file are stored: `model.digests.json` for `model.bin` and `model.mgk`."""
    return model.with_suffix(SUFFIX) if model.name else model / SUFFIX


def to_json(golden: Golden) -> str:
    """The same digests give the same text."""
    value = {
        "version": VERSION,
        "model": golden.model,
        "shapes": [list(shape) for shape in golden.shapes],
        "samples": [
            {
                "inputs": base64.b64encode(zlib.compress(data, 9)).decode(),
                "layers": [f"{d.kernel} {d.crc}" for d in digests],
            }
            for data, digests in zip(golden.inputs, golden.digests, strict=True)
        ],
    }
    return json.dumps(value, indent=1) + "\n"


def read(path: Path) -> Golden:
    """Digests that were stored.

    Raises: LoadError: the file cannot be read or is no such file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return _golden(value)
    except OSError as error:
        raise LoadError("stored digests cannot be read", where=str(path), found=error.strerror or str(error)) from error
    except (ValueError, LookupError, TypeError, AttributeError, *BROKEN) as error:
        found = f"{type(error).__name__}: {error}"
        hint = "magik verify --save makes it again"
        raise LoadError("these are no stored digests", where=str(path), found=found, hint=hint) from error


def _golden(value: Mapping[str, Any]) -> Golden:
    if value["version"] != VERSION:
        raise ValueError(f"version {value['version']} is not {VERSION}")
    samples = value["samples"]
    inputs, digests = [], []
    left = MOST_BYTES
    for item in samples:
        inputs.append(_unpacked(base64.b64decode(item["inputs"], validate=True), left))
        left -= len(inputs[-1])
        pairs = [str(line).split(" ") for line in item["layers"]]
        digests.append(tuple(Digest(kernel, "", crc) for kernel, crc in pairs))
    shapes = value["shapes"]
    return Golden(str(value["model"]), tuple(tuple(map(int, s)) for s in shapes), tuple(inputs), tuple(digests))


def _unpacked(data: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    out = unpacker.decompress(data, most + 1)
    if len(out) > most:
        raise ValueError(f"inputs of more than {MOST_BYTES} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("inputs are cut short, or something lies behind them")
    return out


def plain(difference: Difference | None) -> dict[str, object] | None:
    """A difference as JSON."""
    return None if difference is None else asdict(difference)
