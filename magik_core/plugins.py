"""What is installed: load every plugin, keep what works, say what does not."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from magik_core import hookspecs, missing, model_file
from magik_core.errors import UsageError
from magik_core.hookspecs import GROUP, Command, Frontend, Report
from magik_core.soc import SoC

if TYPE_CHECKING:
    from magik_core.ops import Op
    from magik_core.quantizers import Quantizer

T = TypeVar("T")
log = logging.getLogger(__name__)
BUILTIN = "magik_core.builtin"


@dataclass(frozen=True)
class Source:
    """The distribution that a plugin came with, and the entry point's module."""

    distribution: str
    version: str
    module: str


@dataclass(frozen=True)
class Item:
    """One thing that a plugin handed over."""

    kind: str
    name: str
    value: Any
    source: Source


@dataclass(frozen=True)
class Failure:
    """A plugin, or one hook of it, that is left out."""

    source: Source
    cause: str

    @property
    def hint(self) -> str:
        is_own = self.source.module == BUILTIN
        return f"pip {'install --force-reinstall' if is_own else 'uninstall'} {self.source.distribution}"

    def __str__(self) -> str:
        return (
            f"plugin {self.source.distribution} {self.source.version} is broken and left out\n"
            f"cause: {self.cause}\n hint: {self.hint}"
        ).replace("  ", " ")


def _is_op(value: Any) -> bool:
    from magik_core.ops import Op

    return isinstance(value, type) and issubclass(value, Op)


def _is_quantizer(value: Any) -> bool:
    from magik_core.quantizers import Quantizer

    return isinstance(value, Quantizer)


# kind -> hook, test of what is handed over, and what it must be; the tests import lazily
KINDS: Mapping[str, tuple[str, Callable[[Any], bool], str]] = {
    "frontend": ("register_frontends", lambda v: isinstance(v, Frontend), "a Frontend"),
    "quantizer": ("register_quantizers", _is_quantizer, "a Quantizer"),
    "soc": ("register_backends", lambda v: isinstance(v, SoC), "an SoC"),
    "op": ("register_ops", _is_op, "a subclass of Op"),
    "pass": ("register_passes", callable, "a callable"),
    "command": ("register_commands", lambda v: isinstance(v, Command), "a Command"),
    "report": ("register_reports", lambda v: isinstance(v, Report), "a Report"),
}


def _name(value: Any) -> str:
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    if not isinstance(name, str) or not name:
        raise TypeError(f"{value!r} has no name")
    return name


