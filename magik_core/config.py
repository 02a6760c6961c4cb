"""The config file: what it may say, what it means, and what is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from magik_core import asked, config_nested, config_text, layout, numerics
from magik_core.config_text import show
from magik_core.errors import Problem, UsageError
from magik_core.hookspecs import Request
from magik_core.images import COLORS
from magik_core.missing import hint
from magik_core.recipe import FEATURE_BITS, REAL, WEIGHT_BITS, Recipe

log = logging.getLogger(__name__)

NODE_BITS = "magik_node_quant_bit_info.json"  # in the working directory, as the vendor has it
MISSPELLED_COLORS = {"BRG": "BGR", "GARY": "GRAY"}  # in the vendor's guide
MISSPELLED_KEYS = {  # likewise
    "FEATURE_QUANT_BITS": "QUANT_FEATURE_BIT",
    "WEIGHT_COREECT_PATH": "WEIGHT_CORRECT_PATH",
    "DEUBG_PATH": "DEBUG_PATH",
}
# Documented keys that nothing implements yet, with the value that asks for nothing.
NOT_BUILT: Mapping[str, Any] = {
    "INFER_COLOR": [],
    "INGENIC_MIPS_TOOLCHAIN_PATH": "",
}


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _list(value: Any) -> Any:
    """A lone value is a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


def _nested(value: Any) -> Any:
    """A flat list is one input's; a list of lists has one for each input."""
    value = _list(value)
    return value if not value or all(isinstance(v, (list, tuple)) for v in value) else [value]


