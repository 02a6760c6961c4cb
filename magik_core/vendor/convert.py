"""Convert as the vendor's tool does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx_ir as ir

from magik_core import node_bits, pipeline, plugins
from magik_core.config import Config
from magik_core.debugging import session
from magik_core.debugging.report import Report
from magik_core.errors import together
from magik_core.files import check_outputs
from magik_core.imported import is_quantized
from magik_core.progress import Progress, silent
from magik_core.read import read
from magik_core.vendor import files
from magik_core.vendor.job import Job

log = logging.getLogger(__name__)


def convert(
    job: Job,
    *,
    environment: Mapping[str, str] | None = None,
    progress: Progress = silent,
    show: Callable[[Report], None] = lambda _: None,
) -> tuple[Path, ...]:
    """Convert and write the vendor's files; without calibration data a model that is not quantized stays float.

    Args:    environment: MAGIK_CPP_FOR_INTERNAL=true in it writes the board's file a second time; show: called with
             what DEBUG_PATH asks for.
    Returns: the files.
    Raises:  MagikError: as `pipeline.convert`.
    """
    is_internal = (environment or {}).get("MAGIK_CPP_FOR_INTERNAL", "").lower() == "true"
    targets = files.targets(job, is_internal)
    source, *_ = together(
        lambda: read(job.model, job.config.frontend, job.config.request()),
        lambda: plugins.load().soc(job.config.soc),
        lambda: check_outputs(targets, reads=[job.model, *session.data_paths(job.config)]),
    )
    config = _in_the_models_order(job, source)
    log.info("read %s for %s", job.model, config.soc)
    is_float = not config.quant_dataset_path and not is_quantized(source)
    if is_float:
        log.warning("no calibration data, and the model is not quantized: every step computes in f32")
    loaded = node_bits.load(config)
    result = pipeline.convert(source, config=config, is_float=is_float, progress=progress, notes=log.debug)
    for line in node_bits.updates(loaded):
        log.info("%s", line)
    for warning in result.warnings:
        log.warning("%s", warning)
    files.write(result, files.name_of(job), targets)
    for path in targets:
        log.info("wrote %s", path)
    if result.debug is not None:
        log.info("wrote %s", result.debug.folder)
        show(result.debug)
    return tuple(targets)


def _in_the_models_order(job: Job, source: ir.Model) -> Config:
    """The config with the size that flags gave, channels last where the model's first input has them last."""
    first = next((v for v in source.graph.inputs if v.name not in source.graph.initializers), None)
    shape = [] if first is None or first.shape is None else [d if isinstance(d, int) else 0 for d in first.shape]
    if job.image is None or job.config.input or len(shape) != 4:
        return job.config
    channels = job.image[2]
    is_last = shape[3] == channels and shape[1] != channels
    return job.config.model_copy(update={"input_shape": ((1, *job.image),)}) if is_last else job.config
