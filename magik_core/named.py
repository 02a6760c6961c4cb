"""Dumps of a board by the names of the network: what a `.mgk` says of each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from magik_core.dump_info import TENSORS, safe
from magik_core.dumps import Dump
from magik_core.errors import DataError
from magik_core.program import Program, Tensor
from magik_core.unpack import read


@dataclass(frozen=True)
class Place:
    """Output `output` of step `step`, and its tensor."""

    step: int
    output: int
    label: str
    tensor: Tensor


@dataclass(frozen=True)
class Names:
    """Layers by every name that a dump may have for them; without a model there are none."""

    places: Mapping[str, Place] = field(default_factory=dict)
    kernels: tuple[str, ...] = ()
    model: str = ""

    @staticmethod
    def read(path: str | Path) -> Names:
        """Of a `.mgk`.

        Raises: LoadError: it is none.
        """
        program, _ = read(path)
        return Names(_places(program), _kernels(program), str(path))

    def __len__(self) -> int:
        return len(self.kernels)

    def __bool__(self) -> bool:
        return bool(self.model)

    def place(self, dump: Dump) -> Place | None:
        """The layer of a dump.

        Raises: DataError: the dump is of a step that the model does not have.
        """
        if not self or dump.is_constant or dump.is_input:
            return None
        if dump.step >= 0:
            kernel = dump.name.partition("_")[2]
            if dump.step >= len(self.kernels) or self.kernels[dump.step] != kernel:
                found = self.kernels[dump.step] if dump.step < len(self.kernels) else f"{len(self.kernels)} steps"
                what, need = "a dump is of another model", f"{found} in {self.model}"
                raise DataError(what, where=str(dump.path), found=f"step {dump.step}, {kernel}", need=need)
            return self.places.get(f"{dump.name} {dump.part}")
        return self.places.get(dump.key)

    def key(self, dump: Dump) -> str:
        """What a dump has in common with others of its layer."""
        at = self.place(dump)
        return at.label if at is not None else dump.key

    label = key

    def step(self, key: str) -> int | None:
        at = self.places.get(key)
        return None if at is None else at.step

    def misfit(self, dump: Dump) -> str:
        """What of a dump, which is no constant, is not the model's; empty where nothing is known to be."""
        at = self.place(dump)
        if at is None:
            return f"{dump.key} is no layer of it"
        said = dump.tensor.dtype if dump.tensor is not None else at.tensor.dtype
        return (
            "" if said == at.tensor.dtype else f"{dump.key} is {said} in {TENSORS} and {at.tensor.dtype} in the model"
        )

    def tensor(self, dump: Dump) -> Tensor | None:
        at = self.place(dump)
        return None if at is None else at.tensor


def _kernels(program: Program) -> tuple[str, ...]:
    return tuple(step.op.kernel(program.reads(step), program.writes(step)) for step in program.steps)


def _places(program: Program) -> dict[str, Place]:
    """Names of nodes first, then of tensors and of the source's values; the last step of a node has its name."""
    last = {step.name: i for i, step in enumerate(program.steps)}
    out: dict[str, Place] = {}
    others: list[tuple[str, Place]] = []
    for i, (step, kernel) in enumerate(zip(program.steps, _kernels(program), strict=True)):
        for k, tensor in enumerate(program.writes(step)):
            part = f"out{k}" if k else ""
            own = safe(step.name if last[step.name] == i and step.name else tensor.name)
            at = Place(i, k, f"{own} ({part})" if part else own, tensor)
            out[f"{i}_{kernel} {part}"] = at
            out.setdefault(at.label, at)
            others += [(safe(name), at) for name in (tensor.name, program.source.get(tensor.name, "")) if name]
    for name, at in others:
        out.setdefault(name, at)
    return out
