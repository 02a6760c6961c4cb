"""Run a model file on this machine with the runtime that the board uses."""

from __future__ import annotations

import ctypes as c
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magik_core import layout, numerics
from magik_core.container import DTYPE_NAMES, too_new
from magik_core.errors import LoadError, PackError, Problem, RunError, short
from magik_core.library import COLOR_CODES, ISAS, CFault, CMeaning, CParallel, choosable, library
from magik_core.limits import check_threads, is_size
from magik_core.program import DTYPES, MAX_DIMS, QuantParams, Shape

Array = np.ndarray
TOO_NEW = -2  # MAGIK_TOO_NEW of magik.h
LAYOUTS = {(0, 2, 3, 1): "NHWC", (0, 1, 2, 3): "NCHW", (0, 2, 1): "NLC"}


@dataclass(frozen=True)
class Port:
    """An input or output.

    Args:
        shape: in the source model's axis order; board_shape: as stored on the board.
        dtype: of the board's tensor; scale, zero_point: of its codes (0 without quantization).
        axes: stored axis i is source axis axes[i]; layout: its name.
    """

    name: str
    shape: Shape
    board_shape: Shape
    dtype: str
    scale: float
    zero_point: float
    bits: int
    axes: tuple[int, ...]
    color: str = ""  # "RGB", "BGR" or "GRAY" of an image input

    @property
    def layout(self) -> str:
        """ "NHWC", "NLC", or the stored order of the source's axes."""
        if self.axes == layout.source_order(len(self.axes)) and len(self.axes) != 4:
            return "source"
        return LAYOUTS.get(self.axes, "".join(map(str, self.axes)))

    @property
    def quant(self) -> QuantParams | None:
        return QuantParams(self.scale, self.zero_point, self.bits) if self.bits else None


@dataclass(frozen=True)
class Ran:
    """A step that was run.

    Args: isa: kind of the kernel that was chosen; tensors: its outputs in the file; nanoseconds: it took.
    """

    kernel: str
    isa: str
    tensors: tuple[int, ...]
    outputs: tuple[Array, ...]
    nanoseconds: int


