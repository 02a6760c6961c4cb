"""Read an HDF5 file in a process of its own, since its library crashes on damaged files.

    python hdf5_worker.py PATH   (or - for a file on stdin)

It stands alone in its folder, which is where Python looks for modules first.

Output: a line of JSON, {"attributes": {group: {name: text or texts}}, "arrays": [[path, dtype, shape]…]} or
{"problem": [what, found, need]}, then the bytes of the arrays.
"""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator
from typing import Any

WANTED = ("keras_version", "model_config", "layer_names", "weight_names", "backend")  # and numbered parts of them
SKIPPED = ("optimizer_weights", "optimizer", "_optimizer")
FILTERS = (1, 2, 3, 32000)  # deflate, shuffle, fletcher32, lzf
MAX_ITEMS, MAX_DEPTH = 1 << 17, 64
MAX_BYTES = (1 << 31) - 1  # of all arrays
MAX_RATIO = 1 << 10  # of an array to what is stored of it
MAX_TEXT = 64 << 20


class Refused(Exception):
    """What is wrong, what was found, what is needed."""


def main() -> None:
    import h5py  # type: ignore[import-untyped]

    source: Any = io.BytesIO(sys.stdin.buffer.read()) if sys.argv[1] == "-" else sys.argv[1]
    out = sys.stdout.buffer
    try:
        with h5py.File(source, "r") as file:
            attributes, found = _walk(file)
            arrays = [(name, data, str(data.dtype.newbyteorder("<"))) for name, data in found]
            heads = [[name, dtype, list(data.shape)] for name, data, dtype in arrays]
            text = json.dumps({"attributes": attributes, "arrays": heads})
            out.write(text.encode() + b"\n")
            for _, data, dtype in arrays:
                out.write(data[()].astype(dtype).tobytes())
    except Refused as refused:
        out.write(json.dumps({"problem": refused.args}).encode() + b"\n")
    except Exception as error:  # h5py raises what the C library said, in many kinds
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        out.write(json.dumps({"problem": ["the file is no HDF5, or a damaged one", said, ""]}).encode() + b"\n")


def _walk(file: Any) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """Texts that are attributes, by group, and the arrays."""
    import h5py

    attributes: dict[str, Any] = {}
    arrays: list[tuple[str, Any]] = []
    total = 0
    for count, (path, item) in enumerate(_items(file)):
        if count > MAX_ITEMS:
            raise Refused("the file has too many groups", f"more than {MAX_ITEMS}", "")
        if isinstance(item, h5py.Dataset):
            total += _check(path, item)
            if total > MAX_BYTES:
                raise Refused("the weights are too large", f"{total} bytes", f"at most {MAX_BYTES}")
            arrays.append((path, item))
        elif texts := dict(_texts(path, item)):
            attributes[path] = texts
    return attributes, arrays


def _items(file: Any) -> Iterator[tuple[str, Any]]:
    """Groups and datasets by path, parents first; links that lead elsewhere are refused."""
    import h5py

    waiting: list[tuple[str, Any, int]] = [("", file, 0)]
    seen = set()
    while waiting:
        path, item, depth = waiting.pop()
        yield path, item
        if not isinstance(item, h5py.Group):
            continue
        address = h5py.h5o.get_info(item.id).addr
        if address in seen or depth > MAX_DEPTH:
            raise Refused("the groups of the file are nested in a circle, or too deep", path, f"{MAX_DEPTH} at most")
        seen.add(address)
        for name in item:
            link = item.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise Refused("a link leads out of the model", f"{path}/{name}", "weights that lie in the file")
            if path or name not in SKIPPED:
                waiting.append((f"{path}/{name}" if path else name, item[name], depth + 1))


def _texts(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    import numpy as np

    for name in group.attrs:
        if name.rstrip("0123456789") not in WANTED:
            continue
        kind = group.attrs.get_id(name)
        if kind.shape is None or math.prod(kind.shape) * kind.dtype.itemsize > MAX_TEXT:
            raise Refused("an attribute is too large", f"{name} of {path or 'the file'}", f"at most {MAX_TEXT} bytes")
        value = group.attrs[name]
        if isinstance(value, np.ndarray):
            yield name, [_text(item) for item in value.reshape(-1).tolist()]
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check(path: str, data: Any) -> int:
    """The bytes that a dataset takes.

    Raises: Refused: it is no array of numbers, lies in other files, or says that it is larger than it can be.
    """
    if data.external is not None or data.is_virtual:
        raise Refused("weights lie in another file", path, "weights that lie in the file")
    if data.shape is None or data.dtype.kind not in "fiub" or data.dtype.fields or data.dtype.itemsize > 8:
        raise Refused("a weight is of a type that is not read", f"{path}: {data.dtype}", "numbers of 1 to 8 bytes")
    properties = data.id.get_create_plist()
    unknown = [f for f in (properties.get_filter(i)[0] for i in range(properties.get_nfilters())) if f not in FILTERS]
    if unknown:
        raise Refused("a weight is compressed in a way that is not read", f"{path}: filter {unknown[0]}", "gzip or lzf")
    size, stored = math.prod(data.shape) * data.dtype.itemsize, data.id.get_storage_size()
    if size > MAX_RATIO * stored:
        raise Refused("a weight is larger than what is stored of it", f"{path}: {size} of {stored} bytes", "")
    return int(size)


if __name__ == "__main__":
    main()