class Plugins:
    """Everything installed; each kind is asked for on first use, so that nobody pays for the others.

    Failures are values and are logged once per distribution; what a broken plugin offered is gone,
    everyone else's remains.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._sources: list[tuple[Source, object]] = []
        self._failures: list[Failure] = []
        self._items: dict[str, tuple[Item, ...]] = {}
        for point in points:
            self._load(point)

    def items(self, kind: str) -> tuple[Item, ...]:
        """What plugins handed over of one kind, a key of KINDS; built-in first."""
        if kind not in self._items:
            taken: dict[str, Item] = {}
            for source, plugin in self._sources:
                taken.update(self._ask(kind, source, plugin, taken))
            self._items[kind] = tuple(taken.values())
        return self._items[kind]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Everything that is broken; asks for every kind."""
        for kind in KINDS:
            self.items(kind)
        return tuple(self._failures)

    @cached_property
    def frontends(self) -> Mapping[str, Frontend]:
        return self._values("frontend")

    @cached_property
    def quantizers(self) -> Mapping[str, Quantizer]:
        return self._values("quantizer")

    @cached_property
    def socs(self) -> Mapping[str, SoC]:
        return self._values("soc")

    @cached_property
    def ops(self) -> Mapping[str, Any]:
        return self._values("op")

    @cached_property
    def onnx_ops(self) -> Mapping[str, type[Op]]:
        """The operator that lowers each ONNX operator type: magik's own, then those of plugins."""
        from magik_core.ops import by_onnx

        return {**by_onnx(), **{name: op for op in self.ops.values() for name in op.onnx}}

    @cached_property
    def passes(self) -> Mapping[str, Callable[..., Any]]:
        return self._values("pass")

    @cached_property
    def commands(self) -> Mapping[str, Command]:
        return self._values("command")

    @cached_property
    def reports(self) -> Mapping[str, Report]:
        return self._values("report")

    def soc(self, name: str) -> SoC:
        """The chip of that name, in any case.

        Raises: UsageError: not installed; names the distribution to install where it is known.
        """
        return _pick(self.socs, name) or missing.soc(name, self.socs)

    def frontend(self, name: str) -> Frontend:
        """The frontend of that name; raises UsageError as `soc` does."""
        return _pick(self.frontends, name) or missing.frontend(name, self.frontends)

    def quantizer(self, name: str, key: str = "") -> Quantizer:
        """The quantizer of that name; raises UsageError as `soc` does, with the config key that asks for it."""
        return _pick(self.quantizers, name) or missing.quantizer(name, self.quantizers, key)

    def sniff(self, model: object) -> Frontend:
        """The one frontend that knows the file at a path, or that takes an object.

        Raises:
            ModelError: there is no such file, or nobody knows it.
            UsageError: several do; names them.
        """
        if isinstance(model, (str, Path)):
            model_file.check(Path(model))
        fits: list[Frontend] = [item.value for item in self.items("frontend") if self._knows(item, model)]
        if len(fits) > 1:
            raise UsageError(
                "several frontends read this model",
                where=str(model) if isinstance(model, (str, Path)) else type(model).__name__,
                found=", ".join(frontend.name for frontend in fits),
                need="one of them, by name",
                hint=f"pass --frontend {fits[0].name}",
            )
        return fits[0] if fits else missing.format_of(model, self.frontends)

    def _knows(self, item: Item, model: object) -> bool:
        try:
            is_path = isinstance(model, (str, Path))
            return bool(item.value.sniff(Path(model)) if is_path else item.value.takes(model))  # type: ignore[arg-type]
        except Exception as error:  # the contract says it never raises: the plugin's fault, not the model's
            self._fail(item.source, error)
            return False

    def _values(self, kind: str) -> Mapping[str, Any]:
        return MappingProxyType({item.name: item.value for item in self.items(kind)})

    def _load(self, point: EntryPoint) -> None:
        source = _source(point)
        try:
            plugin = point.load()
            self._manager.register(plugin)
            try:
                self._manager.check_pending()  # a hook of ours that does not exist, misspelled perhaps
            except Exception:
                self._manager.unregister(plugin)
                raise
        except (Exception, SystemExit) as error:
            self._fail(source, error)
        else:
            self._sources.append((source, plugin))

    def _ask(self, kind: str, source: Source, plugin: object, taken: Mapping[str, Item]) -> dict[str, Item]:
        hook, fits, need = KINDS[kind]
        owner = {key: item.source.distribution for key, item in taken.items()}
        out: dict[str, Item] = {}

        def register(value: Any) -> None:
            if not fits(value):
                raise TypeError(f"{hook} was handed {value!r}, not {need}")
            name = _name(value)
            if (key := name.casefold()) in owner:
                raise ValueError(f"{kind} {name} is already offered by {owner[key]}")
            owner[key] = source.distribution
            out[key] = Item(kind, name, value, source)

        others = [other for _, other in self._sources if other is not plugin]
        try:
            self._manager.subset_hook_caller(hook, others)(register=register)
        except (Exception, SystemExit) as error:
            self._fail(source, error)
            return {}
        return out

    def _fail(self, source: Source, error: BaseException) -> None:
        failure = Failure(source, f"{type(error).__name__}: {error}")
        if source not in [known.source for known in self._failures]:
            log.warning("%s", failure)
        self._failures.append(failure)


def _pick(known: Mapping[str, T], name: str) -> T | None:
    return {key.casefold(): value for key, value in known.items()}.get(name.casefold())


def _source(point: EntryPoint) -> Source:
    """Which distribution an entry point is from; without metadata, what its package suggests."""
    if point.dist is not None:
        return Source(point.dist.name, point.dist.version, point.value)
    guess = point.value.partition(":")[0].partition(".")[0].replace("_", "-")
    try:
        return Source(guess, version(guess), point.value)
    except PackageNotFoundError:
        return Source(guess, "", point.value)


def installed() -> tuple[EntryPoint, ...]:
    """Every entry point of the group, magik's own first, then by distribution."""
    points = [p for p in entry_points(group=GROUP) if p.value != BUILTIN]
    points.sort(key=lambda p: (_source(p).distribution, p.name))
    return (EntryPoint("builtin", BUILTIN, GROUP), *points)


@cache
def load() -> Plugins:
    """Everything installed, loaded once per process."""
    importlib.invalidate_caches()
    return Plugins(installed())
