"""The files that the vendor's tool writes, under its names."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from magik_core import config_text, outputs
from magik_core.errors import UsageError
from magik_core.files import write as write_whole
from magik_core.result import Result
from magik_core.vendor.job import SUFFIX, Job

TEMPLATE = Path("magik.cfg")
# Chips of the vendor's first generation: their programs read the model from a file of another name.
FIRST_GENERATION = ("txx", "t02", "xs1", "xs2")


def name_of(job: Job) -> str:
    return job.output.name.removesuffix(SUFFIX)


def targets(job: Job, internal: bool = False, day: str = "") -> dict[Path, str]:
    """The files to write, each "board", "header" or "pc".

    Args: internal: the board's file once more, in the folder of a day, as MAGIK_CPP_FOR_INTERNAL=true asks.
    """
    name, folder, soc = name_of(job), job.output.parent, job.config.soc.lower()
    board = f"magik_model_{name}.bin" if soc in FIRST_GENERATION else f"{name}.bin"
    out = {folder / board: "board", folder / f"magik_model_{name}{SUFFIX}": "header"}
    if job.keeps_model:
        out[folder / "save-magik" / "model_quant.mgk"] = "pc"
    if internal:
        out[Path(f"{day or time.strftime('%Y-%m-%d')}-magik") / f"model_{name}_{soc}" / f"{name}.bin"] = "board"
    return out


def write(result: Result, name: str, targets: dict[Path, str]) -> None:
    """Write all files or none.

    Raises: PackError: one of them cannot be written, or the runtime would refuse the model.
    """
    outputs.write_as(replace(result.program, name=name), result.plan, name, targets)


def write_template() -> Path:
    """Write ./magik.cfg to fill in.

    Raises: UsageError: another one is there; what somebody filled in is not overwritten.
    """
    text = config_text.dumps(config_text.TEMPLATE)
    if TEMPLATE.exists() and (not TEMPLATE.is_file() or TEMPLATE.read_bytes() != text.encode()):
        hint = "move it away"
        raise UsageError("the file exists", where=str(TEMPLATE), need="a new file", hint=hint)
    write_whole({TEMPLATE: text.encode()})
    return TEMPLATE
