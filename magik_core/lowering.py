"""What an operator's `lower` sees: the program under construction.

Each operator reads its ONNX node through `Lowering` and emits steps. Tensors come in the storage that
the operator asks for (u8 or f32, an axis order); conversions appear where needed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from magik_core import layout, limits, numerics
from magik_core.errors import LowerError, Problem, QuantizeError
from magik_core.graph import limited
from magik_core.layout import Axes
from magik_core.ops import Op
from magik_core.ops.dequantize import Dequantize
from magik_core.ops.quantize import Quantize
from magik_core.ops.reshape import Reshape
from magik_core.ops.store import Store
from magik_core.ops.transpose import Transpose
from magik_core.program import CODES, DTYPES, Program, QuantParams, Step, Tensor
from magik_core.source import Quantization, Source

STORAGE = {
    ir.DataType.FLOAT: "f32",
    ir.DataType.INT64: "s32",
    ir.DataType.INT32: "s32",
    ir.DataType.BOOL: "bool",
    ir.DataType.UINT8: "u8",
}


NUMBERS = QuantParams(1.0, 0.0)  # codes of a UINT8 input are its numbers


class Lowering(Source):
    """The program under construction, and what an operator's `lower` may ask of it."""

    def __init__(self, model: ir.Model, quantization: Quantization, ops: Mapping[str, type[Op]]) -> None:
        super().__init__(model, quantization)
        self._ops = ops
        self.tensors: dict[str, Tensor] = {}
        self.steps: list[Step] = []
        self.done: set[str] = set()  # nodes that an earlier one took over
        self._values: dict[str, Tensor] = {}  # source value -> where it is now
        self._made: dict[Hashable, Tensor] = {}  # a constant or a conversion, by what it is made of
        self._written: list[str] = []  # tensors that are outputs of the program
        self.problems: list[Problem] = []  # of the inputs
        for value in self.graph.inputs:
            self._input(value)

    # ---- tensors in the storage that is wanted --------------------------------------------------

    def fuse_clip(self, node: ir.Node) -> tuple[ir.Value, float, float]:
        """Take over a Relu or Clip that alone reads the node: (value to write, low, high)."""
        y = node.outputs[0]
        user = self.sole_consumer(y)
        if user is None or limited(user) is not node or user.inputs[0] is not y:
            return y, -np.inf, np.inf
        floats = self.quantization.float_nodes
        if (user.name in floats) != (node.name in floats):
            return y, -np.inf, np.inf
        low, high = 0.0, np.inf
        if user.op_type == "Clip":
            bounds = [self.constant(user, i) for i in (1, 2)]
            low = -np.inf if bounds[0] is None else float(bounds[0].reshape(()))
            high = np.inf if bounds[1] is None else float(bounds[1].reshape(()))
        self.done.add(user.name or "")
        return user.outputs[0], low, high

    def take(self, node: ir.Node, index: int, dtype: str | None = None, axes: Axes | None = None) -> Tensor:
        """An input of a node in the given storage and axis order (as it is where None)."""
        value = node.inputs[index]
        assert value is not None
        if value.const_value is not None:
            t = self._constant(value, dtype)
        else:
            t = self._values[value.name or ""]
            if dtype is not None and t.dtype != dtype:
                t = self._convert(value, t, dtype)
        return t if axes is None else self.relayout(t, axes)

    def codes(self, value: ir.Value) -> Tensor:
        """An activation of the source in codes."""
        t = self._values[value.name or ""]
        return t if t.dtype in CODES else self._convert(value, t, self.quant(value).dtype)

    def wide(self, t: Tensor) -> Tensor:
        """The codes of an activation in u16."""
        return t if t.dtype == "u16" else self._cached(t, Store("u16"), replace(t, name=f"{t.name}/u16", dtype="u16"))

    def relayout(self, t: Tensor, axes: Axes) -> Tensor:
        """The same tensor with its axes in another order; bytes move only if they must."""
        if t.axes == axes:
            return t
        perm = layout.permutation(t.axes, axes)
        shape = tuple(t.shape[p] for p in perm)
        y = replace(t, name=f"{t.name}/{''.join(map(str, perm))}", shape=shape, axes=axes)
        if t.data is not None:
            data = np.ascontiguousarray(t.data.transpose(perm))
            return self._kept((t.name, perm), replace(y, data=data))
        op = Reshape.between(t.shape, shape) if layout.is_same_memory(t.shape, perm) else Transpose(perm)
        return self._cached(t, op, y)

    def aligned(self, node: ir.Node, indices: Sequence[int], dtype: str, y: ir.Value) -> list[Tensor]:
        """Inputs of a broadcasting node with the rank of its output and one axis order."""
        rank = len(self.shape(y))
        found = [self.widen(self.take(node, i, dtype), rank) for i in indices]
        best = max(found, key=lambda t: (t.data is None, t.count))
        return [self.relayout(t, best.axes) for t in found]

    def widen(self, t: Tensor, rank: int) -> Tensor:
        """Prepend source axes of size 1."""
        more = rank - len(t.shape)
        if more == 0:
            return t
        axes = (*range(more), *(a + more for a in t.axes))
        shape = (1,) * more + t.shape
        wide = replace(t, name=f"{t.name}/{rank}", shape=shape, axes=axes)
        if t.data is not None:
            return self._kept((t.name, rank), replace(wide, data=t.data.reshape(shape)))
        return self._cached(t, Reshape.between(t.shape, shape), wide)

    def add(self, name: str, data: np.ndarray, dtype: str, quant: Any = None) -> Tensor:
        """A constant of the program in stored order."""
        return self._add(
            Tensor(
                self._unique(name),
                dtype,
                tuple(data.shape),
                quant,
                np.asarray(data, order="C"),
                layout.source_order(data.ndim),
            )
        )

    # ---- what comes out -------------------------------------------------------------------------

    def emit(
        self,
        node: ir.Node,
        op: Op,
        inputs: Sequence[Tensor],
        y: ir.Value,
        *,
        dtype: str | None = None,
        axes: Axes | None = None,
        name: str | None = None,
        quant: QuantParams | None = None,
    ) -> Tensor:
        """Append a step that computes source value `y`, stored as `dtype` in the order `axes`.

        By default both are those of the first input; a u16 whose codes have 8 bits is narrowed to u8. `name`
        makes an intermediate tensor instead; its codes mean what those of the first input do, unless `quant`
        says otherwise.
        """
        first = inputs[0]
        dtype, axes = dtype or first.dtype, first.axes if axes is None else axes
        (shape,) = op.shape(*(t.shape for t in inputs))
        quant = quant or first.quant  # type: ignore[assignment]
        if dtype != first.dtype or (name is None and y.name in self.quantization.values):
            quant = self.quant(y) if dtype in CODES else None
        quant = quant if dtype in CODES else None
        t = Tensor(self._unique(name or self._name_for(y, dtype, quant)), dtype, shape, quant, None, axes)
        self._step(node.name or "", op, inputs, t)
        t = t if name else self._narrow(node, y, t)
        if name is None:
            want = layout.stored(self.shape(y), axes)
            assert shape == want, f"{node.op_type} '{node.name}': shape {shape}, the graph says {want}"
            is_rounded = t.dtype == "f32" and node.name in self.quantization.rounded_nodes
            self._values[y.name or ""] = self._convert(y, t, self.quant(y).dtype) if is_rounded else t
        return t

    def emit_many(
        self,
        node: ir.Node,
        op: Op,
        inputs: Sequence[Tensor],
        axes: Sequence[Axes],
        storage: Sequence[tuple[str, QuantParams | None]] = (),
    ) -> None:
        """Append a step that computes several outputs of a node, output i in the order axes[i].

        Each has its dtype and parameters from `storage`, f32 without one. One that the node leaves out is
        computed for nobody.
        """
        shapes = op.shape(*(t.shape for t in inputs))
        values = [*node.outputs, *[None] * (len(shapes) - len(node.outputs))]
        kinds = storage or [("f32", None)] * len(shapes)
        out = []
        for i, (shape, order, value, (dtype, quant)) in enumerate(zip(shapes, axes, values, kinds, strict=True)):
            is_read = value is not None and bool(value.name)
            name = self._name_for(value, dtype, quant) if value is not None and is_read else f"{node.name}/{i}"
            out.append(Tensor(self._unique(name), dtype, shape, quant, None, order))
        self._step(node.name or "", op, inputs, *out)
        for t, value in zip(out, values, strict=True):
            if value is not None and value.name:
                want = layout.stored(self.shape(value), t.axes)
                assert t.shape == want, f"{node.op_type} '{node.name}': shape {t.shape}, the graph says {want}"
                self._values[value.name] = self._narrow(node, value, t)

    def _name_for(self, y: ir.Value, dtype: str, quant: QuantParams | None) -> str:
        """Name of the tensor that a step writes for source value `y`, which may still be narrowed."""
        return f"{y.name}/u16" if dtype == "u16" and quant is not None and quant.bits <= 8 else y.name or ""

    def _narrow(self, node: ir.Node, y: ir.Value, t: Tensor) -> Tensor:
        """Codes of u16 in u8, where they have 8 bits."""
        if t.dtype != "u16" or not isinstance(t.quant, QuantParams) or t.quant.bits > 8:
            return t
        narrow = replace(t, name=self._unique(y.name or ""), dtype="u8")
        self._step(node.name or "", Store("u8"), [t], narrow)
        return narrow

    def rename(self, t: Tensor, y: ir.Value, axes: Axes) -> None:
        """Say that source value `y` is what `t` holds, its axes lying in the order `axes`."""
        self._values[y.name or ""] = replace(t, axes=axes)

    def quantize_weights(self, node: ir.Node, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """(codes of int8 or int16, scales, bits) of a node's weights (channels, k)."""
        assert self.quantization.weights is not None
        codes, scales = self.quantization.weights(node.name or "", w)
        return codes, scales, self.quantization.weight_bits.get(node.name or "", 8 * codes.itemsize)

    def lower(self, node: ir.Node) -> None:
        op = self._ops.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if op is None:
            kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise LowerError(
                "no kernel for an operator",
                where=f"node '{node.name}'",
                found=kind,
                need="an operator of docs/ops.md",
                hint="cut the graph before it with OUTPUT",
            )
        limits.check_node(node, op)
        op.lower(node, self)

    def assume(self, node: ir.Node) -> None:
        """Go on as if a node that was refused had been lowered."""
        for value in (v for v in node.outputs if v.name):  # one without a name is left out
            shape = self.shape(value)
            axes = layout.channels_last(len(shape)) if len(shape) == 4 else layout.source_order(len(shape))
            dtype = STORAGE.get(value.dtype or ir.DataType.FLOAT, "f32")
            quant = self.quantization.codes(value.name)
            kind = quant.dtype if quant else dtype
            t = Tensor(value.name or "", kind, layout.stored(shape, axes), quant, None, axes)
            self._values[t.name] = self._add(t)

    def program(self, name: str) -> Program:
        """The finished program, without steps that nothing needs."""
        entries = {after: self.tensors[before] for before, after in self.carried.items()}
        outputs = tuple(self._output(v, entries.get(v.name or "")) for v in self.graph.outputs)
        source = {t: v.name or "" for t, v in zip(outputs, self.graph.outputs, strict=True)}
        needed = set(outputs)
        steps: list[Step] = []
        for step in reversed(self.steps):
            if needed.intersection(step.outputs):
                needed.update((*step.inputs, *step.outputs))
                steps.append(step)
        inputs = tuple(v.name or "" for v in self.graph.inputs)
        kept = {n: t for n, t in self.tensors.items() if n in needed or n in inputs}
        return Program(name, kept, tuple(reversed(steps)), inputs, outputs, source)

    # ---- inside ---------------------------------------------------------------------------------

    def _input(self, value: ir.Value) -> None:
        shape, name = self.shape(value), value.name or ""
        dtype = STORAGE.get(value.dtype or ir.DataType.FLOAT)
        if dtype is None:
            what, need = "an input has a type that no kernel reads", ", ".join(t.name for t in STORAGE)
            self.problems.append(Problem(what, f"input '{name}'", str(value.dtype), need))
            dtype = "f32"
        if found := limits.oversize(shape):
            self.problems.append(Problem("an input is too large", f"input '{name}'", *found))
        axes = layout.channels_last(len(shape)) if len(shape) == 4 else layout.source_order(len(shape))
        users = [use.node for use in value.uses()]
        if users and all(u.op_type == "Transpose" and self.attribute(u, "perm") == (0, 3, 1, 2) for u in users):
            axes = layout.source_order(4)
        quant = self.quantization.codes(name) if dtype == "f32" else NUMBERS if dtype == "u8" else None
        t = Tensor(name, quant.dtype if quant else dtype, layout.stored(shape, axes), quant, None, axes)
        self._values[name] = self._add(t)

    def _output(self, value: ir.Value, entry: Tensor | None = None) -> str:
        """The tensor of an output: images channels-last, others in source order, in storage of its own.

        Args: entry: the input as which it comes back; it is stored as that is then.
        """
        t = self._values[value.name or ""]
        rank = len(t.axes)
        if entry is not None:
            t = self.relayout(self._as_stored(value, t, entry), entry.axes)
        elif t.axes not in (layout.source_order(rank), layout.channels_last(rank)):
            t = self.relayout(t, layout.channels_last(rank) if rank == 4 else layout.source_order(rank))
        is_input = t.name in {v.name for v in self.graph.inputs}
        if is_input or t.data is not None or t.name in self._written or self.tensors[t.name].axes != t.axes:
            t = self._copy(t, value)
        self._written.append(t.name)
        return t.name

    def _as_stored(self, value: ir.Value, t: Tensor, entry: Tensor) -> Tensor:
        """An output in the dtype and the codes of the input as which it comes back."""
        if (t.dtype, t.quant) == (entry.dtype, entry.quant):
            return t
        if t.dtype in CODES:
            t = self._convert(value, t, "f32")
        if entry.dtype not in CODES:
            return t
        state = replace(t, name=f"{value.name}/state", dtype=entry.dtype, quant=entry.quant)
        return self._cached(t, Quantize(), state)

    def _copy(self, t: Tensor, value: ir.Value) -> Tensor:
        y = replace(t, name=self._unique((value.name or "") + "/out"), data=None)
        self._step("", Reshape.between(t.shape, t.shape), [t], y)
        return y

    def _constant(self, value: ir.Value, dtype: str | None) -> Tensor:
        assert value.const_value is not None
        data = value.const_value.numpy()
        kind = dtype or STORAGE[ir.DataType.from_numpy(data.dtype)]
        key = (value.name, kind)
        if key in self._made:
            return self._made[key]
        quant = None
        known = self.quantization.constants.get(value.name or "")
        bits = 8 * DTYPES[kind].itemsize
        if kind in CODES and known is not None and known.fits(bits):
            quant, data = known.unsigned(bits)
        elif kind in CODES:
            quant = numerics.params_of_range(float(data.min()), float(data.max()), bits)
            data = numerics.quantize(data, quant)
        elif kind == "s32":
            data = np.clip(data, -(2**31), 2**31 - 1).astype(np.int32)
        else:
            data = data.astype({"f32": np.float32, "bool": np.uint8}[kind])
        data, order = np.asarray(data, order="C"), layout.source_order(data.ndim)
        return self._kept(key, Tensor(f"{value.name}/{kind}", kind, tuple(data.shape), quant, data, order))

    def _convert(self, value: ir.Value, t: Tensor, dtype: str) -> Tensor:
        name = f"{value.name}/{dtype}"
        if t.dtype in CODES and dtype == "f32":
            return self._cached(t, Dequantize(), replace(t, name=name, dtype="f32", quant=None))
        if t.dtype == "f32" and dtype in CODES:
            return self._cached(t, Quantize(), replace(t, name=name, dtype=dtype, quant=self.quant(value)))
        if t.dtype in CODES and dtype == "u16":
            return self._cached(t, Store(dtype), replace(t, name=name, dtype=dtype))
        raise LowerError(
            "a tensor has a type that its reader cannot take", where=f"value '{value.name}'", found=t.dtype, need=dtype
        )

    def _cached(self, t: Tensor, op: Op, y: Tensor) -> Tensor:
        """The conversion of `t` to `y`, computed once; how the axes are called is the reader's affair."""
        key = (t.name, op, y.shape, y.dtype, y.quant)
        if key not in self._made:
            self._made[key] = replace(y, name=self._unique(y.name))
            self._step("", op, [t], self._made[key])
        return replace(self._made[key], axes=y.axes)

    def _kept(self, key: Hashable, y: Tensor) -> Tensor:
        """A constant of the program, stored once."""
        if key not in self._made:
            self._made[key] = self._add(replace(y, name=self._unique(y.name)))
        return replace(self._made[key], axes=y.axes)

    def _step(self, name: str, op: Op, inputs: Sequence[Tensor], *y: Tensor) -> None:
        for t in y:
            self._add(t)
        try:
            op.params(tuple(inputs), y)
            op.tables(tuple(inputs), y)
        except QuantizeError as e:
            where = f"node '{name or y[0].name}'"
            raise LowerError(problems=[replace(problem, where=where) for problem in e.problems]) from None
        self.steps.append(Step(name or y[0].name, op, tuple(t.name for t in inputs), tuple(t.name for t in y)))

    def _add(self, t: Tensor) -> Tensor:
        self.tensors[t.name] = t
        return t

    def _unique(self, name: str) -> str:
        out, n = name, 1
        while out in self.tensors:
            out, n = f"{name}/{n}", n + 1
        return out
