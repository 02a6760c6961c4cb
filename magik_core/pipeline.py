"""From a source model to a model file: the stages in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import onnx_ir as ir

from magik_core import (
    balance,
    calibrate,
    carry,
    correct,
    effects,
    equalize,
    files,
    freed,
    inputs,
    node_bits,
    outputs,
    passes,
    plugins,
    raw,
    skips,
    states,
)
from magik_core.config import NODE_BITS, Config, over
from magik_core.debugging import session
from magik_core.errors import UsageError, together
from magik_core.graph import READS
from magik_core.imported import Imported, drop, is_quantized, take
from magik_core.legalize import Finding, check_memory, legalize, stop_at_blockers
from magik_core.legalize import check as check_program
from magik_core.limits import check_threads, some_threads
from magik_core.lower import lower
from magik_core.plan import Plan, check_plan, plan
from magik_core.prepare import prepare
from magik_core.program import Program
from magik_core.progress import Progress, silent
from magik_core.quantize import check_recipe, quantize, values_to_calibrate
from magik_core.quantized import Quantized
from magik_core.read import read
from magik_core.recipe import REAL, Recipe
from magik_core.result import Result
from magik_core.samples import Samples, check_found
from magik_core.soc import SoC
from magik_core.source import Quantization
from magik_core.streamed import Streamed
from magik_core.verify import verify_graph, verify_program
from magik_core.weights import real_weights, with_weights

Notes = Callable[[str], None]
Keys = Config | Mapping[str, Any]


def _unsaid(text: str) -> None:
    return None


@freed.new_garbage_alone()
def convert(
    model: str | Path | ir.Model | object,
    output: str | Path | None = None,
    *,
    config: Keys | str | Path | None = None,
    recipe: Recipe | None = None,
    example_inputs: Sequence[Any] = (),
    is_float: bool = False,
    progress: Progress = silent,
    notes: Notes = _unsaid,
    threads: int | None = None,
    constants: Mapping[str, Any] | None = None,
    **keys: Any,
) -> Result:
    """Convert a model and write `OUT.bin` (the board's), `OUT.mgk` (the PC's) and `OUT.mk.h` (as a C array).

    Args:
        model: a source file, a graph already loaded, or what a frontend takes, such as a torch.nn.Module, which
            is traced with `example_inputs`; output: the path to write, with or without a suffix.
        config: or the path of its file, or its keys and values; keys: `soc="T41"`, `calibration="images/"`, any of
            its keys in lower case.
        recipe: instead of the one that the config asks for; is_float: every step in f32.
        progress: called with (stage, done, total); notes: with remarks, such as a pass that declines;
        threads: of the calibration, which change no byte; by default one per CPU, at most 4;
        constants: in the place of inputs, such as a sampling rate.
    Raises: MagikError: of the stage that cannot go on, with all of its problems.
    """
    started = time.perf_counter()
    threads = some_threads(threads)
    settings = settings_of(config, keys, threads)
    chosen = _recipe(settings, recipe, is_float=is_float)
    graph, soc, targets = _open(model, settings, chosen, example_inputs, output, constants, notes)
    chosen, unmet = skips.resolve(graph, chosen)
    ready = _quantized(graph, soc, settings, chosen, progress, notes, threads)
    imported, samples = ready.imported, ready.samples
    program = carry.bind(ready.program(outputs.name(targets, model)), carry.pairs(graph))
    program = verify_program(replace(program, colors=inputs.colors(graph, settings)))
    findings = legalize(program, soc)
    placed = _place(program, soc)
    debugged = session.asked(ready, settings, progress, threads)
    outputs.write(program, placed, targets)
    if settings.save_op_quant_bit:
        node_bits.save(program, ready, chosen)
    return Result(
        outputs.stem(model, keep=True),
        soc.name,
        program,
        placed,
        targets,
        findings,
        0 if samples is None else len(samples),
        len(imported.values),
        time.perf_counter() - started,
        (*unmet, *_warnings(program, chosen), *ready.remarks, *_unlisted(settings, imported)),
        debugged,
    )


@freed.new_garbage_alone()
def quantized(
    model: str | Path | ir.Model | object,
    *,
    config: Keys | str | Path | None = None,
    recipe: Recipe | None = None,
    example_inputs: Sequence[Any] = (),
    progress: Progress = silent,
    notes: Notes = _unsaid,
    threads: int | None = None,
    constants: Mapping[str, Any] | None = None,
    **keys: Any,
) -> Quantized:
    """Do what `convert` does up to the quantization; the arguments are its own.

    SAVE_OP_QUANT_BIT and DEBUG_PATH are of what comes after, and do nothing here.

    Raises: MagikError: of the stage that cannot go on, with all of its problems.
    """
    threads = some_threads(threads)
    settings = settings_of(config, keys, threads).model_copy(update={"save_op_quant_bit": False, "debug_path": ""})
    chosen = _recipe(settings, recipe)
    graph, soc, _ = _open(model, settings, chosen, example_inputs, None, constants, notes)
    chosen, unmet = skips.resolve(graph, chosen)
    for text in unmet:
        notes(text)
    return _quantized(graph, soc, settings, chosen, progress, notes, threads)


def _quantized(
    graph: ir.Model, soc: SoC, settings: Config, recipe: Recipe, progress: Progress, notes: Notes, threads: int
) -> Quantized:
    """The graph of an opened model with its quantization, after a rehearsal of what follows."""
    imported = _imported(graph, recipe)
    check_recipe(graph, recipe)
    more = () if recipe.is_float else settings.corrections
    _, samples, *_ = together(  # what is missing, before calibration
        lambda: legalize(_rehearse(graph, recipe, settings, imported), soc),
        lambda: None if recipe.is_float else inputs.calibration(graph, settings),
        *(partial(inputs.more, graph, settings, key) for key in (*more, "DEBUG_PATH")),
    )
    if recipe.equalize:
        notes(f"equalized {equalize.equalize(graph)} pairs of layers")
    if recipe.balance and samples is not None and not imported and recipe.feature_bits <= balance.WIDTH:
        count = balance.balance(graph, samples, progress=partial(progress, "balance"), threads=threads)
        if count:
            notes(f"shifted the weak channels of {count} {'tensor' if count == 1 else 'tensors'}")
    corrected, quantization = _quantization(graph, recipe, settings, samples, imported, progress, threads)
    remarks = (
        *effects.remarks(graph, recipe, quantization, imported),
        *effects.unsaid(graph, recipe, quantization),
        *effects.of_keys(graph, recipe, quantization, imported, settings),
    )
    ops = plugins.load().onnx_ops
    return Quantized(graph, quantization, corrected, imported, ops, samples, settings, remarks)


def _open(
    model: object, settings: Config, recipe: Recipe, example_inputs: Sequence[Any], output: str | Path | None,
    constants: Mapping[str, Any] | None, notes: Notes,
) -> tuple[ir.Model, SoC, tuple[Path, ...]]:  # fmt: skip
    """The graph of the source model, the chip and the files to write.

    Raises: MagikError: everything that is wrong with what was asked, at once.
    """
    sources: list[ir.Model] = []

    def load() -> None:
        sources.append(read(model, settings.frontend, settings.request(example_inputs)))

    _, soc, _, targets = together(
        load,
        lambda: plugins.load().soc(settings.soc),
        lambda: _check_calibration(recipe, settings, not sources or any(map(is_quantized, sources))),
        lambda: () if output is None else outputs.targets(output, _reads(model, settings)),
        lambda: session.check(settings),
        lambda: node_bits.check_place(settings),
    )[:4]
    source = sources.pop()
    files.check_outputs(targets, reads=source.meta.get(READS, ()))
    return _graph(source, settings, constants, notes), soc, targets


def _reads(model: object, settings: Config) -> list[str | Path]:
    """Files and folders that a conversion reads, as far as they are known before."""
    return [*([model] if isinstance(model, (str, Path)) else []), *session.data_paths(settings)]


def _recipe(settings: Config, given: Recipe | None = None, *, is_float: bool = False) -> Recipe:
    """The recipe that is given or that the config asks for, with the bits that the config has loaded."""
    chosen = given or settings.recipe(is_float=is_float)
    return replace(chosen, nodes={**chosen.nodes, **node_bits.load(settings)})


def _imported(graph: ir.Model, recipe: Recipe) -> Imported:
    """The quantization that the graph arrives with, taken out of it; what is left shows all states."""
    found = drop(graph) if recipe.is_real else take(graph)
    states.name_outputs(graph)
    return found if recipe.is_real else replace(found, values={**found.values, **states.declared(graph)})


def _place(program: Program, soc: SoC) -> Plan:
    """The memory plan, proven and within the chip's memory."""
    placed = plan(program, soc.alignment)
    check_plan(program, placed)
    stop_at_blockers(check_memory(program, placed, soc), soc)
    return placed


