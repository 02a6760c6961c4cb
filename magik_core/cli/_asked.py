"""What commands that make a program of a model ask for alike: groups of options, and the config that they make."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from magik_core.cli import _options

if TYPE_CHECKING:
    from magik_core.config import Config


@dataclass(frozen=True)
class Program:
    """The options of what is made of a model; each field is one."""

    soc: _options.Soc = None
    config: _options.ConfigFile = None
    inputs: _options.Inputs = None
    input_shape: _options.Shape = None
    outputs: _options.Outputs = None
    states: _options.States = None
    feature_bits: _options.FeatureBits = None
    weight_bits: _options.WeightBits = None
    skip_nodes: _options.SkipNodes = None
    skip_ops: _options.SkipOps = None
    sets: _options.Set = None
    constants: _options.Constants = None
    frontend: _options.Frontend = None
    frontend_options: _options.FrontendOptions = None
    factory: _options.Factory = None
    allows_pickle: _options.AllowPickle = False

    def keys(self) -> dict[str, str | None]:
        """The config keys of the options that are one text, with what they were given."""
        hints = get_type_hints(type(self), include_extras=True)
        options = ((f.name, *get_args(hints[f.name])) for f in fields(self))
        found = ((_options.key_of(option.help), name) for name, kind, option in options if kind == (str | None))
        return {key: getattr(self, name) for key, name in found if key}

    def chosen(self) -> Config:
        """The config: that of the file, then `--set`, then the options.

        Raises: UsageError: an option that cannot be read.
        """
        chosen = _options.config(self.config, self.sets, self.states, **self.keys())
        return _options.with_frontend_options(chosen, self.frontend_options, self.factory, self.allows_pickle)

    def bound(self) -> dict[str, Any]:
        """What `--constant` puts in the place of inputs. Raises: UsageError: as `chosen`."""
        return _options.constants(self.constants)


@dataclass(frozen=True)
class _Calibration:
    calib: _options.Calib = None
    calib_size: _options.CalibSize = None
    mean: _options.Mean = None
    normal: _options.Normal = None
    color: _options.Color = None
    feature_method: _options.FeatureMethod = None
    weight_method: _options.WeightMethod = None


@dataclass(frozen=True)
class Quantized(Program, _Calibration):
    """The same where the model is calibrated as well."""


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of a group as parameters of its own, where it has the group as one."""
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters
    ((name, group),) = [(name, hints[name]) for name in parameters if is_dataclass(hints[name])]
    own = [p.replace(annotation=hints[p.name]) for p in parameters.values() if p.name != name]
    typed = get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    spread = [inspect.Parameter(f.name, kind, default=f.default, annotation=typed[f.name]) for f in fields(group)]

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        command(**{name: group(**{f.name: given.pop(f.name) for f in fields(group)})}, **given)

    at = list(parameters).index(name)
    own = [p.replace(kind=kind) for p in own]
    shown = [*own[:at], *spread, *own[at:]]
    wrapped.__dict__["__signature__"] = inspect.Signature(shown)
    wrapped.__annotations__ = {p.name: p.annotation for p in shown}
    return wrapped