def load(path: str | Path, *, threads: int = 1, isa: str | None = None, library_path: str | None = None) -> Net:
    """Load a `.bin` or `.mgk`.

    Args:   threads: how many to run on; isa: the fastest kind of kernels to use, one of ISAS, by default the
            fastest that this machine has. The results are the same for any of both.
    Raises: LoadError: the file is missing, damaged, of another kind, or needs a newer magik.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        found, need = error.strerror or str(error), "a .bin or .mgk that magik convert has written"
        raise LoadError("a model file cannot be read", where=str(path), found=found, need=need) from error
    return Net(data, name=str(path), threads=threads, isa=isa, library_path=library_path)


def check_loads(data: bytes, steps: Sequence[str]) -> None:
    """Hold a model file that is to be written against the loader: what it refuses, no board would run.

    Raises: PackError: the loader refuses it; says at which of `steps`.
    """
    lib, fault, net = library(None), CFault(0, -1, -1), c.c_void_p()
    file = _aligned(len(data))
    file[:] = np.frombuffer(data, np.uint8)
    memory = _aligned(max(lib.magik_net_bytes(file.ctypes.data, file.nbytes), 64))
    place = memory.ctypes.data, memory.nbytes
    status = lib.magik_load(c.byref(net), file.ctypes.data, file.nbytes, *place, c.byref(fault))
    if status != 0:
        where = f"node '{steps[fault.step]}'" if 0 <= fault.step < len(steps) else ""
        raise PackError("the runtime would refuse the model", where=where, found=lib.magik_phrase(status).decode())


class Net:
    """A loaded model: it owns its memory, its states too, and belongs to one thread at a time."""

    def __init__(
        self,
        data: bytes,
        *,
        name: str = "model",
        threads: int = 1,
        isa: str | None = None,
        library_path: str | None = None,
    ) -> None:
        check_threads(threads)
        self._lib = library(library_path)
        self._pool = None
        self._data = _aligned(len(data))
        self._data[:] = np.frombuffer(data, np.uint8)
        self._net = self._load(name)
        if isa is not None:
            self._choose(isa)
        self._prepared = _aligned(self._lib.magik_prepared_bytes(self._net))
        self._lib.magik_prepare(self._net, self._prepared.ctypes.data, self._prepared.nbytes)
        self._threads = threads
        self._parallel: CParallel | None = None
        if threads > 1:
            self._start(threads)
        lib = self._lib
        self._in = [lib.magik_input(self._net, i) for i in range(lib.magik_inputs(self._net))]
        self._out = [lib.magik_output(self._net, i) for i in range(lib.magik_outputs(self._net))]
        self._states = [lib.magik_state(self._net, i) for i in range(lib.magik_states(self._net))]
        self._give_arena()

    def _load(self, name: str) -> c.c_void_p:
        lib, fault, net = self._lib, CFault(0, -1, -1), c.c_void_p()
        where, size = self._data.ctypes.data, self._data.nbytes
        self._memory = _aligned(max(lib.magik_net_bytes(where, size), 64))
        memory = self._memory.ctypes.data, self._memory.nbytes
        status = lib.magik_load(c.byref(net), where, size, *memory, c.byref(fault))
        if status == TOO_NEW:
            raise too_new(int(self._data[12:16].view("<u4")[0]), name)
        if status != 0:
            at = f", step {fault.step}" * (fault.step >= 0) + f", tensor {fault.tensor}" * (fault.tensor >= 0)
            raise LoadError(
                "a model file is refused",
                where=name + at,
                found=lib.magik_phrase(status).decode(),
                need="a .bin or .mgk as `magik convert` writes them",
            )
        return net

    def _give_arena(self) -> None:
        """Memory for the sizes that the net has now, and the ports that follow from them."""
        self._arena = _aligned(self._lib.magik_arena_bytes(self._net, self._threads))
        self._lib.magik_set_arena(self._net, self._arena.ctypes.data, self._arena.nbytes, self._threads)
        self.inputs = tuple(self.port(i) for i in self._in)
        self.outputs = tuple(self.port(i) for i in self._out)
        self.states = tuple(self.port(i) for i in self._states)  # carried from run to run

    def _choose(self, isa: str) -> None:
        """Kernels of kind `isa` and those that it builds on."""
        have = choosable(self._lib)
        if isa not in have or self._lib.magik_set_isas(self._net, _mask(isa)) != 0:
            raise RunError("this machine has no such kernels", found=isa, need=f"one of: {', '.join(have)}")

    def _start(self, threads: int) -> None:
        self._pool = self._lib.magik_threads_start(threads)
        if not self._pool:
            raise RunError("threads cannot be started", found=str(threads), hint="ask for fewer threads")
        self._parallel = CParallel()
        self._lib.magik_threads_parallel(self._pool, c.byref(self._parallel))

    def __del__(self) -> None:
        if getattr(self, "_pool", None):
            self._lib.magik_threads_stop(self._pool)

    def port(self, index: int, name: str | None = None) -> Port:
        """Description of a tensor of the file."""
        t, m = self._lib.magik_tensor(self._net, index).contents, CMeaning()
        self._lib.magik_meaning(self._net, index, c.byref(m))
        stored, axes = tuple(t.dims[: t.rank]), tuple(m.axes[: t.rank])
        if sorted(axes) != list(range(t.rank)):
            axes = layout.source_order(t.rank)
        return Port(
            name or m.name.decode(errors="replace"),
            layout.logical(stored, axes),
            stored,
            DTYPE_NAMES[t.dtype],
            m.scale,
            m.zero_point,
            m.bits,
            axes,
            COLOR_CODES[m.color],
        )

    def run(self, feeds: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Run on arrays in the source model's terms.

        Args:    feeds: per input name (or one array): floats in the source's axis order, raw pixels where MEAN
                 and NORMAL were folded in; or codes in the board's layout, dtype of the board's tensor. A NaN or an
                 infinity has no code; an input that is f32 on the board takes them.
        Returns: per output name f32 arrays (integers stay integers) in the source's axis order.
        Raises:  RunError: names, shapes, dtypes or values that do not fit, all at once.
        """
        codes = self.run_quantized(feeds)
        out = {}
        for p in self.outputs:
            y = codes[p.name] if p.quant is None else numerics.dequantize(codes[p.name], p.quant)
            out[p.name] = np.ascontiguousarray(y.transpose([p.axes.index(a) for a in range(len(p.axes))]))
        return out

    def run_quantized(self, feeds: Mapping[str, Array] | Array) -> dict[str, Array]:
        """Run and return the board's own tensors, in its layout and dtype."""
        self._feed(feeds)
        self._lib.magik_run(self._net, self._parallel and c.byref(self._parallel))
        return {p.name: self._read(i).copy() for p, i in zip(self.outputs, self._out, strict=True)}

    def reset(self) -> None:
        """Forget what earlier runs have left: every state is real zero again, as after loading."""
        self._lib.magik_reset(self._net)

    def trace(self, feeds: Mapping[str, Array] | Array) -> list[tuple[str, int, Array]]:
        """Run step by step: (kernel, index of the tensor in the file, its value) for every output of every step."""
        self._feed(feeds)
        return [(s.kernel, i, y.copy()) for s in self.each_step() for i, y in zip(s.tensors, s.outputs, strict=True)]

    def each_step(self) -> Iterator[Ran]:
        """Run step by step on what the inputs hold; the outputs are views that the next step may overwrite."""
        lib = self._lib
        for step in range(lib.magik_steps(self._net)):
            started = time.perf_counter_ns()
            lib.magik_run_step(self._net, step, self._parallel and c.byref(self._parallel))
            nanoseconds = time.perf_counter_ns() - started
            count = lib.magik_step_outputs(self._net, step)
            tensors = tuple(lib.magik_step_output(self._net, step, k) for k in range(count))
            kernel, isa = lib.magik_step_kernel(self._net, step).decode(), ISAS[lib.magik_step_isa(self._net, step)]
            yield Ran(kernel, isa, tensors, tuple(self._read(i) for i in tensors), nanoseconds)

    def feed_stored(self, data: bytes) -> None:
        """Fill the inputs with the board's own tensors, one after the other.

        Raises: RunError: they are of another size.
        """
        need = sum(self._read(i).nbytes for i in self._in)
        if len(data) != need:
            raise RunError("stored inputs have another size", found=f"{len(data)} bytes", need=f"{need} bytes")
        for index in self._in:
            view = self._read(index)
            view[...] = np.frombuffer(data[: view.nbytes], view.dtype).reshape(view.shape)
            data = data[view.nbytes :]

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernel of every step."""
        lib = self._lib
        return tuple(lib.magik_step_kernel(self._net, i).decode() for i in range(lib.magik_steps(self._net)))

    def reshape(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Give inputs other sizes; shapes and memory follow as on the board, and the tensors' contents are lost.

        Args:   shapes: per input name its shape in the source's axis order; inputs that are not named keep theirs.
        Raises: RunError: the model cannot have these sizes; the net then is as it was.
        """
        problems = [p for name, shape in shapes.items() for p in self._unfit(name, shape)]
        if problems:
            raise RunError(problems=problems)
        dims = np.zeros((max(len(self.inputs), 1), MAX_DIMS), np.int32)
        for row, p in zip(dims, self.inputs, strict=False):
            row[: len(p.axes)] = layout.stored(tuple(shapes.get(p.name, p.shape)), p.axes)
        fault = CFault(0, -1, -1)
        if self._lib.magik_reshape(self._net, dims.ctypes.data_as(c.POINTER(c.c_int32)), c.byref(fault)) != 0:
            raise self._misfit(fault, shapes)
        self._give_arena()

    def _unfit(self, name: str, shape: Sequence[int]) -> list[Problem]:
        """What is wrong with a shape by itself."""
        ports = {p.name: p for p in self.inputs}
        if name not in ports:
            return [Problem("an input has an unknown name", found=name, need=", ".join(ports))]
        sizes, axes = tuple(shape) if isinstance(shape, Iterable) else (), ports[name].axes
        if len(sizes) == len(axes) and all(map(is_size, sizes)):
            return []
        need = f"{len(axes)} sizes of 1 and above, as in {ports[name].shape}"
        return [Problem("an input cannot have this shape", f"input '{name}'", short(sizes if sizes else shape), need)]

    def _misfit(self, fault: CFault, shapes: Mapping[str, Sequence[int]]) -> RunError:
        lib = self._lib
        kernel = lib.magik_step_kernel(self._net, fault.step).decode() if fault.step >= 0 else ""
        named = {index: f"input '{p.name}'" for index, p in zip(self._in, self.inputs, strict=True)}
        at = f"step {fault.step} ({kernel})" if kernel else named.get(fault.tensor, f"tensor {fault.tensor}")
        asked = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        return RunError(
            "the model cannot have these input sizes",
            where=at,
            found=f"{asked}: {lib.magik_phrase(fault.status).decode()}",
            need="sizes that every operator takes, in less than 2 GiB",
        )

    @property
    def arena_bytes(self) -> int:
        return self._arena.nbytes

    def offset(self, index: int) -> int:
        """Where a tensor of the file lies in the arena, in bytes; not a constant."""
        return int(self._lib.magik_tensor(self._net, index).contents.data) - int(self._arena.ctypes.data)

    def _read(self, index: int) -> Array:
        """A view of a tensor in the arena."""
        t = self._lib.magik_tensor(self._net, index).contents
        dtype = DTYPES[DTYPE_NAMES[t.dtype]]
        start = self.offset(index)
        flat = self._arena[start : start + t.count * dtype.itemsize].view(dtype)
        return flat.reshape(tuple(t.dims[: t.rank]))

    def _feed(self, feeds: Mapping[str, Array] | Array) -> None:
        named = feeds if isinstance(feeds, Mapping) else {p.name: feeds for p in self.inputs[:1]}
        problems = [
            Problem("an input is missing", found=", ".join(map(str, named)) or "nothing", need=p.name)
            for p in self.inputs
            if p.name not in named
        ]
        problems += [
            Problem("an input has an unknown name", found=str(n), need=", ".join(p.name for p in self.inputs))
            for n in named
            if n not in {p.name for p in self.inputs}
        ]
        ready = []
        for p, index in zip(self.inputs, self._in, strict=True):
            if p.name in named:
                try:
                    ready.append((index, encode(p, np.asarray(named[p.name]))))
                except RunError as error:
                    problems += error.problems
                except ValueError as error:  # rows of several lengths
                    problems.append(Problem("an input is no array", f"input '{p.name}'", short(error)))
        if problems:
            raise RunError(problems=problems)
        for index, value in ready:
            self._read(index)[...] = value


