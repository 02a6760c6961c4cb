"""`mt.magik_transform(model_file, output_file, config_file)`, as scripts call the vendor's wheel."""

from __future__ import annotations

import os
from pathlib import Path


def magik_transform(model_file: str, output_file: str, config_file: str) -> tuple[Path, ...]:
    """Convert a model; returns the files that were written, and prints the table that DEBUG_PATH asks for.

    Args:   output_file: NAME.mk.h, the files are named for it; config_file: flat, or with ARCH, MODEL and EXTRA.
    Raises: magik_core.MagikError: what is wrong, all of it.
    """
    from magik_core.cli.debug import table
    from magik_core.vendor import convert, job

    flags = {"inputpath": str(model_file), "outputpath": str(output_file), "config": str(config_file)}
    return convert.convert(job.job(flags), environment=os.environ, show=table)