Dim = Annotated[int, Field(gt=0, lt=2**31, strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Bits = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Names = Annotated[tuple[str, ...], BeforeValidator(_list)]
Shapes = Annotated[tuple[tuple[Dim, ...], ...], BeforeValidator(_nested)]
Numbers = Annotated[tuple[tuple[Number, ...], ...], BeforeValidator(_nested)]


class Config(BaseModel):
    """A config file's keys as snake_case attributes; the file has them in upper case.

    An empty tuple means "as in the model"; `mean`, `normal` and `input_shape` have one entry per
    input, the last standing for all further inputs. Paths are relative to the working directory.

    Source: reference transform-api.md, section 2. That page contradicts itself on the default
    methods; Recipe decides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=str.upper, populate_by_name=True)

    soc: str = Field(default="host", description="The chip, as `magik plugins` lists it; empty: this computer")
    input: Names = Field(default=(), description="Begin at these tensors; the model's own inputs when empty")
    input_shape: Shapes = Field(
        default=(), description="Sizes of each input in the model's own order of axes: 1,3,H,W or 1,H,W,3"
    )
    mean: Numbers = Field(
        default=(), description="Subtracted from each channel: (pixel - MEAN) / NORMAL enters the model; 0"
    )
    normal: Numbers = Field(default=(), description="Divides each channel, after MEAN; 1")
    color: Names = Field(
        default=(), description="Channel order that the model wants: RGB, BGR or GRAY; images are loaded so"
    )
    output: Names = Field(default=(), description="End at these tensors; the model's own outputs when empty")
    states: dict[str, str] = Field(
        default={}, description='Inputs that come back from outputs at the next run, {"input": "output"}'
    )
    frontend: str = Field(default="", description="Read the model with this frontend; the one that knows it when empty")
    frontend_options: dict[str, Any] = Field(
        default={}, description='Options of the frontend, e.g. {"model": "package.module:function"}'
    )
    quant_dataset_path: str = Field(
        default="", description="Calibration data: a folder or file of images, .npy, .npz or .bin"
    )
    quant_dataset_size: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        default=None, description="How many samples of it to use; all when absent"
    )
    quant_feature_method: str = Field(
        default=Recipe.feature_method, description="Quantizer that chooses activations' ranges"
    )
    quant_weight_method: str = Field(default=Recipe.weight_method, description="Quantizer that chooses weights' scales")
    quant_feature_bit: Bits = Field(
        default=Recipe.feature_bits, description=f"Bits of activations: {_listed(FEATURE_BITS)}; 32 is f32"
    )
    quant_weight_bit: Bits = Field(
        default=Recipe.weight_bits, description=f"Bits of weights: {_listed(WEIGHT_BITS)}; 32 is f32"
    )
    quant_node_skip: Names = Field(default=(), description="Nodes that compute in f32, by name")
    quant_op_skip: Names = Field(default=(), description="Operator types that compute in f32, such as Conv")
    feature_fake_quant: Flag = Field(
        default=False, description="For diagnosis, quantize activations alone: weights stay f32"
    )
    weight_fake_quant: Flag = Field(
        default=False, description="For diagnosis, quantize weights alone: activations stay f32"
    )
    weight_correct_path: str = Field(
        default="",
        description="Data to correct biases on for the rounding of weights; the calibration's when empty",
    )
    feature_correct_path: str = Field(
        default="", description="Data to correct biases on for the rounding of activations; not done when empty"
    )
    debug_path: str = Field(
        default="", description="Data, a folder or one file, to compare every layer on; dumps go to ./magik_dump_path"
    )
    save_op_quant_bit: Flag = Field(default=False, description=f"Write bits and range of every node to {NODE_BITS}")
    load_op_quant_bit: Flag = Field(default=False, description=f"Take the bits of nodes from {NODE_BITS}")
    load_op_quant_min_max: Flag = Field(default=False, description="Take their MIN and MAX from it too")

    @field_validator("soc")
    @classmethod
    def _no_soc_is_host(cls, value: str) -> str:
        return value or "host"  # the template has an empty SOC

    @field_validator("quant_feature_bit", "quant_weight_bit")
    @classmethod
    def _bits_are_known(cls, value: int, info: ValidationInfo) -> int:
        known = FEATURE_BITS if info.field_name == "quant_feature_bit" else WEIGHT_BITS
        if value not in known:
            raise ValueError(f"one of: {_listed(known)}")
        return value

    @field_validator("mean", "normal")
    @classmethod
    def _f32_holds_them(cls, value: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if any(abs(v) > numerics.F32_MOST for row in value for v in row):
            raise ValueError(f"numbers that f32 holds: up to {numerics.F32_MOST:.4g}")
        return value

    @field_validator("normal")
    @classmethod
    def _normal_divides(cls, value: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if any(v == 0 for row in value for v in row):
            raise ValueError("a divisor other than 0")
        if any(abs(v) < 1 / numerics.F32_MOST for row in value for v in row):
            raise ValueError(f"divisors whose reciprocals f32 holds: from {1 / numerics.F32_MOST:.4g}")
        return value

    @field_validator("color")
    @classmethod
    def _color_is_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if (meant := MISSPELLED_COLORS.get(name)) is not None:
                log.warning("COLOR %s is read as %s", name, meant)
        out = tuple(MISSPELLED_COLORS.get(name, name) for name in value)
        if wrong := [name for name in out if name not in COLORS]:
            need = f"each one of: {', '.join(COLORS)}"
            raise PydanticCustomError("color", "{need}", {"need": need, "hint": hint(wrong[0], COLORS)})
        return out

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "") -> Config:
        """A config from a file's keys and values.

        Raises: UsageError: everything that is wrong, at once; `where` names the source in it.
        """
        prefix = f"{where}: " if where else ""
        flat, problems = config_nested.flatten(values)
        said, twice = _spelled(flat)
        problems += [*twice, *(p for key, value in said.items() if (p := _key_problem(key, value)) is not None)]
        known = {key: value for key, value in said.items() if key in KEYS}
        out = None
        try:
            out = cls.model_validate(known)
        except ValidationError as error:
            problems += _value_problems(error, known)
        if problems or out is None:
            raise UsageError(problems=[_at(prefix, problem) for problem in problems])
        return out

    @classmethod
    def load(cls, path: str | Path) -> Config:
        """The config file at `path`.

        Raises: UsageError: no such file, not JSON, or wrong keys or values.
        """
        return cls.parse(config_text.read(Path(path)), where=str(path))

    def with_overrides(self, texts: Mapping[str, str]) -> Config:
        """This config with keys replaced, each value as `--set KEY=VALUE` has it.

        Lists are `a,b,c`; several inputs are separated by `;`; a value that starts with `[` is JSON.

        Raises: UsageError: everything that is wrong, at once.
        """
        base = {key: value for key, value in self.model_dump(by_alias=True).items() if value is not None}
        return Config.parse(over(base, {key: from_text(key, text) for key, text in texts.items()}))

    def recipe(self, *, is_float: bool = False) -> Recipe:
        """The quantization that the keys ask for, without what LOAD_OP_QUANT_BIT reads.

        Both FAKE_QUANT keys together are no diagnosis but what neither asks for: both are quantized.
        """
        return Recipe(
            feature_method=self.quant_feature_method,
            weight_method=self.quant_weight_method,
            feature_bits=REAL if self.only_weights else self.quant_feature_bit,
            weight_bits=REAL if self.only_features else self.quant_weight_bit,
            skip_nodes=frozenset(self.quant_node_skip),
            skip_ops=frozenset(self.quant_op_skip),
            is_float=is_float,
        )

    @property
    def only_features(self) -> bool:
        """Whether FEATURE_FAKE_QUANT leaves the weights in f32."""
        return self.feature_fake_quant and not self.weight_fake_quant

    @property
    def only_weights(self) -> bool:
        """Whether WEIGHT_FAKE_QUANT leaves the activations in f32."""
        return self.weight_fake_quant and not self.feature_fake_quant

    @property
    def corrections(self) -> dict[str, str]:
        """Data to correct biases on, by key: those that are asked for."""
        named = {"WEIGHT_CORRECT_PATH": self.weight_correct_path, "FEATURE_CORRECT_PATH": self.feature_correct_path}
        return {key: path for key, path in named.items() if path}

    @property
    def ends(self) -> tuple[str, ...]:
        """The outputs to end at: where OUTPUT names some, those that come back as states are needed too."""
        more = dict.fromkeys(name for name in self.states.values() if name not in self.output)
        return (*self.output, *more) if self.output else ()

    def request(self, example_inputs: Sequence[Any] = ()) -> Request:
        """What is asked of the frontend."""
        examples = (example_inputs,) if hasattr(example_inputs, "shape") else tuple(example_inputs)  # one tensor, bare
        return Request(self.input, self.ends, self.input_shape, examples, self.frontend_options)

    def colors(self, shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
        """COLOR of every input; where it says nothing, GRAY for one channel and RGB for others.

        Args:   shapes: of the model's inputs by name, in order.
        Raises: UsageError: more colors than inputs, or GRAY for an image of three channels.
        """
        out, problems = dict[str, str](), list[Problem]()
        if len(self.color) > len(shapes):
            what, need = "COLOR has more entries than the model has inputs", f"at most {len(shapes)}"
            problems.append(Problem(what, "COLOR", str(len(self.color)), need))
        for index, (name, shape) in enumerate(shapes.items()):
            channels = layout.channels(shape)
            said = self.color[min(index, len(self.color) - 1)] if self.color else ""
            out[name] = said or ("GRAY" if channels == 1 else "RGB")
            if (problem := asked.gray(name, out[name], channels if len(shape) == 4 else None)) is not None:
                problems.append(problem)
        if problems:
            raise UsageError(problems=problems)
        return out


KEYS = tuple(name.upper() for name in Config.model_fields)


def _at(prefix: str, p: Problem) -> Problem:
    return Problem(p.what, f"{prefix}{p.where}", p.found, p.need, p.hint)


def from_text(key: str, text: str) -> Any:
    """What a command line's text stands for, by the type of its key."""
    field = Config.model_fields.get(_meant(key).lower())
    return config_text.value(text, None if field is None else field.annotation)


def over(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Keys and values with others in the place of the same keys, however both are spelled."""
    replaced = {_meant(key) for key in more}
    return {key: value for key, value in values.items() if _meant(key) not in replaced} | {**more}


def _meant(key: str) -> str:
    return MISSPELLED_KEYS.get(key, key)


def _spelled(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Keys as they are spelled here, and those that are given in more than one spelling."""
    spellings: dict[str, list[str]] = {}
    for key in values:
        spellings.setdefault(_meant(key), []).append(key)
        if _meant(key) != key:
            log.warning("config key %s is read as %s", key, _meant(key))
    twice = [
        Problem("a config key is given twice", meant, " and ".join(keys), "each key once")
        for meant, keys in spellings.items()
        if len(keys) > 1
    ]
    return {meant: values[keys[0]] for meant, keys in spellings.items()}, twice


def _key_problem(key: str, value: Any) -> Problem | None:
    if key in KEYS:
        return None
    if key in NOT_BUILT:
        if value == NOT_BUILT[key] and type(value) is type(NOT_BUILT[key]):
            return None
        return Problem(f"{key} is not built yet", key, show(value), f"no {key}, or {show(NOT_BUILT[key])}")
    near = hint(key, (*KEYS, *NOT_BUILT, *config_nested.SECTIONS), f"the keys are {', '.join(KEYS)}")
    return Problem("unknown config key", key, show(value), hint=near)


def _value_problems(error: ValidationError, values: Mapping[str, Any]) -> list[Problem]:
    """One problem per key: what pydantic says of its first fault, in our fields."""
    out: dict[str, Problem] = {}
    for fault in error.errors():
        key = str(fault["loc"][0])
        need = fault["msg"].removeprefix("Value error, ")
        need = need[0].lower() + need[1:]
        near = str(fault.get("ctx", {}).get("hint", ""))
        out.setdefault(key, Problem("wrong value of a config key", key, show(values.get(key)), need, near))
    return list(out.values())
