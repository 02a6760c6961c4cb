"""Measure every layer of a quantized graph beside the float one: as the program runs, and each layer alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir

from magik_core.calibrate import not_finite
from magik_core.debugging.distance import Difference, Distance
from magik_core.debugging.flat import Limits, flat_ends
from magik_core.debugging.halves import with_real_features, with_real_weights
from magik_core.debugging.reference import Reference, rounded
from magik_core.debugging.rig import Rig
from magik_core.debugging.sites import Site, reals, sites
from magik_core.debugging.usage import Counter, Usage
from magik_core.errors import DataError, Problem, capped
from magik_core.program import Program, QuantParams, Shape, Tensor
from magik_core.progress import Count
from magik_core.quantized import Quantized

Arrays = Mapping[str, np.ndarray]
PARTS = ("accumulated", "isolated", "features", "weights")


class Look(Protocol):
    """Is shown a sample: each tensor with what it holds, and the float model's values in the same order."""

    def add_input(self, name: str, t: Tensor, array: np.ndarray, want: np.ndarray) -> None:
        """An input, by its value's name."""

    def add_layer(self, name: str, t: Tensor, array: np.ndarray, want: np.ndarray) -> None:
        """A layer, by its node's name."""


@dataclass(frozen=True)
class Layer:
    """A layer beside float.

    Args:
        name: of its node; nodes: all that it computes; shape, dtype, bits: as stored; bits are 0 in f32.
        accumulated: as the program runs, everything before it quantized too.
        isolated: this layer alone: its inputs are the codes of the float model's values.
        features: alone with real weights; weights: alone with real activations; None without quantized weights.
    """

    name: str
    op: str
    nodes: tuple[str, ...]
    value: str
    shape: Shape
    dtype: str
    bits: int
    accumulated: Distance | None
    isolated: Distance | None
    features: Distance | None
    weights: Distance | None


@dataclass(frozen=True)
class Measured:
    """All layers in the order of the steps, tensors of codes with how they are used, and how many samples it took."""

    layers: tuple[Layer, ...]
    tensors: tuple[Usage, ...]
    samples: int


def measure(
    subject: Quantized,
    samples: Iterable[Arrays],
    *,
    parts: Collection[str] = PARTS,
    progress: Count | None = None,
    threads: int = 1,
    look: Look | None = None,
) -> Measured:
    """Run the float graph and the program on samples, and compare them layer by layer.

    One sample is held at a time: its float values, and the programs' own memory.

    Args:   parts: of PARTS, what to measure; each is a run of its own; threads: of the programs, they change nothing.
            look: is shown every input and layer of the first sample as the program runs.
    Raises: DataError: no samples; layers of the float model that are not finite, all of them.
    """
    program = subject.program()
    found = sites(subject.corrected, program)
    rigs = _rigs(subject, program, found, parts, threads)
    usage = _Usages(program, found)
    reference = Reference(subject.graph, _wanted(subject, program, found, rigs))
    total, count, problems = len(samples) if isinstance(samples, Sized) else 0, 0, list[Problem]()
    for feeds in samples:
        floats = reference.run(feeds)
        problems += _broken(found, floats, count)
        if not problems:
            for part, rig in rigs.items():
                rig.observe(feeds, floats, usage if part == "accumulated" else None, None if count else look)
        count += 1
        if progress:
            progress(count, total)
    if problems:
        raise DataError(problems=capped(problems))
    if not count:
        raise DataError("there are no samples to debug with", found="0 samples", need="at least 1")
    return Measured(tuple(_layer(site, rigs) for site in found), usage.results(), count)