def check(
    model: str | Path | ir.Model | object,
    *,
    config: Keys | str | Path | None = None,
    example_inputs: Sequence[Any] = (),
    constants: Mapping[str, Any] | None = None,
    **keys: Any,
) -> tuple[Finding, ...]:
    """Everything that keeps a model from running on a chip, and what its accelerator would not take.

    Raises: MagikError: the model cannot be read, or has nodes without a kernel (all of them are named).
    """
    settings = settings_of(config, keys)
    installed = plugins.load()
    soc, source = together(
        lambda: installed.soc(settings.soc),
        lambda: read(model, settings.frontend, settings.request(example_inputs)),
    )
    graph = _graph(source, settings, constants, _unsaid)
    recipe, _ = skips.resolve(graph, _recipe(settings))
    check_recipe(graph, recipe)
    program = _rehearse(graph, recipe, settings, _imported(graph, recipe))
    return (*check_program(program, soc), *check_memory(program, plan(program, soc.alignment), soc))


def _rehearse(graph: ir.Model, recipe: Recipe, settings: Config, imported: Imported) -> Program:
    """The program with every range [-1, 1]: its steps and storage are those of the calibrated one.

    Raises: LowerError: every node without a kernel.
    """
    installed, weight = plugins.load(), plugins.load().quantizer("MAX_ABS").weight
    is_calibrated = bool(settings.quant_dataset_path) or not imported
    ranges = dict.fromkeys(values_to_calibrate(graph, recipe, imported), (-1.0, 1.0)) if is_calibrated else None
    program = lower(graph, quantize(graph, ranges, recipe, weight, imported), ops=installed.onnx_ops)
    return carry.bind(program, carry.pairs(graph))


