"""The command line: one file per command, each a thin shell over a library call."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from magik_core import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run `magik` and return the exit code: 0 done, 1 the model or data cannot, 2 wrong usage, 70 our bug."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args in (["--version"], ["-V"]):  # before anything is imported: it has to be quick
        print(f"magik {__version__}")
        return 0
    from magik_core.cli import _app

    return _app.run(args)
