"""Convert as the vendor's tool does."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from magik_core import pack, pipeline, plugins
from magik_core.errors import together
from magik_core.imported import is_quantized
from magik_core.read import read
from magik_core.vendor import files
from magik_core.vendor.job import Job

log = logging.getLogger(__name__)


def convert(
    job: Job, *, environment: Mapping[str, str] | None = None, progress: pipeline.Progress = lambda *_: None
) -> tuple[Path, ...]:
    """Convert and write the vendor's files; without calibration data a model that is not quantized stays float.

    Args:    environment: MAGIK_CPP_FOR_INTERNAL=true in it writes the board's file a second time.
    Returns: the files.
    Raises:  MagikError: as `pipeline.convert`.
    """
    is_internal = (environment or {}).get("MAGIK_CPP_FOR_INTERNAL", "").lower() == "true"
    targets, config = files.targets(job, is_internal), job.config
    source, *_ = together(
        lambda: read(job.model, config.frontend, config.request()),
        lambda: plugins.load().soc(config.soc),
        lambda: pack.check_outputs(targets),
    )
    log.info("read %s for %s", job.model, config.soc)
    is_float = not config.quant_dataset_path and not is_quantized(source)
    if is_float:
        log.warning("no calibration data, and the model is not quantized: every step computes in f32")
    result = pipeline.convert(source, config=config, is_float=is_float, progress=progress, notes=log.debug)
    for warning in result.warnings:
        log.warning("%s", warning)
    files.write(result, files.name_of(job), targets)
    for path in targets:
        log.info("wrote %s", path)
    return tuple(targets)
