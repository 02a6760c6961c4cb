"""magik new soc NAME: a plugin folder that installs and passes the SoC contract as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from magik_core import plugins
from magik_core.cli import _console, _new_soc
from magik_core.errors import UsageError

command = typer.Typer(help="Write the files of a new plugin.")


@command.callback()
def _group() -> None:
    """Keep `magik new soc` a subcommand although it is the only one yet."""


@command.command("soc")
def soc(
    name: Annotated[str, typer.Argument(help="The chip, e.g. T31.", metavar="NAME")],
    directory: Annotated[Path, typer.Option("--directory", "-d", help="Where its folder goes.")] = Path("plugins"),
) -> None:
    """Write a backend plugin: its figures, one check and a test, ready to be filled in.

    Example: magik new soc T31, then pip install ./plugins/backend_t31 and magik plugins
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise UsageError("not a name for a chip", where="NAME", found=name, need="letters, digits, _; a letter first")
    if name.casefold() in {known.casefold() for known in plugins.load().socs}:
        raise UsageError("there is such a chip", where="NAME", found=name, need="a new name", hint="magik plugins")
    folder = directory / f"backend_{name.lower()}"
    if folder.exists():
        raise UsageError("the folder exists", where=str(folder), need="a new folder", hint="pass --directory")
    _write(folder, _new_soc.files(name))
    _console.words(f"wrote {folder}: fill in soc.py and checks.py, then pip install {folder}")


def _write(folder: Path, files: dict[str, str]) -> None:
    """All files or none: they are written beside the folder, which is then renamed."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for name, text in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
