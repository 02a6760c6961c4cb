"""Find the range of every activation: run the float graph on samples and watch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
import onnx
import onnx_ir as ir

from magik_core import freed, light
from magik_core.cells import Cell, cells
from magik_core.errors import DataError, GraphError, Problem, capped
from magik_core.quantizers import Quantizer
from magik_core.spelling import spell

Arrays = dict[str, np.ndarray]
Progress = Callable[[int, int], None]  # samples done, samples in all (0: unknown)
In = TypeVar("In")
Out = TypeVar("Out")


class Observer(Protocol):
    """Sees one value, sample after sample."""

    def observe(self, x: np.ndarray) -> None:
        """Take in one batch: f32, any shape, all finite. Nothing of `x` is kept."""


class FloatSession:
    """The float graph in onnxruntime, with any of its values as outputs.

    Every value is the one that ONNX defines: graph optimizations are off. One thread computes a run, so the
    bits do not depend on the machine's cores; `run` itself may be called from several threads.
    """

    def __init__(self, model: ir.Model, names: Sequence[str] | None = None) -> None:
        """Make a session for the values `names`; None: the outputs of the model."""
        import onnxruntime as ort

        proto, weights = light.to_proto(model)
        proto = spell(proto)
        inputs = {v.name for v in proto.graph.input} - set(weights)
        own = [v.name for v in proto.graph.output]
        self.names = tuple(own if names is None else dict.fromkeys(names))
        self._computed = [name for name in self.names if name not in inputs]
        proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in self._computed if n not in own)
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep twice of what the largest sample needs
        options.log_severity_level = 4  # its warnings are about the source model's spelling
        self._weights = {name: np.ascontiguousarray(w.numpy()) for name, w in weights.items()}  # not copied, as inputs
        try:
            self._session: Any = ort.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
        except Exception as error:  # its errors have no base of their own
            raise _cannot_run(error) from error
        self._dtypes = {i.name: _DTYPES[i.type] for i in self._session.get_inputs() if i.name not in weights}

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """The values for one sample; feeds are cast to the dtypes of the inputs."""
        typed = {name: np.asarray(feeds[name], dtype) for name, dtype in self._dtypes.items()}
        try:
            arrays = self._session.run(self._computed, {**self._weights, **typed}) if self._computed else ()
        except Exception as error:  # as above
            raise _cannot_run(error) from error
        out = dict(zip(self._computed, arrays, strict=True))
        return {name: out[name] if name in out else typed[name] for name in self.names}


def _cannot_run(error: Exception) -> GraphError:
    found = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    need = "a model that onnxruntime runs"
    return GraphError("the float model cannot be run to calibrate", found=found, need=need)


_DTYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
    **{f"tensor({u}int{b})": np.dtype(f"{u}int{b}").type for u in ("", "u") for b in (8, 16, 32, 64)},
}


def calibrate(
    model: ir.Model,
    samples: Iterable[Mapping[str, np.ndarray]],
    values: Mapping[str, int],
    method: Quantizer,
    *,
    others: Mapping[str, Observer] | None = None,
    progress: Progress | None = None,
    threads: int = 1,
) -> dict[str, tuple[float, float]]:
    """The range of each of `values`, given with the bits of its codes, over all samples, lo <= 0 <= hi.

    `others` are shown the values whose names they have, so that one pass over the samples serves all. Samples run on
    `threads` threads, are seen in order, and of at most that many the activations are held; the result is the same
    for any number.

    Raises: DataError: no samples; per sample, the first value that is not finite.
    """
    assert method.activation is not None, f"{method.name} is not for activations"
    estimators = {name: method.activation(bits) for name, bits in values.items()}
    over_time = {name: cell for name, cell in cells(model).items() if name in values}
    plain = [(name, estimator) for name, estimator in estimators.items() if name not in over_time]
    observers = [*plain, *(others or {}).items()]
    shown = [(estimators[name], cell) for name, cell in over_time.items()]
    watch(model, samples, observers, shown, progress=progress, threads=threads)
    return {name: estimator.range() for name, estimator in estimators.items()}


def watch(
    model: ir.Model,
    samples: Iterable[Mapping[str, np.ndarray]],
    observers: Iterable[tuple[str, Observer]],
    over_time: Sequence[tuple[Observer, Cell]] = (),
    *,
    progress: Progress | None = None,
    threads: int = 1,
) -> None:
    """Run all samples as `calibrate` does and show each observer the value whose name stands beside it.

    Args: over_time: observers that are shown all states c of an LSTM.
    Raises: DataError: as `calibrate`.
    """
    watching: dict[str, list[Observer]] = {}
    for name, observer in observers:
        watching.setdefault(name, []).append(observer)
    for _, cell in over_time:
        watching |= {name: watching.get(name, []) for name in cell.reads}
    freed.give_back()  # copies of the graph would stay beside the activations
    session = FloatSession(model, list(watching))
    problems: list[Problem] = []
    for index, arrays in enumerate(each_sample(session.run, samples, progress=progress, threads=threads)):
        bad = next((name for name, x in arrays.items() if not _is_finite(x)), None)
        if bad is None:
            for name, x in arrays.items():
                for observer in watching[name]:
                    observer.observe(x)
            for observer, cell in over_time:
                observer.observe(cell.over_time(arrays))
        else:
            problems.append(not_finite(f"value '{bad}'", index, arrays[bad]))
        arrays.clear()  # before the next sample runs
    del session
    freed.give_back()
    if problems:
        raise DataError(problems=capped(problems))


def each_sample(
    run: Callable[[In], Out], samples: Iterable[In], *, progress: Progress | None = None, threads: int = 1
) -> Iterator[Out]:
    """`run` of every sample, in order, at most `threads` of them at once.

    Raises: DataError: there are no samples.
    """
    total = len(samples) if isinstance(samples, Sized) else 0
    done = 0
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        waiting: deque[Future[Out]] = deque()
        source = iter(samples)
        while True:
            while len(waiting) < max(threads, 1):
                try:
                    waiting.append(pool.submit(run, next(source)))
                except StopIteration:
                    break
            if not waiting:
                break
            yield waiting.popleft().result()
            done += 1
            if progress:
                progress(done, total)
    if not done:
        raise DataError("there are no samples to calibrate with", found="0 samples", need="at least 1")


def _is_finite(x: np.ndarray) -> bool:
    """Whether all are; the extremes of an array with a NaN are NaN."""
    return not x.size or bool(np.isfinite(x.min()) and np.isfinite(x.max()))


def not_finite(where: str, sample: int, x: np.ndarray) -> Problem:
    """The problem of a float model that overflows on a sample. Args: where: the value or layer."""
    bad = int(np.count_nonzero(~np.isfinite(x)))
    return Problem(
        "an activation is not finite",
        where=f"{where}, sample {sample}",
        found=f"{bad} of {x.size} values are NaN or infinite",
        need="finite values in the float model",
        hint="check MEAN, NORMAL and COLOR: the float model itself overflows on this sample",
    )
