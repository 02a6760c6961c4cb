"""Write a program as a model file; docs/model-format.md specifies every byte, `load.c` reads it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

import numpy as np

from magik_core import container
from magik_core.container import DATA_ALIGNMENT, DTYPE_CODES
from magik_core.library import COLOR_CODES
from magik_core.plan import Plan
from magik_core.program import DTYPES, MAX_DIMS, Program, QuantParams, Tensor
from magik_core.share import overwritable
from magik_core.stored import program_to_json


def pack(program: Program, plan: Plan, *, names: bool) -> bytes:
    """Bytes of the model file.

    Args:   names: keep names and the program's description (the PC's `.mgk`), or strip them (the board's `.bin`).
    Raises: PackError: the program is larger than the format holds.
    """
    container.check_size(plan.arena_bytes)
    sections, index = sections_of(program, plan)
    if names:
        text = json.dumps(program_to_json(program, plan, index), sort_keys=True, separators=(",", ":"))
        sections.append((b"PROG", text.encode()))
    return container.write(sections, plan.arena_bytes)


def sections_of(program: Program, plan: Plan) -> tuple[list[tuple[bytes, bytes]], dict[str, int]]:
    """(kind, bytes) of the sections that the runtime reads, and the record of each tensor."""
    writer = _Writer(program, plan)
    return writer.sections(), writer.index


class _Writer:
    """Collects the records of one program."""

    def __init__(self, program: Program, plan: Plan) -> None:
        self.program, self.plan = program, plan
        self.index: dict[str, int] = {}  # tensor name -> record
        self._tensors: list[bytes] = []
        self._data = bytearray()
        self._shared: dict[bytes, int] = {}  # equal constants are stored once
        self._strings = bytearray()
        self._string_at: dict[str, int] = {}
        self._list: list[int] = []
        self._params: list[bytes] = []
        self._words = 0
        self._steps: list[bytes] = []

    def sections(self) -> list[tuple[bytes, bytes]]:
        program = self.program
        for name, t in program.tensors.items():
            self.index[name] = self._tensor(t)
        for step in program.steps:
            self._step(step.op, program.reads(step), program.writes(step))
        ports = [(name, 0, COLOR_CODES.index(program.colors.get(name, ""))) for name in program.inputs]
        ports += [(name, 1, 0) for name in program.outputs]
        port = b"".join(
            struct.pack("<4I", self.index[n], self._string(program.source.get(n, n)), *rest) for n, *rest in ports
        )
        state = b"".join(
            struct.pack(
                "<3I", self.index[s.before], self.index[s.after], self._string(program.source.get(s.before, s.before))
            )
            for s in program.states
        )
        return [
            (b"TENS", b"".join(self._tensors)),
            (b"STEP", b"".join(self._steps)),
            (b"LIST", np.array(self._list, "<u4").tobytes()),
            (b"PARM", b"".join(self._params)),
            (b"PORT", port),
            *([(container.STATES, state)] if state else []),
            (b"STRS", bytes(self._strings)),
            (b"DATA", bytes(self._data)),
        ]

    def _tensor(self, t: Tensor) -> int:
        q = t.quant if isinstance(t.quant, QuantParams) else None
        offset = self.plan.offsets[t.name] if t.data is None else self._constant(t)
        words = (DTYPE_CODES[t.dtype], len(t.shape), int(t.is_constant), offset, t.nbytes, q.bits if q else 0)
        floats = (q.scale, q.zero_point) if q else (0.0, 0.0)
        axes = t.axes or tuple(range(len(t.shape)))
        self._tensors.append(struct.pack("<6I2f8i8i", *words, *floats, *_eight(t.shape), *_eight(axes)))
        return len(self._tensors) - 1

    def _constant(self, t: Tensor) -> int:
        assert t.data is not None
        data = np.ascontiguousarray(t.data, DTYPES[t.dtype]).tobytes()
        if data not in self._shared:
            self._data += b"\0" * (-len(self._data) % DATA_ALIGNMENT)
            self._shared[data] = len(self._data)
            self._data += data
        return self._shared[data]

    def _step(self, op: object, x: tuple[Tensor, ...], y: tuple[Tensor, ...]) -> None:
        from magik_core.ops import Op

        assert isinstance(op, Op)
        inputs = [self.index[t.name] for t in x]
        for i, table in enumerate(op.tables(x, y)):
            inputs.append(self._tensor(_table(f"{y[0].name}/table{i}", table)))
        outputs = [self.index[t.name] for t in y]
        words = op.params(x, y).words().tobytes()
        at = len(self._list)
        self._list += [*inputs, *outputs]
        lists = at, len(inputs), at + len(inputs), len(outputs)
        rest = self._words, len(words) // 4, sum(1 << i for i in overwritable(op, x))
        self._steps.append(struct.pack("<8I", self._string(op.kernel(x, y)), *lists, *rest))
        self._params.append(words)
        self._words += len(words) // 4

    def _string(self, text: str) -> int:
        if text not in self._string_at:
            self._string_at[text] = len(self._strings)
            self._strings += text.encode().replace(b"\0", b"?") + b"\0"
        return self._string_at[text]


def _table(name: str, table: np.ndarray) -> Tensor:
    kind = next(name for name, dtype in DTYPES.items() if dtype == table.dtype)
    return Tensor(name, kind, tuple(table.shape), None, table)


def _eight(values: Iterable[int]) -> tuple[int, ...]:
    out = tuple(values)
    return out + (0,) * (MAX_DIMS - len(out))