def settings_of(config: Keys | str | Path | None, keys: Mapping[str, Any], threads: int = 1) -> Config:
    """A config with keys over it.

    Raises: MagikError: everything that is wrong with them, or with the number of threads.
    """
    together(lambda: check_threads(threads), lambda: _check_config(config))
    if isinstance(config, (str, Path)):
        config = Config.load(config)
    named = {("quant_dataset_path" if k == "calibration" else k).upper(): v for k, v in keys.items() if v is not None}
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in named.items()}
    if isinstance(config, Config):
        config = {k: v for k, v in config.model_dump(by_alias=True).items() if v is not None}
    return Config.parse(over(config or {}, plain))


def _check_config(config: object) -> None:
    if not isinstance(config, (Config, Mapping, str, Path, type(None))):
        found, need = f"a {type(config).__name__}", "a Config, the path of a config file, or its keys and values"
        raise UsageError("this is no config", where="config", found=found, need=need)


def _graph(model: ir.Model, settings: Config, constants: Mapping[str, Any] | None, notes: Notes) -> ir.Model:
    """The source model, cut, with static shapes, preprocessing at its head, and rewritten."""
    graph = prepare(
        model,
        inputs=settings.input,
        input_shapes=settings.input_shape,
        outputs=settings.ends,
        mean=settings.mean,
        normal=settings.normal,
        constants=constants,
    )
    del model
    freed.give_back()  # the copies behind this one, with all of their weights
    carry.declare(graph, settings.states)
    passes.run(graph, tuple(plugins.load().passes.values()), lambda node, reason: notes(f"{node}: {reason}"))
    verify_graph(graph, "passes")
    return graph


