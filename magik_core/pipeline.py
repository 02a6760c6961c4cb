"""From a source model to a model file: the stages in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx_ir as ir

from magik_core import calibrate, correct, equalize, pack, passes, plugins
from magik_core.config import Config
from magik_core.data_files import InputSpec
from magik_core.errors import UsageError
from magik_core.legalize import Finding, check_memory, legalize, stop_at_blockers, weight_bytes
from magik_core.legalize import check as check_program
from magik_core.lower import Quantization, lower
from magik_core.plan import Plan, check_plan, plan
from magik_core.prepare import prepare
from magik_core.program import Program
from magik_core.quantize import quantize, real_weights, values_to_calibrate
from magik_core.recipe import Recipe
from magik_core.samples import Samples, open_samples
from magik_core.verify import verify_graph, verify_program

Progress = Callable[[str, int, int], None]
Notes = Callable[[str], None]


def _silent(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Result:
    """What a conversion made.

    Args: program, plan: what was packed; outputs: the files written, none without an output path;
        findings: the chip's notices; calibration_samples: how many were read; seconds: it took.
    """

    model: str
    soc: str
    program: Program
    plan: Plan
    outputs: tuple[Path, ...]
    findings: tuple[Finding, ...]
    calibration_samples: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        p = self.program
        return sum(s.op.macs(p.reads(s), p.writes(s)) for s in p.steps)

    @property
    def float_steps(self) -> int:
        """Steps that compute in f32."""
        p = self.program
        return sum(s.op.kernel(p.reads(s), p.writes(s)).endswith("_f32") for s in p.steps)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "soc": self.soc,
            "outputs": [str(path) for path in self.outputs],
            "arena_bytes": self.plan.arena_bytes,
            "arena_lower_bound": self.plan.lower_bound,
            "weight_bytes": weight_bytes(self.program),
            "macs": self.macs,
            "steps": len(self.program.steps),
            "float_steps": self.float_steps,
            "calibration_samples": self.calibration_samples,
            "seconds": round(self.seconds, 3),
            "notices": len(self.findings),
            "warnings": list(self.warnings),
        }


def convert(
    model: str | Path | ir.Model,
    output: str | Path | None = None,
    *,
    config: Config | None = None,
    recipe: Recipe | None = None,
    frontend: str | None = None,
    is_float: bool = False,
    progress: Progress = _silent,
    notes: Notes = _silent,
    threads: int = 1,
    **keys: Any,
) -> Result:
    """Convert a model and write `OUT.bin` (the board's), `OUT.mgk` (the PC's) and `OUT.mk.h` (as a C array).

    Args:
        model: a source file, or a graph already loaded; output: their path, with or without a suffix.
        config, keys: `soc="T41"`, `calibration="images/"`, any key of the config file in lower case.
        recipe: instead of the one that the config asks for; is_float: every step in f32.
        progress: called with (stage, done, total); notes: with remarks, such as a pass that declines.
        threads: of the calibration; they change no byte.
    Raises: MagikError: of the stage that cannot go on, with all of its problems.
    """
    started = time.perf_counter()
    settings = _settings(config, keys)
    installed = plugins.load()
    soc = installed.soc(settings.soc)
    chosen = recipe or settings.recipe(is_float=is_float)
    graph = _graph(model, settings, frontend, notes)
    legalize(_rehearse(graph, chosen), soc)  # what is missing, before calibration
    samples = None if chosen.is_float else _samples(graph, settings)
    if chosen.equalize:
        notes(f"equalized {equalize.equalize(graph)} pairs of layers")
    graph, quantization = _quantization(graph, chosen, samples, progress, threads)
    name = Path(output).name if output else _stem(model)
    program = verify_program(lower(graph, quantization, name=_base(Path(name)).name, ops=installed.onnx_ops))
    findings = legalize(program, soc)
    placed = plan(program, soc.alignment)
    check_plan(program, placed)
    stop_at_blockers(check_memory(program, placed, soc), soc)
    paths = () if output is None else _write(program, placed, Path(output))
    count = 0 if samples is None else len(samples)
    seconds = time.perf_counter() - started
    return Result(
        _stem(model, keep=True), soc.name, program, placed, paths, findings, count, seconds, _warnings(program, chosen)
    )


def check(
    model: str | Path | ir.Model, *, config: Config | None = None, frontend: str | None = None, **keys: Any
) -> tuple[Finding, ...]:
    """Everything that keeps a model from running on a chip, and what its accelerator would not take.

    Raises: MagikError: the model cannot be read, or has nodes without a kernel (all of them are named).
    """
    settings = _settings(config, keys)
    installed = plugins.load()
    soc = installed.soc(settings.soc)
    graph = _graph(model, settings, frontend, _silent)
    program = _rehearse(graph, settings.recipe())
    return (*check_program(program, soc), *check_memory(program, plan(program, soc.alignment), soc))


def _rehearse(graph: ir.Model, recipe: Recipe) -> Program:
    """The program with every range [-1, 1]: its steps and storage are those of the calibrated one.

    Raises: LowerError: every node without a kernel.
    """
    installed = plugins.load()
    ranges = dict.fromkeys(values_to_calibrate(graph, recipe), (-1.0, 1.0))
    weight = installed.quantizer("MAX_ABS").weight
    return lower(graph, quantize(graph, ranges, recipe, weight), ops=installed.onnx_ops)


def _settings(config: Config | None, keys: Mapping[str, Any]) -> Config:
    named = {("quant_dataset_path" if k == "calibration" else k).upper(): v for k, v in keys.items() if v is not None}
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in named.items()}
    base = {} if config is None else {k: v for k, v in config.model_dump(by_alias=True).items() if v is not None}
    return Config.parse({**base, **plain})


def _graph(model: str | Path | ir.Model, settings: Config, frontend: str | None, notes: Notes) -> ir.Model:
    """The source model, cut, with static shapes, preprocessing at its head, and rewritten."""
    installed = plugins.load()
    if not isinstance(model, ir.Model):
        reader = installed.frontend(frontend) if frontend else installed.sniff(model)
        model = reader.load(Path(model), {})
    graph = prepare(
        model,
        inputs=settings.input,
        input_shapes=settings.input_shape,
        outputs=settings.output,
        mean=settings.mean,
        normal=settings.normal,
    )
    passes.run(graph, tuple(installed.passes.values()), lambda node, reason: notes(f"{node}: {reason}"))
    verify_graph(graph, "passes")
    return graph


def _samples(graph: ir.Model, settings: Config) -> Samples:
    if not settings.quant_dataset_path:
        raise UsageError(
            "calibration data is missing",
            need="QUANT_DATASET_PATH: a folder of images, .npy or .bin",
            hint="pass --calib DIR, or --float to quantize nothing",
        )
    return open_samples(settings.quant_dataset_path, input_specs(graph, settings), settings.quant_dataset_size)


def input_specs(graph: ir.Model, settings: Config) -> list[InputSpec]:
    """How samples of each input are loaded."""
    shapes = {v.name or "": tuple(int(d) for d in v.shape or ()) for v in graph.graph.inputs}  # type: ignore[arg-type]
    found = []
    for (name, shape), said in zip(shapes.items(), settings.for_inputs(shapes), strict=True):
        is_nhwc = len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)
        found.append(InputSpec(name, shape, said.color, is_nhwc))
    return found


def _quantization(
    graph: ir.Model, recipe: Recipe, samples: Samples | None, progress: Progress, threads: int
) -> tuple[ir.Model, Quantization]:
    """The quantization of a graph, and the graph with its biases corrected."""
    if samples is None:
        return graph, Quantization()
    installed = plugins.load()
    feature, weight = installed.quantizer(recipe.feature_method), installed.quantizer(recipe.weight_method)
    values = values_to_calibrate(graph, recipe)
    ranges = calibrate.calibrate(
        graph, samples, values, feature, recipe.feature_bits, progress=partial(progress, "calibrate"), threads=threads
    )
    quantization = quantize(graph, ranges, recipe, weight.weight)
    if recipe.correct_bias and quantization.weights is not None:
        weights = real_weights(graph, quantization.weights)
        graph = correct.correct_biases(
            graph, weights, samples, progress=partial(progress, "correct biases"), threads=threads
        )
    return graph, quantization


def _write(program: Program, placed: Plan, output: Path) -> tuple[Path, ...]:
    base = _base(output)
    board = pack.pack(program, placed, names=False)
    files = {
        base.with_name(base.name + ".bin"): board,
        base.with_name(base.name + ".mgk"): pack.pack(program, placed, names=True),
        base.with_name(base.name + ".mk.h"): pack.as_header(board, base.name).encode(),
    }
    pack.write(files)
    return tuple(files)


def _base(path: Path) -> Path:
    for suffix in (".mk.h", ".bin", ".mgk"):
        if path.name.endswith(suffix) and path.name != suffix:
            return path.with_name(path.name[: -len(suffix)])
    return path


def _stem(model: str | Path | ir.Model, *, keep: bool = False) -> str:
    if isinstance(model, ir.Model):
        return model.graph.name or "model"
    return str(model) if keep else Path(model).stem


def _warnings(program: Program, recipe: Recipe) -> tuple[str, ...]:
    if recipe.is_float:
        return ()
    names = [s.name for s in program.steps if s.op.kernel(program.reads(s), program.writes(s)).endswith("_f32")]
    return (f"{len(names)} steps stay in f32: {', '.join(names[:8])}{' …' * (len(names) > 8)}",) if names else ()
