"""The flags of `magik-transform-tools`, in every spelling that is in use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from magik_core.errors import Problem, UsageError
from magik_core.missing import nearest

TOOL = "magik-transform-tools"
WORDS = {"true": "true", "1": "true", "on": "true", "yes": "true"}
WORDS |= {"false": "false", "0": "false", "off": "false", "no": "false"}
# Text copied out of a PDF has other dashes. A dash before a digit begins a number.
_FLAG = re.compile("[-\u2010-\u2015\u2212]+(?=[^\\W\\d])(.*)", re.DOTALL)


@dataclass(frozen=True)
class Flag:
    """One flag.

    Args: kind: "text", "list" (of words, between commas or spaces), "switch" (true or false) or "command" (alone).
    """

    name: str
    say: str
    kind: str = "text"
    short: tuple[str, ...] = ()


FLAGS = (
    Flag("inputpath", "The model to read.", short=("i", "model_file")),
    Flag("outputpath", "NAME.mk.h: the files to write are named for it.", short=("o", "output_file")),
    Flag("config", "Config file, flat or with ARCH, MODEL and EXTRA.", short=("cfg", "config_file")),
    Flag("gen_config", "Write ./magik.cfg, a config file to fill in, and stop.", "command", ("gcfg",)),
    Flag("save_quantize_model", "true: write save-magik/model_quant.mgk too, for the PC.", "switch"),
    Flag("framework", "Format of the model: onnx, tensorflow, tflite, caffe, mxnet or pytorch."),
    Flag("target_device", "The chip."),
    Flag("input_nodes", "Begin at these tensors.", "list"),
    Flag("output_nodes", "End at these tensors.", "list"),
    Flag("mean", "Subtracted from pixels: one number, or one for each channel.", "list"),
    Flag("var", "Divides them after that: one number, or one for each channel.", "list"),
    Flag("img_width", "Width of the input on the board."),
    Flag("img_height", "Height of the input on the board."),
    Flag("img_channel", "Channels of the input on the board; 3 by default."),
    Flag("input_prepad", "true: borders are filled before the mean is subtracted.", "switch"),
    Flag("post_training_quantization", "true: quantize with the data of --ptq_config_path.", "switch"),
    Flag("ptq_config_path", "JSON that names the calibration data and the methods."),
    Flag("version", "Print the version.", "command"),
    Flag("help", "Print this.", "command", ("h",)),
)
_BY_NAME: Mapping[str, Flag] = {name: flag for flag in FLAGS for name in (flag.name, *flag.short)}


@dataclass
class _Given:
    """A flag as it was written, and what stands behind it."""

    spelling: str
    name: str
    values: list[str] = field(default_factory=list)
    has_blank: bool = False


def read(args: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    """Values by the flags' own names; a flag without a value, or with an empty one, is left out.

    Dashes may be one or two, names have any case, values follow or stand behind `=`. Blanks, empty arguments and
    backslashes that continued a line are skipped.

    Returns: them, and everything that is wrong with the others.
    """
    given, problems = _given(args)
    out: dict[str, str] = {}
    for one in given:
        flag = _BY_NAME.get(one.name)
        text, wrong = _unknown(one) if flag is None else _value(flag, one)
        problems += wrong
        if flag is None or wrong or not text:
            continue
        if out.get(flag.name, text) != text:
            what = f"--{flag.name} is given twice"
            problems.append(Problem(what, one.spelling, f"{out[flag.name]}, then {text}", "once"))
        out[flag.name] = text
    return out, problems


def parse(args: Sequence[str]) -> dict[str, str]:
    """Values by the flags' own names, as `read`.

    Raises: UsageError: everything that is wrong, at once.
    """
    found, problems = read(args)
    if problems:
        raise UsageError(problems=problems)
    return found


def _given(args: Sequence[str]) -> tuple[list[_Given], list[Problem]]:
    out: list[_Given] = []
    problems = []
    for arg in args:
        text = _clean(arg)
        if flag := _FLAG.fullmatch(text):
            name, equals, value = flag[1].partition("=")
            spelling = text.partition("=")[0].strip()
            out.append(_Given(spelling, name.strip().lower().replace("-", "_")))
            _add(out[-1], value, bool(equals))
        elif out:
            _add(out[-1], text, True)
        elif text:
            problems.append(Problem("an argument belongs to no option", TOOL, text, "--inputpath MODEL and so on"))
    return out, problems


def _clean(arg: str) -> str:
    """Without blanks around it, line ends of Windows, and the backslash that continued a line."""
    return re.sub(r"(^|\s)\\+$", "", arg.strip()).strip()


def _add(to: _Given, value: str, is_said: bool) -> None:
    value = (value if to.values else value.removeprefix("=")).strip()
    if value:
        to.values.append(value)
    elif is_said:
        to.has_blank = True


def _value(flag: Flag, one: _Given) -> tuple[str, list[Problem]]:
    if flag.kind == "list":
        words = [word.strip() for value in one.values for word in value.split(",")]
        return ",".join(word for word in words if word), _none(one)
    most = 0 if flag.kind == "command" else 1
    if len(one.values) > most:
        found = " ".join(one.values[most:])
        return "", [Problem("an argument belongs to no option", one.spelling, found, hint=_quotes(flag))]
    if flag.kind == "command":
        return "true", []
    if flag.kind == "switch":
        text = one.values[0] if one.values else "" if one.has_blank else "true"
        word = WORDS.get(text.lower(), "")
        wrong = Problem("an option is neither true nor false", one.spelling, text, "true or false")
        return word, [wrong] if text and not word else []
    return "".join(one.values), _none(one)


def _quotes(flag: Flag) -> str:
    return "put a path with blanks into quotes" if flag.kind == "text" else ""


def _none(one: _Given) -> list[Problem]:
    is_right = one.values or one.has_blank
    return [] if is_right else [Problem("an option has no value", one.spelling, need=f"{one.spelling} VALUE")]


def _unknown(one: _Given) -> tuple[str, list[Problem]]:
    near = nearest(one.name, _BY_NAME)
    hint = f"did you mean --{_BY_NAME[near].name}?" if near else f"{TOOL} --help"
    return "", [Problem("unknown option", TOOL, one.spelling, hint=hint)]