@dataclass(frozen=True)
class _Told:
    """What of float's values is no error: beyond the ends where readers are flat, between the codes of the source."""

    ends: Limits
    imported: Mapping[str, QuantParams]

    def fair(self, name: str, held: object, want: np.ndarray, got: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both sides of a value as they are compared. Args: held: the parameters that the program has it with."""
        want, ends = rounded(want, self.imported.get(name), held), self.ends.get(name)
        return (want, got) if ends is None else (np.clip(want, *ends), np.clip(got, *ends))


class _Watch:
    """A program that runs, and the differences of its layers."""

    def __init__(self, rig: Rig, found: Iterable[Site], told: _Told, is_forced: bool) -> None:
        self.rig = rig
        self._sites = {site.tensor.name: site for site in found}
        self._told, self._is_forced = told, is_forced
        self.differences = {site.value: Difference() for site in found}

    def observe(self, feeds: Arrays, floats: Arrays, usage: _Usages | None, look: Look | None) -> None:
        """One sample."""
        for t, y in self.rig.run(feeds, floats if self._is_forced else None):
            site = self._sites.get(t.name)
            name = site.value if site else t.name
            want = floats[name].transpose(t.axes) if site or (usage and usage.has(t)) else None
            if want is None:
                continue
            if site is not None:
                got = reals(self.rig.on_grid(name, t, y), t)
                held = t.quant or self.rig.grids.get(name)
                self.differences[name].observe(*self._told.fair(name, held, want, got))
            if usage is not None:
                usage.observe(t, want, y)
                if look is not None:
                    look.add_layer(site.name, t, y, want) if site else look.add_input(t.name, t, y, want)


class _Usages:
    """Counters of the inputs and layers that have codes."""

    def __init__(self, program: Program, found: Iterable[Site]) -> None:
        layers = {site.tensor.name: site.name for site in found}
        self._layers = {**{name: name for name in program.inputs}, **layers}
        tensors = ((name, program.tensors[name].quant) for name in self._layers)
        self._counters = {name: Counter(q) for name, q in tensors if isinstance(q, QuantParams)}
        self._inputs = set(program.inputs)

    def has(self, t: Tensor) -> bool:
        """Whether a tensor is an input, which is no layer."""
        return t.name in self._inputs

    def observe(self, t: Tensor, want: np.ndarray, codes: np.ndarray) -> None:
        if t.name in self._counters:
            self._counters[t.name].observe(want, codes)

    def results(self) -> tuple[Usage, ...]:
        found = (counter.result(name, self._layers[name]) for name, counter in self._counters.items())
        return tuple(one for one in found if one is not None)


def _rigs(
    subject: Quantized, program: Program, found: tuple[Site, ...], parts: Collection[str], threads: int
) -> dict[str, _Watch]:
    """What runs for each part."""
    told = _Told(flat_ends(subject.graph, subject.quantization.values), subject.imported.values)
    own = {"accumulated", "isolated"} & set(parts)
    rig = Rig(subject.corrected, program, threads) if own else None
    out = {part: _Watch(rig, found, told, part == "isolated") for part in PARTS if part in own and rig is not None}
    weighted = {site.value for site in found if site.has_weights}
    grids = {site.value: q for site in found if isinstance(q := site.tensor.quant, QuantParams)}
    if "features" in parts and weighted:
        out["features"] = _apart(subject.graph, with_real_weights(subject, program), weighted, told, grids, threads)
    if "weights" in parts and weighted:
        out["weights"] = _apart(subject.graph, with_real_features(subject, program), weighted, told, {}, threads)
    return out


def _apart(
    model: ir.Model,
    program: Program,
    weighted: Collection[str],
    told: _Told,
    grids: Mapping[str, QuantParams],
    threads: int,
) -> _Watch:
    """The layers with weights in a program that takes one half of their quantization away."""
    found = [site for site in sites(model, program) if site.value in weighted]
    return _Watch(Rig(model, program, threads, grids), found, told, is_forced=True)


def _wanted(subject: Quantized, program: Program, found: Iterable[Site], rigs: Mapping[str, _Watch]) -> list[str]:
    """Values of the float model to ask for."""
    computed = {v.name for node in subject.graph.graph for v in node.outputs}
    forced = {value for watch in rigs.values() for value in watch.rig.values} & computed
    return sorted({*program.inputs, *(site.value for site in found), *forced} - {""})


def _broken(found: Iterable[Site], floats: Arrays, sample: int) -> list[Problem]:
    bad = ((site.name, x) for site in found if not np.isfinite(x := floats[site.value]).all())
    return [not_finite(f"layer '{name}'", sample, x) for name, x in bad][:1]


def _layer(site: Site, rigs: Mapping[str, _Watch]) -> Layer:
    def distance(part: str) -> Distance | None:
        difference = rigs[part].differences.get(site.value) if part in rigs else None
        return difference.result() if difference is not None else None

    t = site.tensor
    bits = t.quant.bits if isinstance(t.quant, QuantParams) else 0
    return Layer(site.name, site.op, site.nodes, site.value, t.shape, t.dtype, bits, *map(distance, PARTS))
