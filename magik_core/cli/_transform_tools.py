"""magik-transform-tools: the vendor's command line, a thin shell over `magik_core.vendor`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from magik_core import __version__
from magik_core.cli import _app, _console, _progress
from magik_core.errors import MagikError, Problem, UsageError
from magik_core.vendor import flags, log

if TYPE_CHECKING:
    from magik_core.debugging.report import Report

logger = logging.getLogger(__name__)
USAGE = """\
usage: magik-transform-tools --inputpath MODEL --outputpath NAME.mk.h --config FILE [--save_quantize_model true]
       magik-transform-tools --inputpath MODEL --outputpath NAME.mk.h --target_device CHIP [FLAGS]
       magik-transform-tools --gen_config
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return the exit code: 0 done, 1 the model or data cannot, 2 wrong usage, 70 our bug."""
    args = list(sys.argv[1:] if argv is None else argv)
    return _app.guarded(lambda: _run(args))


def _run(args: Sequence[str]) -> int:
    asked, problems = flags.read(args)
    if problems:
        _stop(asked, problems)
    if "help" in asked:
        _console.data(help_text())
        return 0
    _console.data(banner())
    if "version" in asked:
        return 0
    with log.lines(os.environ, _console.words, Path()):
        try:
            _do(asked)
        except MagikError as error:
            for problem in error.problems:
                logger.error("%s", ": ".join(filter(None, (problem.where, problem.what))))
            raise
    return 0


def _stop(asked: Mapping[str, str], problems: Sequence[Problem]) -> NoReturn:
    """Raises: UsageError: of flags that are wrong, and of the values of those that are not."""
    from magik_core.vendor import job

    try:
        job.check(asked)
    except UsageError as error:
        problems = (*problems, *error.problems)
    raise UsageError(problems=problems)


def _do(asked: Mapping[str, str]) -> None:
    if not asked:
        raise UsageError(
            "nothing is asked for", need="--inputpath, --outputpath and --config", hint=f"{flags.TOOL} --help"
        )
    from magik_core.cli.debug import table
    from magik_core.vendor import convert, files, job

    if "gen_config" in asked:
        logger.info("config file to fill in: %s", files.write_template().resolve())
        return
    shown: list[Report] = []
    with _progress.progress() as progress:
        convert.convert(job.job(asked), environment=os.environ, progress=progress, show=shown.append)
    for report in shown:
        table(report)
    _console.data("Convert successfully")


def banner() -> str:
    """The line that names the version, in the form of the vendor's."""
    number = "".join(f"{int(part):02x}" for part in __version__.split(".")[:3])
    return f"INFO(magik): {flags.TOOL} version:{__version__}({number:>08}_magik) cuda version:none built:CPU"


def help_text() -> str:
    rows = [(", ".join([f"--{f.name}", *(f"-{s}" for s in f.short)]), f.say) for f in flags.FLAGS]
    width = max(len(names) for names, _ in rows)
    return USAGE + "\n" + "\n".join(f"  {names:<{width}}  {say}" for names, say in rows)


if __name__ == "__main__":
    sys.exit(main())
