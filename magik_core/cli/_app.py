"""Put the commands together, and turn what they raise into words and an exit code."""

from __future__ import annotations

import errno
import functools
import importlib
import inspect
import logging
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from magik_core import __version__, cli, plugins
from magik_core.cli import _console
from magik_core.errors import MagikError, Problem

log = logging.getLogger(__name__)
OUR_BUG, INTERRUPTED, USAGE, CANNOT = 70, 130, 2, 1
# What the machine refuses, not the code: these are told as errors, every other OSError is our bug.
MACHINE = {
    "ENOSPC",
    "EDQUOT",
    "EACCES",
    "EPERM",
    "EROFS",
    "ENOENT",
    "EISDIR",
    "ENOTDIR",
    "EIO",
    "EMFILE",
    "EFBIG",
    "EEXIST",
    "ELOOP",
    "ENAMETOOLONG",
}
HELP = "Quantize a trained network, prove on the PC what a small SoC computes, and build what runs there."


class Interrupted(Exception):
    """Ctrl-C, carried past typer, which would swallow it."""


def app() -> typer.Typer:
    """The commands in this folder, then those of plugins."""
    out = typer.Typer(name="magik", help=HELP, add_completion=True, pretty_exceptions_enable=False)
    out.callback(invoke_without_command=True)(_root)
    taken = set()
    for info in pkgutil.iter_modules(cli.__path__):
        if info.name.startswith("_"):
            continue
        command = getattr(importlib.import_module(f"{cli.__name__}.{info.name}"), "command", None)
        if command is not None:
            _add(out, info.name, command)
            taken.add(info.name)
    for item in plugins.load().items("command"):
        if item.name in taken:
            log.warning("command %s of %s is left out: magik has its own", item.name, item.source.distribution)
        else:
            _add(out, item.name, item.value.function)
    return out


def run(args: Sequence[str]) -> int:
    """Run one command line; print what goes wrong to stderr and return the exit code."""
    _console.log_to_stderr()

    def command() -> object:
        return typer.main.get_command(app()).main(args=list(args), prog_name="magik", standalone_mode=False)

    return guarded(command)


def guarded(work: Callable[[], object]) -> int:
    """Do what a command line asks for; print what goes wrong to stderr and return the exit code."""
    _console.open_streams()
    try:
        code = work()
        sys.stdout.flush()
    except MagikError as error:
        _console.problems(error.problems)
        return error.exit_code
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        _console.words("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains again on exit
        return CANNOT
    except Exception as error:
        return _other(error)
    return code if isinstance(code, int) else 0


def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and exit."),
) -> None:
    if version:
        typer.echo(f"magik {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _add(out: typer.Typer, name: str, command: Any) -> None:
    if isinstance(command, typer.Typer):
        for info in command.registered_commands:
            assert info.callback is not None
            info.callback = _carry(inspect.unwrap(info.callback))  # a second app() finds it carried
        out.add_typer(command, name=name)
    else:
        out.command(name)(_carry(command))


def _carry(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except KeyboardInterrupt:
            raise Interrupted from None

    return wrapped


def _other(error: Exception) -> int:
    """Errors of typer, of the machine, and ours."""
    if hasattr(error, "format_message"):  # typer's usage errors, whose class moved between its versions
        path = getattr(getattr(error, "ctx", None), "command_path", "magik")
        what = error.format_message().strip().rstrip(".").replace(": Value error, ", ": ")  # pydantic's word
        _console.problems([Problem(what[:1].lower() + what[1:], hint=f"{path} --help")])
        return USAGE
    if isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in MACHINE:
        _console.problems([Problem("the system refused", str(error.filename or ""), error.strerror or str(error))])
        return CANNOT
    if isinstance(error, MemoryError):
        _console.problems([Problem("out of memory", found=str(error))])
        return CANNOT
    _console.traceback(error)
    return OUR_BUG
