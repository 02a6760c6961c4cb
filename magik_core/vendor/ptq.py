"""The JSON of `--ptq_config_path`: calibration data of the vendor's tool before it had config files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magik_core import config_text
from magik_core.config import Config
from magik_core.config_nested import unknown
from magik_core.errors import Problem, UsageError

KEYS: Mapping[str, str] = {
    "format": "COLOR",
    "path": "QUANT_DATASET_PATH",
    "used_image_num": "QUANT_DATASET_SIZE",
    "feature_quantize_method": "QUANT_FEATURE_METHOD",
    "weight_quantize_method": "QUANT_WEIGHT_METHOD",
}
SIZE = ("width", "height")


@dataclass(frozen=True)
class Data:
    """What the file says.

    Args: keys: of the config file; size: width and height of the pictures; channels: of their format.
    """

    keys: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    channels: int = 3


def check(flags: Mapping[str, str], path: str) -> None:
    """Raises: UsageError: it is asked for, and there is no path of data."""
    if flags.get("post_training_quantization", "false") != "false" and not path:
        need = "calibration data: path in the file of --ptq_config_path, or QUANT_DATASET_PATH in that of --config"
        raise UsageError("there is nothing to quantize with", where="--post_training_quantization", need=need)


def read(flags: Mapping[str, str]) -> Data:
    """The calibration that the flags ask for.

    Raises: UsageError: no file where one is asked for, or everything that is wrong in it.
    """
    if flags.get("post_training_quantization") == "false":
        return Data({"QUANT_DATASET_PATH": ""})
    if "ptq_config_path" not in flags:
        if "config" not in flags:
            check(flags, "")
        return Data()
    path = Path(flags["ptq_config_path"])
    values = config_text.read(path)
    problems = unknown(values, (*KEYS, *SIZE), str(path))
    keys = {KEYS[name]: value for name, value in values.items() if name in KEYS}
    said = Config()
    try:
        said = Config.parse(keys)
    except UsageError as error:
        names = {key: name for name, key in KEYS.items()}
        problems += [Problem(p.what, f"{path}: {names[p.where]}", p.found, p.need, p.hint) for p in error.problems]
    for name in SIZE:
        value = values.get(name, 1)
        if type(value) is not int or value < 1:
            found, need = config_text.show(value), "a whole number above 0"
            problems.append(Problem("wrong value of a config key", f"{path}: {name}", found, need))
    if problems:
        raise UsageError(problems=problems)
    size = (values["width"], values["height"]) if all(name in values for name in SIZE) else None
    return Data(keys, size, 1 if said.color[:1] == ("GRAY",) else 3)
