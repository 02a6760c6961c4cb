"""Exit codes, streams, and what happens when something goes wrong."""

from __future__ import annotations

import errno
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from magik_core import __version__, plugins
from magik_core.cli import doctor
from magik_core.errors import ModelError, Problem

COMMANDS = ("build", "check", "convert", "doctor", "init", "new", "plugins", "profile", "run", "verify")


def _python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env})


def test_version_imports_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); from magik_core.cli import main;"
        "assert main(['--version']) == 0;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names);"
        "print(sorted(new))"
    )
    done = _python(code)
    assert done.stdout == f"magik {__version__}\n['magik_core']\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from magik_core.cli import main; main(['--help']);"
        "print([m for m in ('numpy', 'onnx', 'onnxruntime', 'torch', 'pydantic') if m in sys.modules])"
    )
    assert _python(code).stdout.splitlines()[-1] == "[]"


def test_module_and_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "magik_core", "nonsense"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: no such command 'nonsense'" in done.stderr


def test_help_names_every_command(magik) -> None:
    done = magik("--help")
    assert (done.code, done.err) == (0, "")
    assert all(f" {name} " in done.out for name in COMMANDS)
    assert magik().out == done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(magik, name: str) -> None:
    done = magik(name, "--help")
    assert done.code == 0
    assert "Usage: magik" in done.out


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("convert",), "error: missing argument 'MODEL'\n\n hint: magik convert --help\n"),
        (("convert", "m.onnx", "--sox", "T41"), "no such option"),
        (("convert", "m.onnx", "--threads", "0"), "threads"),
        (("new", "pass", "x"), "error: no such command 'pass'"),
        (("check", "m.onnx", "--set", "SOC"), "found: SOC\n need: KEY=VALUE\n"),
        (("check", "m.onnx", "--set", "SOCK=T41"), " hint: did you mean SOC?\n"),
        (
            ("check", "m.onnx", "--config", "none.cfg"),
            "error: cannot read the config file\nwhere: none.cfg\n",
        ),
    ],
)
def test_wrong_usage(magik, args: tuple[str, ...], text: str) -> None:
    done = magik(*args)
    assert (done.code, done.out) == (2, "")
    assert text.lower() in done.err.lower()
    assert "Traceback" not in done.err


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let `magik doctor` raise."""

    def set_(error: BaseException) -> None:
        def broken() -> None:
            raise error

        monkeypatch.setattr(doctor, "_python", broken)

    return set_


def test_a_users_mistake(magik, failing) -> None:
    long = "x" * 300
    failing(ModelError(problems=[Problem("no luck", "m.onnx", long, "luck", "try again"), Problem("[bold]too[/]")]))
    done = magik("doctor")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: no luck\nwhere: m.onnx\nfound: {long}\n need: luck\n\n hint: try again\n\nerror: [bold]too[/]\n"
    )


def test_our_bug(magik, failing) -> None:
    failing(ZeroDivisionError("oops"))
    done = magik("doctor")
    assert (done.code, done.out) == (70, "")
    assert "Traceback" in done.err
    assert "ZeroDivisionError: oops" in done.err
    assert f"This is a bug in magik {__version__}" in done.err


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x.bin"),
            "where: /data/x.bin\nfound: No space left",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "where: /x\nfound: Permission denied"),
        (MemoryError("3 GiB"), "error: out of memory\nfound: 3 GiB"),
    ],
)
def test_what_the_machine_refuses(magik, failing, error: Exception, text: str) -> None:
    failing(error)
    done = magik("doctor")
    assert done.code == 1
    assert text in done.err
    assert "Traceback" not in done.err


def test_ctrl_c(magik, failing) -> None:
    failing(KeyboardInterrupt())
    done = magik("doctor")
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")


def test_ctrl_c_from_outside() -> None:
    code = (
        "import sys, time; from magik_core.cli import doctor, main;"
        "doctor._python = lambda: (print('ready', file=sys.stderr, flush=True), time.sleep(60));"
        "sys.exit(main(['doctor']))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None and child.stderr.readline() == "ready\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30)[1] == "interrupted\n"
    assert child.returncode == 130


def test_a_closed_pipe_is_no_bug() -> None:
    done = subprocess.run(
        f"{sys.executable} -m magik_core plugins | head -c 0", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(("env", "is_colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_color(env: dict[str, str], is_colored: bool) -> None:
    code = (
        "from magik_core.cli import _console; from magik_core.errors import Problem;_console.problems([Problem('a')])"
    )
    base = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    env = {**base, "TERM": "xterm", "FORCE_COLOR": "1", **env}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert ("\x1b[1;31m" in done.stderr) is is_colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", done.stderr) == "error: a\n"


def _install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "guest.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "guest", raising=False)
    points = [EntryPoint("b", plugins.BUILTIN, "magik"), EntryPoint("guest", "guest", "magik")]
    monkeypatch.setattr(plugins, "load", functools.cache(lambda: plugins.Plugins(points)))


GUEST = (
    "from magik_core.hookspecs import *\n"
    "def hello(who: str) -> None:\n    'Greet.'\n    print('hello', who)\n"
    "@hookimpl\ndef register_commands(register):\n    register(Command('{}', hello))\n"
)


def test_a_plugins_command(magik, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _install(monkeypatch, tmp_path, GUEST.format("hello"))
    assert magik("hello", "world").out == "hello world\n"


def test_a_plugins_command_does_not_replace_ours(magik, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _install(monkeypatch, tmp_path, GUEST.format("plugins"))
    done = magik("plugins", "--json")
    assert json.loads(done.out)["failures"] == []
    assert done.err == "warning: command plugins of guest is left out: magik has its own\n"


def test_a_broken_plugin_costs_one_warning(magik, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _install(monkeypatch, tmp_path, "raise RuntimeError('no luck')")
    done = magik("plugins")
    assert done.code == 0
    assert "host" in done.out
    assert "RuntimeError: no luck" in done.out
    assert done.err == (
        "warning: plugin guest is broken and left out\ncause: RuntimeError: no luck\n hint: pip uninstall guest\n"
    )


def test_main_may_be_called_often() -> None:
    """Each call puts the commands together anew; a group's own must not grow."""
    from magik_core.cli import _app, new

    for _ in range(3):
        _app.app()
    callback = new.command.registered_commands[0].callback
    assert callback is not None and not hasattr(callback.__wrapped__, "__wrapped__")  # type: ignore[attr-defined]