def _mask(isa: str) -> int:
    """The kinds up to `isa`: 1 << their number."""
    below = {"portable": (), "fp64": (), "avx2": (), "vnni": ("avx2",), "msa": ("fp64",)}[isa]
    return sum(1 << ISAS.index(name) for name in {"portable", *below, isa})


def encode(p: Port, value: Array) -> Array:
    """An input array as the board's tensor.

    Raises: RunError: shape or dtype fit neither the source's terms nor the board's, or values have no code.
    """
    own = DTYPES[p.dtype]
    if p.quant is not None and value.dtype == own and value.shape == p.board_shape:
        return value
    if value.shape != p.shape:
        raise RunError(
            "an input has another shape",
            where=f"input '{p.name}'",
            found=str(value.shape),
            need=f"{p.shape}, or {p.dtype} {p.board_shape} in the board's layout",
        )
    if value.dtype.kind not in "fiub":
        raise RunError(
            "an input is not numbers", where=f"input '{p.name}'", found=str(value.dtype), need="floats or integers"
        )
    stored = value.transpose(p.axes)
    if p.quant is not None:
        with np.errstate(over="ignore"):
            reals = stored.astype(np.float32)
        bad = np.count_nonzero(~np.isfinite(reals))
        if bad:
            found, need = (
                f"{bad} of {reals.size} values are NaN, infinite or beyond f32",
                "numbers that codes stand for",
            )
            raise RunError("an input is not finite", where=f"input '{p.name}'", found=found, need=need)
        return numerics.quantize(reals, p.quant)
    if p.dtype == "bool":
        return (stored != 0).astype(own)
    if own.kind in "iu" and not _holds(own, stored):
        raise RunError(
            "an input does not fit its type",
            where=f"input '{p.name}'",
            found="values out of range or NaN",
            need=f"integers that {p.dtype} holds",
        )
    return stored.astype(own)


def _holds(dtype: np.dtype, values: Array) -> bool:
    limits = np.iinfo(dtype)
    return bool(np.all((values >= limits.min) & (values <= limits.max)))


def _aligned(size: int, alignment: int = 64) -> Array:
    """Zeroed bytes at an aligned address."""
    raw = np.zeros(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]
