"""Read a Keras model, from a file of any kind or from memory, into plain values. No code of it is run."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magik_core import asked, model_file
from magik_core.errors import ModelError, short
from magik_frontend_tf.keras_files import HDF5, config, hdf5, weights
from magik_frontend_tf.keras_files.hdf5 import Contents
from magik_frontend_tf.keras_files.source import Source

MAX_BYTES = (1 << 31) - 1  # of a file
MAX_JSON_BYTES = 64 << 20
MAX_RATIO = 1 << 10  # of a part of an archive to its compressed size
WEIGHTS = "model.weights.h5"


def read(model: Any, options: Mapping[str, Any]) -> Source:
    """The layers and weights of a model.

    Args:   model: a path, or a Keras model; options: `architecture` of a file with weights only.
    Raises: ModelError: it cannot be read.
    """
    if not isinstance(model, (str, Path)):
        return _object(model)
    path = Path(model)
    head = _head(path)
    return _groups(path, options) if head.startswith(HDF5) else _archive(path)


def _head(path: Path) -> bytes:
    model_file.check_file(path, "a Keras file")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise model_file.unreadable(path, error) from None
    if size > MAX_BYTES:
        need = f"at most {MAX_BYTES} bytes"
        raise ModelError("the model is too large", where=str(path), found=f"{size} bytes", need=need)
    return head


# ---- .keras ------------------------------------------------------------------------------------------------


def _archive(path: Path) -> Source:
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            text = _member(archive, "config.json", MAX_JSON_BYTES, path)
            meta = _member(archive, "metadata.json", MAX_JSON_BYTES, path)
            data = _member(archive, WEIGHTS, MAX_BYTES, path)
    except ModelError:
        raise
    except Exception as error:  # a damaged archive: zipfile and zlib raise many kinds
        found = short(f"{type(error).__name__}: {error}")
        raise ModelError("the file is no Keras archive, or a damaged one", where=where, found=found) from None
    model, _ = config.parse(text, f"config.json of {path.name}")
    source = Source(model, path.name, path.stem, _version(meta))
    weights.from_archive(source.model, hdf5.read(data, f"{WEIGHTS} of {path.name}"))
    weights.share(source.model, source.version)
    return source


def _member(archive: zipfile.ZipFile, name: str, most: int, path: Path) -> bytes:
    """A part of an archive, never more than `most` bytes of it."""
    if name not in archive.namelist():
        hint = "save the model in one file, model.save('model.keras')" if name == WEIGHTS else ""
        what = "a part of the Keras archive is missing"
        raise ModelError(what, where=str(path), found=short(", ".join(archive.namelist()[:8])), need=name, hint=hint)
    info = archive.getinfo(name)
    if info.file_size > min(most, MAX_RATIO * info.compress_size):
        found, need = f"{name}: {info.file_size} of {info.compress_size} bytes", f"at most {most} bytes"
        raise ModelError("a part of the Keras archive is too large", where=str(path), found=found, need=need)
    with archive.open(info) as file:
        return file.read(info.file_size)


def _version(text: str | bytes, default: int = 3) -> int:
    try:
        said = json.loads(text).get("keras_version") if isinstance(text, bytes) else text
        return int(str(said).partition(".")[0])
    except (ValueError, AttributeError, RecursionError):
        return default


# ---- .h5 ---------------------------------------------------------------------------------------------------


def _groups(path: Path, options: Mapping[str, Any]) -> Source:
    held = hdf5.read(path, str(path))
    text, group = held.text("", "model_config"), "model_weights"
    if not text:
        group = ""
        text = _architecture(held, path, options)
    elif options.get("architecture"):
        asked.check_options(options, (), "a file with an architecture of its own", str(path))
    model, data = config.parse(text, path.name)
    said = held.text(group, "keras_version") or held.text("", "keras_version") or str(data.get("keras_version", ""))
    source = Source(model, path.name, path.stem, _version(said, 3 if "module" in data else 2))
    if not group and "layers" in {name.partition("/")[0] for name in held.arrays}:
        weights.from_archive(model, held)  # model.weights.h5 of Keras 3
        weights.share(model, source.version)
    else:
        weights.from_groups(source, held, group)
    return source


def _architecture(held: Contents, path: Path, options: Mapping[str, Any]) -> str:
    """The JSON that the options give for a file of weights."""
    given = options.get("architecture")
    if isinstance(given, Mapping):
        return json.dumps(given)
    if given:
        return given if str(given).lstrip().startswith("{") else _text(Path(str(given)))
    names = held.texts("", "layer_names")
    is_keras = names is not None or any("/vars/" in name for name in held.arrays)
    if not is_keras:
        found = f"groups: {', '.join(sorted({n.partition('/')[0] for n in held.arrays})[:8]) or 'none'}"
        raise ModelError("the HDF5 file is no Keras model", where=str(path), found=found, need="model_config")
    raise ModelError(
        "the Keras file holds weights only, no layers",
        where=str(path),
        found=", ".join((names or sorted({n.partition("/vars/")[0] for n in held.arrays}))[:8]),
        need="a file of model.save(), or the layers beside it",
        hint="--frontend-option architecture=model.json, the file that model.to_json() gives",
    )


def _text(path: Path) -> str:
    need, what = "the JSON that model.to_json() gives, or a file of it", "the architecture"
    try:
        return model_file.read_bytes(path, MAX_JSON_BYTES, need, what).decode()
    except UnicodeDecodeError as error:
        raise ModelError("the architecture cannot be read", where=str(path), found=short(error), need=need) from None


# ---- memory ------------------------------------------------------------------------------------------------


def _object(model: Any) -> Source:
    """A Keras model that the caller built; only its public methods are used."""
    kind = type(model).__name__
    try:
        text = model.to_json()
    except Exception as error:  # a layer of the user's without get_config, a model that is not built
        found, need = short(f"{type(error).__name__}: {error}"), "a Sequential or Functional model that is built"
        raise ModelError("the model cannot say what its layers are", where=kind, found=found, need=need) from None
    parsed, _ = config.parse(text, f"{kind} '{model.name}'")
    roots = (one.__module__.partition(".")[0] for one in type(model).__mro__)
    version = next((sys.modules[n].__version__ for n in roots if n in ("keras", "tf_keras") and n in sys.modules), "3")
    source = Source(parsed, f"{kind} '{model.name}'", str(model.name), _version(str(version)))
    try:
        weights.from_object(parsed, model)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError("the weights of the model cannot be read", where=kind, found=found) from None
    return source
