"""What a command line of the vendor's tool asks for: its flags as keys of the config file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magik_core import config_text
from magik_core.config import Config, from_text
from magik_core.config_nested import FORMATS, format_problem, image_shape
from magik_core.errors import Problem, UsageError, short, together
from magik_core.vendor import ptq

MAX_SIZE = 2**31 - 1  # of an axis
SUFFIX = ".mk.h"  # that every output path has to have
FLAG_OF_KEY: Mapping[str, str] = {
    "SOC": "target_device",
    "INPUT": "input_nodes",
    "OUTPUT": "output_nodes",
    "MEAN": "mean",
    "NORMAL": "var",
}


@dataclass(frozen=True)
class Job:
    """One conversion.

    Args:
        output: as it was asked for, NAME.mk.h; keeps_model: write the PC's file too.
        image: height, width and channels of the input, where flags say them; they are in `config` too.
    """

    model: Path
    output: Path
    config: Config
    keeps_model: bool = False
    image: tuple[int, int, int] | None = None


def job(flags: Mapping[str, str]) -> Job:
    """The conversion that some flags ask for; they win over the config file.

    Raises: UsageError: everything that is missing or wrong, at once.
    """
    _, (config, image) = together(lambda: _check_paths(flags), lambda: _config(flags))
    keeps = flags.get("save_quantize_model") == "true"
    return Job(Path(flags["inputpath"]), Path(flags["outputpath"]), config, keeps, image)


def check(flags: Mapping[str, str]) -> None:
    """Look at the values of some flags, where others are wrong and no job can be made.

    Raises: UsageError: everything that is wrong, at once.
    """
    together(lambda: _source(flags), lambda: _values(flags), lambda: _sizes(flags))


def _check_paths(flags: Mapping[str, str]) -> None:
    problems = []
    for name, need in (("inputpath", "--inputpath MODEL"), ("outputpath", f"--outputpath NAME{SUFFIX}")):
        if name not in flags:
            problems.append(Problem(f"--{name} is missing", need=need))
    output = flags.get("outputpath", "")
    if output and (not output.endswith(SUFFIX) or Path(output).name == SUFFIX):
        what, need = "the output is not named as a header", f"a name that ends in {SUFFIX}"
        problems.append(Problem(what, "--outputpath", output, need))
    if "config" not in flags and "target_device" not in flags:
        need = "--config FILE or --target_device CHIP"
        problems.append(Problem("nothing says what to convert for", need=need))
    if problems:
        raise UsageError(problems=problems)


def _config(flags: Mapping[str, str]) -> tuple[Config, tuple[int, int, int] | None]:
    base, source, values, data, texts = together(
        lambda: Config.load(flags["config"]) if "config" in flags else Config(),
        lambda: _source(flags),
        lambda: _values(flags),
        lambda: ptq.read(flags),
        lambda: _sizes(flags),
    )
    image = _image(texts, data.size, data.channels)
    shape = {"INPUT_SHAPE": image_shape(1, *image, flags.get("framework", ""))} if image else {}
    said = {key: value for key, value in base.model_dump(by_alias=True).items() if value is not None}
    config = Config.parse({**said, **data.keys, **shape, **source, **values})
    together(lambda: _check_prepad(flags, config), lambda: ptq.check(flags, config.quant_dataset_path))
    return config, image


def _source(flags: Mapping[str, str]) -> dict[str, str]:
    """FRONTEND."""
    word = flags.get("framework", "")
    if word and word.lower() not in FORMATS:
        raise UsageError(problems=[format_problem("--framework", word)])
    return {"FRONTEND": FORMATS[word.lower()]} if word else {}


def _values(flags: Mapping[str, str]) -> dict[str, Any]:
    """Keys that one flag each stands for."""
    values = {key: from_text(key, flags[flag]) for key, flag in FLAG_OF_KEY.items() if flag in flags}
    try:
        Config.parse(values)
    except UsageError as error:
        what = "wrong value of an option"
        problems = [Problem(what, f"--{FLAG_OF_KEY[p.where]}", p.found, p.need) for p in error.problems]
        raise UsageError(problems=problems) from None
    return values


def _sizes(flags: Mapping[str, str]) -> dict[str, int]:
    """Of --img_width, --img_height and --img_channel those that are given."""
    texts = {name: flags[name] for name in ("img_width", "img_height", "img_channel") if name in flags}
    problems = [
        Problem("wrong value of an option", f"--{name}", short(text), f"a whole number above 0, up to {MAX_SIZE}")
        for name, text in texts.items()
        if not text.isdecimal() or len(text) > config_text.MAX_DIGITS or not 0 < int(text) <= MAX_SIZE
    ]
    if problems:
        raise UsageError(problems=problems)
    return {name: int(text) for name, text in texts.items()}


def _image(sizes: Mapping[str, int], of_data: tuple[int, int] | None, channels: int) -> tuple[int, int, int] | None:
    """Height, width and channels; without --img_width and --img_height those of the calibration pictures."""
    missing = [name for name in ("img_width", "img_height") if name not in sizes]
    if sizes and missing and (len(missing) == 1 or of_data is None):
        raise UsageError("the size of the input is not whole", need=" and ".join(f"--{n}" for n in missing))
    if missing and of_data is None:
        return None
    width, height = of_data if missing and of_data else (sizes["img_width"], sizes["img_height"])
    return height, width, sizes.get("img_channel", channels)


def _check_prepad(flags: Mapping[str, str], config: Config) -> None:
    """Raises: UsageError: borders of raw zeros, where these are not the zeros that the network pads with."""
    if flags.get("input_prepad") == "true" and any(value for row in config.mean for value in row):
        raise UsageError(
            "borders cannot be filled before the mean is subtracted",
            where="--input_prepad",
            found=f"true, with a mean of {config_text.show(config.mean)}",
            need="a mean of 0, for which both orders are the same",
            hint="--input_prepad false: borders are zeros after the mean is subtracted, as in training",
        )
