"""Prove that a model file computes the same everywhere: the values behind `magik verify`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from magik_core import container, digests, files, library, places, toolchain, unpack
from magik_core.container import WITH_PROGRAM
from magik_core.digests import Difference, Digest, Golden
from magik_core.errors import BuildError, LoadError, RunError
from magik_core.net import Net, Port
from magik_core.places import TARGET_ISAS, TARGETS, Place
from magik_core.plan import Plan
from magik_core.program import DTYPES, Program, Shape
from magik_core.progress import Progress, silent


@dataclass(frozen=True)
class Row:
    """What one place computed.

    Args: layers: how many; difference: from the reference, None where all agree; skipped: why it was not run.
    """

    where: str
    layers: int = 0
    samples: int = 0
    difference: Difference | None = None
    skipped: str = ""

    @property
    def result(self) -> str:
        """`all 82 layers agree`, or what does not."""
        if self.skipped:
            return f"not run: {self.skipped}"
        inputs = f" on {self.samples} inputs" if self.samples > 1 else ""
        return str(self.difference or f"all {self.layers} layers agree{inputs}")


@dataclass(frozen=True)
class Proof:
    """Every place beside the first one, which is the reference; notes: what else to know."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    golden: Golden

    @property
    def holds(self) -> bool:
        return not any(row.difference for row in self.rows)


@dataclass(frozen=True)
class Where:
    """What to run where.

    Args:
        targets: of places.TARGETS, none for all that this machine has the tools for.
        isas: kinds of kernels, none for all; board: address for ssh; is_numpy: the definition too.
        shapes: of the inputs in the source's axis order, none for those of the file.
    """

    targets: tuple[str, ...] = ()
    isas: tuple[str, ...] = ()
    board: str = ""
    is_numpy: bool = False
    shapes: tuple[Shape, ...] = ()


def prove(
    model: Path,
    where: Where,
    inputs: Sequence[bytes],
    *,
    golden: Golden | None = None,
    progress: Progress = silent,
) -> Proof:
    """Run a model file everywhere and compare the digests of every layer.

    Args:   inputs: per sample, the stored input tensors one after the other; golden: stored digests of these,
            the reference then, else the first place is.
    Raises: MagikError: the file is refused; a place that was asked for by name cannot run it.
    """
    program = program_of(model)
    names = tuple(step.name for step in program.steps) if program else ()
    found, skipped = _places(model, where, program)
    rows: list[Row] = []
    reference = golden.digests if golden else ()
    notes = _notes(model, golden)
    if golden:
        rows.append(Row("stored digests", len(golden.digests[0]) if golden.digests else 0, len(golden.digests)))
    for number, place in enumerate(found):
        progress("verify", number, len(found))
        digested = tuple(tuple(place.digests(data)) for data in inputs)
        reference = reference or digested
        difference = digests.first_difference(digested, reference, names)
        rows.append(Row(place.name, len(digested[0]), len(inputs), difference))
    progress("verify", len(found), len(found))
    stored = Golden(crc_of_file(model), where.shapes, tuple(inputs), tuple(_without_isa(d) for d in reference))
    return Proof((*rows, *skipped), notes, stored)


def _without_isa(steps: Sequence[Digest]) -> tuple[Digest, ...]:
    return tuple(replace(d, isa="") for d in steps)


def _notes(model: Path, golden: Golden | None) -> tuple[str, ...]:
    if golden is None or golden.model == crc_of_file(model):
        return ()
    return ("the digests were stored for another version of this model file",)


def _places(model: Path, where: Where, program: Program | None) -> tuple[list[Place], list[Row]]:
    """What runs, the definition or the portable kernels first, and what cannot."""
    out, skipped = [], []
    loaded = places.load(model, "portable", where.shapes)
    stored = tuple(port.board_shape for port in loaded.inputs) if where.shapes else ()
    kinds = {"host": library.choosable(), **TARGET_ISAS}
    if where.is_numpy:
        if program is None:
            raise LoadError(
                "the numpy definition needs the program", where=str(model), need="a .mgk", hint=WITH_PROGRAM
            )
        out.append(places.numpy_definition(program, stored))
    wanted = where.targets or (("host", "mips") if where.board else TARGETS)
    if "host" in wanted:
        isas = [isa for isa in kinds["host"] if isa in (where.isas or (isa,))]
        out += [places.host(model, isa, where.shapes) for isa in isas]
    for target in (name for name in TARGET_ISAS if name in wanted):
        isas = [isa for isa in kinds[target] if isa in (where.isas or (isa,))]
        try:
            out += [_elsewhere(where.board, target, model, isa, stored) for isa in isas]
        except BuildError as error:
            if where.targets or where.board:
                raise
            skipped.append(Row(target, skipped=error.problems[0].what))
    if not out:
        found = "; ".join(f"{row.where}: {row.skipped}" for row in skipped)
        found = found or f"{', '.join(where.isas)} for {', '.join(wanted)}"
        need = "; ".join(f"{', '.join(isas)} for {target}" for target, isas in kinds.items())
        raise RunError("there is nothing to run", where="--isa", found=found, need=need)
    return out, skipped


def _elsewhere(board: str, target: str, model: Path, isa: str, shapes: Sequence[Shape]) -> Place:
    chain = toolchain.mips(msa=target == "mips-msa")
    return places.board(board, chain, model, isa, shapes) if board else places.qemu(chain, model, isa, shapes)


def program_of(model: Path) -> Program | None:
    """The program of a `.mgk`, or of the one beside a `.bin` if it is of the same model; None without one."""
    found = stored(model)
    return found[0] if found else None


def stored(model: Path) -> tuple[Program, Plan] | None:
    """As `program_of`, with the memory where."""
    beside = model.with_suffix(".mgk")
    for path in dict.fromkeys((model, beside)):
        if path.exists() and b"PROG" in container.read(path.read_bytes(), str(path))[0]:
            return unpack.read(path) if crc_of_file(path) == crc_of_file(model) else None
    return None


def crc_of_file(model: Path) -> str:
    """CRC-32 of what the runtime reads of a model file: the same for a `.bin` and its `.mgk`."""
    sections, _ = container.read(model.read_bytes(), str(model))
    crc = 0
    for kind in sorted(sections.keys() - {b"PROG"}):
        crc = zlib.crc32(kind + sections[kind], crc)
    return f"{crc:08x}"


def random_inputs(net: Net, count: int, seed: int = 0) -> list[bytes]:
    """Samples of stored inputs: every code with the same chance, floats normal; the same for the same seed."""
    out = []
    for sample in range(count):
        rng = np.random.default_rng([seed, sample])
        out.append(b"".join(_random(port, rng).tobytes() for port in net.inputs))
    return out


def _random(port: Port, rng: np.random.Generator) -> np.ndarray:
    dtype = DTYPES[port.dtype]
    if dtype.kind == "f":
        return rng.normal(0, 1, port.board_shape).astype(dtype)
    top = 2 if port.dtype == "bool" or not port.bits else 1 << port.bits  # integers without codes may be indices
    return rng.integers(0, top, port.board_shape).astype(dtype)


def save(golden: Golden, model: Path) -> Path:
    """Store digests beside the model file."""
    path = digests.path_of(model)
    files.write({path: digests.to_json(golden).encode()})
    return path
