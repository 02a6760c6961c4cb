"""What each step costs: work, bytes, time on this machine, instructions on MIPS, and an estimate for a chip."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from magik_core import net, proof, qemu, toolchain, tools
from magik_core.container import WITH_PROGRAM
from magik_core.errors import LoadError, MagikError, RunError
from magik_core.report import Description, Row, Series
from magik_core.soc import SoC
from magik_core.toolchain import Toolchain

Number = TypeVar("Number", int, float)
MIPS_ISA = "fp64"  # the kernels for chips without SIMD


@dataclass(frozen=True)
class Layer:
    """One step.

    Args:
        name: of the source's node; name, macs and nbytes are known from a `.mgk` only.
        nbytes: read and written, constants included; nanoseconds: median of all runs.
        instructions: that a MIPS build executes; seconds: of those on the chip, as `Profile.estimate` says.
    """

    name: str
    kernel: str
    isa: str
    macs: int | None
    nbytes: int | None
    nanoseconds: int
    instructions: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Profile:
    """All steps, measured in `repeat` runs on `threads` threads.

    Args:
        notes: what is missing and why; compiler: that made the program whose instructions were counted.
        description: of the program, None where there is no `.mgk`.
    """

    model: str
    repeat: int
    threads: int
    layers: tuple[Layer, ...]
    soc: str = ""
    estimate: str = ""
    notes: tuple[str, ...] = ()
    compiler: str = ""
    description: Description | None = None

    @property
    def nanoseconds(self) -> int:
        return sum(layer.nanoseconds for layer in self.layers)

    @property
    def macs(self) -> int | None:
        return _sum([layer.macs for layer in self.layers])

    @property
    def nbytes(self) -> int | None:
        return _sum([layer.nbytes for layer in self.layers])

    @property
    def instructions(self) -> int | None:
        return _sum([layer.instructions for layer in self.layers])

    @property
    def seconds(self) -> float | None:
        return _sum([layer.seconds for layer in self.layers])

    def to_json(self) -> str:
        """Every layer, and the totals."""
        values = asdict(replace(self, description=None))
        del values["description"]
        totals = {name: getattr(self, name) for name in ("nanoseconds", "macs", "nbytes", "instructions", "seconds")}
        return json.dumps({**values, "total": totals}, indent=2, ensure_ascii=False)


def _sum(values: Sequence[Number | None]) -> Number | None:
    """Of those that are known, None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def profile(
    model: Path,
    *,
    repeat: int = 20,
    threads: int = 1,
    mips: bool | None = None,
    soc: SoC | None = None,
    instructions_per_cycle: float = 1.0,
    needs_program: bool = False,
) -> Profile:
    """Measure every step on random inputs.

    Args:   mips: count instructions: True: fail where that cannot be, None: only where it can be, False: do not.
            soc: the chip to estimate for, which needs the instructions; instructions_per_cycle: assumed of its CPU.
            needs_program: fail without names and MACs, before anything is measured.
    Raises: LoadError: the file is refused, or it `needs_program` and there is no `.mgk`. BuildError: no QEMU or
            compiler for `mips`. RunError: the chip has no clock.
    """
    if soc is not None and soc.clock_hz is None:
        raise RunError(
            "no estimate can be made", where=soc.name, found=f"the chip {soc.name} has no clock", need="a chip with one"
        )
    if soc is not None and mips is None:
        mips = True  # an estimate is made of instructions
    loaded = net.load(model, threads=threads)
    described = _describe(model, needs_program)
    rows = described.rows if described else ()
    inputs = proof.random_inputs(loaded, 1)[0]
    steps, times = _measure(loaded, inputs, repeat)
    counts, compiler, notes = _counts(model, inputs, mips)
    if soc is not None and not counts:
        notes.append(f"no estimate for {soc.name}: it is made of instructions on MIPS, which --no-mips does not count")
    rate = soc.clock_hz * instructions_per_cycle if soc is not None and soc.clock_hz else None
    layers = tuple(
        _layer(rows[i] if rows else None, steps[i], times[i], counts[i] if counts else None, rate)
        for i in range(len(steps))
    )
    if not rows:
        notes.append("names, MACs and bytes are in the .mgk, which is not beside the model file")
    return Profile(
        model.name,
        repeat,
        threads,
        layers,
        soc.name if soc else "",
        _formula(soc, instructions_per_cycle) if soc else "",
        tuple(notes),
        compiler,
        described,
    )


