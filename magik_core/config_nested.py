"""The nested form of a config file: ARCH, MODEL and EXTRA, as the keys of the flat form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from magik_core.config_text import show
from magik_core.errors import Problem
from magik_core.missing import hint

# FORMAT of a config and --framework of a command line, and the frontend that reads it; empty: the one that knows
# the file, because files of these frameworks may as well have come through ONNX.
FORMATS: Mapping[str, str] = {
    "onnx": "onnx",
    "tensorflow": "tf",
    "tf": "tf",
    "tflite": "tf",
    "keras": "tf",
    "caffe": "caffe",
    "mxnet": "",
    "pytorch": "",
    "torch": "",
}
CHANNELS_LAST = frozenset(name for name, frontend in FORMATS.items() if frontend == "tf")
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "ARCH": ("SOC", "oramSize", "wramSize", "framSize"),
    "MODEL": ("FORMAT", "INPUT", "OUTPUT"),
    "EXTRA": ("BIZ_CODE", "VERBOSE"),
}
SIZES = ("BATCH", "HEIGHT", "WIDTH", "CHANNEL")
DEFAULTS: Mapping[str, Any] = {"COLOR": "", "MEAN": [], "NORMAL": []}  # of an input that does not say
INPUT_KEYS = ("NAME", *SIZES, *DEFAULTS)


def flatten(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The flat keys that a config's sections stand for, beside those that it has outside of them.

    Returns: keys and values, as a flat config has them, and what is wrong with the sections.
    """
    flat = {key: value for key, value in values.items() if key not in SECTIONS}
    sections = {name: values[name] for name in SECTIONS if name in values}
    problems = [p for name, section in sections.items() for p in _section_problems(name, section)]
    if problems:
        return flat, problems
    model = sections.get("MODEL", {})
    found = dict(_inputs(model.get("INPUT", []), _word(model)))
    found |= {"SOC": sections["ARCH"]["SOC"]} if "SOC" in sections.get("ARCH", {}) else {}
    found |= {"OUTPUT": model["OUTPUT"]} if "OUTPUT" in model else {}
    found |= {"FRONTEND": FORMATS[_word(model)]} if "FORMAT" in model else {}
    twice = [
        Problem("a config key is given twice", key, need="inside the sections or outside of them")
        for key in found
        if key in flat
    ]
    return {**found, **flat}, twice


def image_shape(batch: int, height: int, width: int, channel: int, source: str) -> list[int]:
    """INPUT_SHAPE of an image, in the axis order that models of a format have."""
    return [batch, height, width, channel] if source.lower() in CHANNELS_LAST else [batch, channel, height, width]


def _word(model: Mapping[str, Any]) -> str:
    return str(model.get("FORMAT", "")).lower()


def _inputs(inputs: list[Mapping[str, Any]], source: str) -> Iterable[tuple[str, Any]]:
    """Keys of the inputs; a key that no input has stays out."""
    if any("NAME" in one for one in inputs):
        yield "INPUT", [one["NAME"] for one in inputs]
    if any("WIDTH" in one for one in inputs):
        yield "INPUT_SHAPE", [image_shape(*_sizes(one), source) if "WIDTH" in one else [] for one in inputs]
    for key, default in DEFAULTS.items():
        if any(key in one for one in inputs):
            said = [one.get(key, default) for one in inputs]
            yield key, [_color(c, one) for c, one in zip(said, inputs, strict=True)] if key == "COLOR" else said


def _color(color: Any, one: Mapping[str, Any]) -> Any:
    return color or ("GRAY" if one.get("CHANNEL") == 1 else "RGB")


def _sizes(one: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return one.get("BATCH", 1), one["HEIGHT"], one["WIDTH"], one["CHANNEL"]


def _section_problems(name: str, section: Any) -> list[Problem]:
    if not isinstance(section, Mapping):
        return [Problem("wrong value of a config key", name, show(section), "an object")]
    problems = unknown(section, SECTIONS[name], name)
    inputs = section.get("INPUT", []) if name == "MODEL" else []
    if not isinstance(inputs, list):
        problems.append(_wrong("MODEL.INPUT", inputs, "a list of objects, one for each input"))
        inputs = []
    if "FORMAT" in section and _word(section) not in FORMATS and name == "MODEL":
        problems.append(format_problem("MODEL.FORMAT", section["FORMAT"]))
    for i, one in enumerate(inputs):
        problems += _input_problems(f"MODEL.INPUT[{i}]", one)
    if all(isinstance(one, Mapping) for one in inputs):
        problems += _uneven(inputs)
    return problems


def _input_problems(where: str, one: Any) -> list[Problem]:
    if not isinstance(one, Mapping):
        return [_wrong(where, one, "an object")]
    problems = unknown(one, INPUT_KEYS, where)
    for key in SIZES:
        value = one.get(key, 1)
        if type(value) is not int or value < 1:
            problems.append(_wrong(f"{where}.{key}", value, "a whole number above 0"))
    checks: Mapping[str, Callable[[Any], bool]] = {
        "NAME": lambda v: isinstance(v, str),
        "COLOR": lambda v: isinstance(v, str),
        "MEAN": _is_list,
        "NORMAL": _is_list,
    }
    for key, is_right in checks.items():
        if key in one and not is_right(one[key]):
            need = "text" if key in ("NAME", "COLOR") else "a list with a number for each channel"
            problems.append(_wrong(f"{where}.{key}", one[key], need))
    missing = [key for key in ("WIDTH", "HEIGHT", "CHANNEL") if key not in one]
    if len(missing) in (1, 2):
        problems.append(Problem("an input has no whole size", where, f"no {' and no '.join(missing)}"))
    return problems


def _uneven(inputs: list[Mapping[str, Any]]) -> list[Problem]:
    """INPUT goes by the place in the list: all inputs have names, or none."""
    missing = [i for i, one in enumerate(inputs) if "NAME" not in one]
    if not 0 < len(missing) < len(inputs):
        return []
    found = f"none of input {', '.join(map(str, missing))}"
    return [Problem("NAME is not said of every input", "MODEL.INPUT", found, "of all, or of none")]


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, (int, float)) and type(v) is not bool for v in value)


def _wrong(where: str, value: Any, need: str) -> Problem:
    return Problem("wrong value of a config key", where, show(value), need)


def format_problem(where: str, value: Any) -> Problem:
    need = f"one of: {', '.join(FORMATS)}"
    return Problem("there is no such format of models", where, show(value), need, hint(str(value), FORMATS))


def unknown(values: Mapping[str, Any], known: Iterable[str], where: str) -> list[Problem]:
    """Keys that an object cannot have."""
    known = tuple(known)
    others = f"the keys are {', '.join(known)}"
    return [
        Problem("unknown config key", f"{where}.{key}", show(value), hint=hint(key, known, others))
        for key, value in values.items()
        if key not in known
    ]
