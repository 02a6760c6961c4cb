"""Run a program in the runtime, as it is or with every value replaced by the float model's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from magik_core import container, numerics, pack
from magik_core.debugging.sites import stored, values_of
from magik_core.net import Net, encode
from magik_core.plan import plan
from magik_core.program import Program, QuantParams, Tensor

Arrays = Mapping[str, np.ndarray]
NO_GRIDS: Mapping[str, QuantParams] = MappingProxyType({})


class Rig:
    """A program ready to run, one step at a time."""

    def __init__(
        self, model: ir.Model, program: Program, threads: int = 1, grids: Mapping[str, QuantParams] = NO_GRIDS
    ) -> None:
        """Args: grids: of values that are quantized though their tensors are f32."""
        placed = plan(program)
        sections, _ = pack.sections_of(program, placed)
        self._net = Net(container.write(sections, placed.arena_bytes), name=program.name, threads=threads)
        self._program, self.grids = program, grids
        self._values = {name: v.name or "" for name, v in values_of(model, program).items()}

    @property
    def values(self) -> set[str]:
        """Names of the values that `run` can replace."""
        written = {name for step in self._program.steps for name in step.outputs}
        return {value for name, value in self._values.items() if name in written}

    def run(self, feeds: Arrays, floats: Arrays | None = None) -> Iterator[tuple[Tensor, np.ndarray]]:
        """The inputs and every tensor that a step writes, with its array, which the next step may overwrite.

        Args:   feeds: per input, in the source's terms; floats: values of the float model that later steps read in
                the place of what was computed, so that each layer stands alone.
        """
        net, program = self._net, self._program
        inputs = [encode(p, np.asarray(feeds[p.name])) for p in net.inputs]
        net.feed_stored(b"".join(x.tobytes() for x in inputs))
        yield from zip((program.tensors[name] for name in program.inputs), inputs, strict=True)
        for step, ran in zip(program.steps, net.each_step(), strict=True):
            for t, y in zip(program.writes(step), ran.outputs, strict=True):
                yield t, y
            if floats is not None:  # after all outputs were seen: they may share memory
                for t, y in zip(program.writes(step), ran.outputs, strict=True):
                    value = floats.get(self._values.get(t.name, ""))
                    if value is not None:
                        y[...] = self.on_grid(self._values[t.name], t, stored(value, t)).reshape(y.shape)

    def on_grid(self, value: str, t: Tensor, y: np.ndarray) -> np.ndarray:
        """What a tensor holds, put on the grid of its value where it has one."""
        grid = self.grids.get(value)
        return y if grid is None or t.dtype != "f32" else numerics.dequantize(numerics.quantize(y, grid), grid)