def _layer(
    row: Row | None, step: tuple[str, str], times: Sequence[int], count: int | None, rate: float | None
) -> Layer:
    """A step's costs. Args: row: of its description; rate: instructions per second of the chip."""
    return Layer(
        row.name if row else "",
        *step,
        row.macs if row else None,
        row.activation_bytes + row.weight_bytes if row else None,
        int(statistics.median(times)),
        count,
        count / rate if count is not None and rate else None,
    )


def _formula(soc: SoC, rate: float) -> str:
    """How the estimate is made, for people."""
    return (
        f"instructions counted under QEMU / ({(soc.clock_hz or 0) / 1e9:g} GHz x {rate:g} instructions per cycle, "
        "an assumption); waiting for memory is not in it, so a board is slower where weights miss the cache"
    )


def _measure(loaded: net.Net, inputs: bytes, repeat: int) -> tuple[list[tuple[str, str]], list[list[int]]]:
    """(kernel, kind) of every step, and its nanoseconds in each run; the first run is not counted."""
    times: list[list[int]] = []
    steps: list[tuple[str, str]] = []
    for r in range(repeat + 1):
        loaded.feed_stored(inputs)
        ran = [(s.kernel, s.isa, s.nanoseconds) for s in loaded.each_step()]
        steps = [(kernel, isa) for kernel, isa, _ in ran]
        if r:
            times.append([nanoseconds for *_, nanoseconds in ran])
    return steps, [list(column) for column in zip(*times, strict=True)]


def _counts(model: Path, inputs: bytes, mips: bool | None) -> tuple[list[int], str, list[str]]:
    """Instructions of every step on MIPS and the compiler that made it, or none and the reason."""
    if mips is False:
        return [], "", []
    try:
        chain = toolchain.mips()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "inputs"
            file.write_bytes(inputs)
            program = tools.digest(chain)
            return qemu.step_instructions(chain, program, model, file, "--isa", MIPS_ISA), _compiler(chain), []
    except MagikError as error:
        if mips:
            raise
        return [], "", [f"instructions on MIPS are not counted: {error.problems[0].what}"]


def _compiler(chain: Toolchain) -> str:
    """The compiler in its own words."""
    said = toolchain.spawn([*chain.cc, "--version"], "a compiler").stdout.splitlines()
    version = said[0].strip() if said else ""
    return version if chain.name in version else f"{chain.name} {version}".strip()


def _describe(model: Path, is_needed: bool) -> Description | None:
    """The description of the model file's program, from itself or the `.mgk` beside it."""
    stored = proof.stored(model)
    if stored is None and is_needed:
        raise LoadError("a page needs the program", where=str(model), need="a .mgk", hint=WITH_PROGRAM)
    return Description.of(*stored) if stored else None


def series(found: Profile) -> list[Series]:
    """What was measured as charts of the HTML page."""
    out = [
        Series("Time", f"nanoseconds on this machine, median of {found.repeat} runs, of each",
               tuple(layer.nanoseconds for layer in found.layers)),
    ]  # fmt: skip
    if found.instructions is not None:
        counted = tuple(layer.instructions or 0 for layer in found.layers)
        out.append(Series("Instructions", "executed by a MIPS build under QEMU in each", counted))
    if found.seconds is not None:
        micro = tuple(round((layer.seconds or 0) * 1e6) for layer in found.layers)
        out.append(Series(f"Estimate for {found.soc}", f"microseconds: {found.estimate}; of each", micro))
    return out
