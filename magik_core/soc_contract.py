"""What every SoC has to keep; tests of backends, ours and others', call `broken`."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

from magik_core.soc import Check, SoC

FIGURES: Mapping[str, object] = {
    "memory_bytes": None,
    "cpu": "",
    "simd": (),
    "clock_hz": None,
}  # field -> what needs no source


def broken(soc: SoC) -> tuple[str, ...]:
    """Everything about the chip that breaks the contract, one sentence each; empty when all is well."""
    out = [f"{soc.name}: {fault}" for rule in RULES for fault in rule(soc)]
    return tuple(out)


def has_names(soc: SoC) -> list[str]:
    """A name without spaces, a title, checks with distinct names that can be written in a message."""
    names = [check.name for check in soc.checks]
    out = [] if soc.name and not set(soc.name) & set(" \t./") else [f"name {soc.name!r} has spaces, dots or slashes"]
    out += [] if soc.title else ["no title"]
    out += [f"two checks are called {name}" for name in sorted({n for n in names if names.count(n) > 1})]
    return out + [f"check {name!r} is not an identifier" for name in names if not name.isidentifier()]


def is_possible(soc: SoC) -> list[str]:
    """Alignment is a power of two, memory and clock are positive."""
    out = []
    if soc.alignment < 1 or soc.alignment & (soc.alignment - 1):
        out.append(f"alignment {soc.alignment} is not a power of two")
    if soc.memory_bytes is not None and soc.memory_bytes <= 0:
        out.append(f"memory_bytes {soc.memory_bytes} is not positive")
    if soc.clock_hz is not None and soc.clock_hz <= 0:
        out.append(f"clock_hz {soc.clock_hz} is not positive")
    return out


def has_sources(soc: SoC) -> list[str]:
    """Every figure has a source "<field>: …", every check its own."""
    set_ = ["alignment", *(name for name, none in FIGURES.items() if getattr(soc, name) != none)]
    cited = {source.partition(":")[0] for source in soc.sources if source.partition(":")[2].strip()}
    out = [f"{name} has no source" for name in set_ if name not in cited]
    return out + [f"check {check.name} has no source" for check in soc.checks if not check.source]


def has_sentences(soc: SoC) -> list[str]:
    """The sentence of a check names its limits, and only those."""
    out = []
    for check in soc.checks:
        limits, names = {name for name, _ in check.limits}, _placeholders(check.sentence)
        if not check.sentence or check.sentence.endswith("."):
            out.append(f"check {check.name}: a sentence, without a full stop, is needed")
        if limits != names:
            out.append(f"check {check.name}: placeholders {sorted(names)} but limits {sorted(limits)}")
        elif not check.need or "{" in check.need:
            out.append(f"check {check.name}: the sentence cannot be written: {check.need}")
    return out


def has_changeable_limits(soc: SoC) -> list[str]:
    """A sibling chip can change a limit, and nothing else changes."""
    out = []
    for check in soc.checks:
        for name, value in check.limits:
            if not _changes_only(check, name, value):
                out.append(f"check {check.name}: with_limits({name}=…) changes more than {name}")
    return out


def _changes_only(check: Check, name: str, value: object) -> bool:
    marker = object()
    other = check.with_limits(**{name: marker})
    return dict(other.limits) == {**dict(check.limits), name: marker} and other.with_limits(**{name: value}) == check


def _placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def has_known_operators(soc: SoC) -> list[str]:
    """A check is about an operator that there is, by the name of its class."""
    from magik_core.ops import found

    known = {"*", *found()}
    return [f"check {c.name} is about {c.op}, which is no operator" for c in soc.checks if c.op not in known]


RULES: tuple[Callable[[SoC], list[str]], ...] = (
    has_names,
    is_possible,
    has_sources,
    has_sentences,
    has_known_operators,
    has_changeable_limits,
)