def _check_calibration(recipe: Recipe, settings: Config, is_quantized: bool) -> None:
    """Raises: UsageError: quantizers that are not installed, or not for what is wanted of them; no data.

    Args: is_quantized: the source brings its own ranges, or could not be read and might.
    """
    if not recipe.is_float:
        together(
            lambda: _check_method("QUANT_FEATURE_METHOD", recipe.feature_method, "activation"),
            lambda: _check_method("QUANT_WEIGHT_METHOD", recipe.weight_method, "weight"),
            lambda: None if is_quantized and not settings.quant_dataset_path else _check_dataset(settings),
            *(partial(check_found, path, f"data of {key}") for key, path in settings.corrections.items()),
        )


def _check_method(key: str, name: str, kind: str) -> None:
    installed = plugins.load()
    if getattr(installed.quantizer(name, key), kind) is None:
        fits = [q.name for q in installed.quantizers.values() if getattr(q, kind) is not None]
        raise UsageError(f"{name} is no method for {kind}s", where=key, found=name, need=f"one of: {', '.join(fits)}")


def _check_dataset(settings: Config) -> None:
    if not settings.quant_dataset_path:
        raise UsageError(
            "calibration data is missing",
            need="QUANT_DATASET_PATH: a folder of images, .npy or .bin",
            hint="pass --calib DIR; magik convert --float quantizes nothing",
        )
    check_found(settings.quant_dataset_path)


def _quantization(
    graph: ir.Model,
    recipe: Recipe,
    settings: Config,
    samples: Samples | Streamed | None,
    imported: Imported,
    progress: Progress,
    threads: int,
) -> tuple[ir.Model, Quantization]:
    """The quantization of a graph, and the graph with its biases corrected."""
    installed = plugins.load()
    feature, weight = installed.quantizer(recipe.feature_method), installed.quantizer(recipe.weight_method)
    if samples is None:
        return graph, quantize(graph, None, recipe, weight.weight, imported)
    values = values_to_calibrate(graph, recipe, imported)
    means = correct.mean_inputs(graph) if recipe.correct_bias else {}
    own = inputs.more(graph, settings, "WEIGHT_CORRECT_PATH") if means else None
    others, report = means if own is None else {}, partial(progress, "calibrate")
    seen = {} if recipe.is_real else raw.observers(graph)
    watched: dict[str, calibrate.Observer] = {**others, **seen}
    ranges = calibrate.calibrate(graph, samples, values, feature, others=watched, progress=report, threads=threads)
    own_codes = {name: data.codes(recipe.feature_bits) for name, data in seen.items()}
    wide = {name: recipe.feature_bits for name, q in own_codes.items() if q is None}
    ranges |= calibrate.calibrate(graph, samples, wide, feature) if wide else {}
    known = {name: q for name, q in own_codes.items() if q is not None}
    quantization = quantize(graph, ranges, recipe, weight.weight, imported, known)
    reals, report = real_weights(graph, quantization), partial(progress, "correct biases")
    if own is not None:
        calibrate.watch(graph, own, means.items(), progress=report, threads=threads)
    graph = correct.correct_biases(graph, reals, means)
    if settings.feature_correct_path and not recipe.is_real:
        data = inputs.more(graph, settings, "FEATURE_CORRECT_PATH") or samples
        codes = {name: q for name, q in quantization.values.items() if name not in imported.values}
        means = correct.mean_inputs(graph, codes)
        calibrate.watch(graph, data, means.items(), progress=report, threads=threads)
        graph = correct.correct_biases(graph, reals, means, of_inputs=True, in_float=quantization.float_nodes)
    return (with_weights(graph, reals) if recipe.feature_bits == REAL else graph), quantization


def _unlisted(settings: Config, imported: Imported) -> tuple[str, ...]:
    text = f"{NODE_BITS} leaves out what the source has quantized: that cannot be edited"
    return (text,) if settings.save_op_quant_bit and imported.values else ()


def _warnings(program: Program, recipe: Recipe) -> tuple[str, ...]:
    if recipe.is_float or REAL in (recipe.feature_bits, recipe.weight_bits):
        return ()
    in_float = (s for s in program.steps if s.op.kernel(program.reads(s), program.writes(s)).endswith("_f32"))
    names = [s.name for s in in_float if s.name not in recipe.skip_nodes]
    stay = "1 step stays" if len(names) == 1 else f"{len(names)} steps stay"
    return (f"{stay} in f32: {', '.join(names[:8])}{' …' * (len(names) > 8)}",) if names else ()
