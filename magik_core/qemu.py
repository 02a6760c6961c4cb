"""Instructions that a MIPS program executes, counted under QEMU: the same number on every machine."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from magik_core import toolchain
from magik_core.errors import BuildError
from magik_core.kernels import RUNTIME, Source
from magik_core.toolchain import Toolchain

TOOLS = RUNTIME / "tools"
PLUGIN = "count.so"


def instructions(chain: Toolchain, program: Path, *arguments: str) -> int:
    """Count what a program executes from its start to its end.

    Args:   chain: the MIPS toolchain that linked it; arguments: of the program.
    Raises: BuildError: no QEMU that counts, no compiler for its plugin, or the program fails.
    """
    return counted(chain, program, *arguments).end


def step_instructions(chain: Toolchain, digest: Path, model: Path, inputs: Path, *arguments: str) -> list[int]:
    """Count what each step of a model executes; exact, in one run.

    Args:   digest: tools/digest.c, linked; inputs: the stored inputs; arguments: more of digest's, such as --isa.
    Raises: BuildError: as `instructions`.
    """
    return counted(chain, digest, str(model), str(inputs), "--count", "1", *arguments).between


class Counted:
    """What was counted in one run: `end`, and `between` the marks of each pair; `stdout` of the program.

    The first pair has nothing between its marks: what it counts is the marks' own and is taken off the others.
    """

    def __init__(self, log: str, stdout: str) -> None:
        words = [line.split() for line in log.splitlines()]
        marks = [int(n) for word, n in words if word == "mark"]
        self.end = next(int(n) for word, n in words if word == "end")
        pairs = [b - a for a, b in zip(marks[::2], marks[1::2], strict=True)]
        self.between = [n - pairs[0] for n in pairs[1:]]
        self.stdout = stdout


def counted(chain: Toolchain, program: Path, *arguments: str) -> Counted:
    """Run a program and count.

    Raises: BuildError: as `instructions`.
    """
    if not chain.is_mips:
        raise BuildError("only MIPS programs are counted", where=str(program), found=chain.machine)
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        # an empty environment: its size moves a program's stack, and with it what the C library does
        options = ("-plugin", str(_plugin()), "-d", "plugin", "-D", str(log))
        runner = ("env", "-i", *chain.runner, *options) if chain.runner else ()
        done = toolchain.run(replace(chain, runner=runner), program, *arguments)
        text = log.read_text(encoding="utf-8") if log.exists() else ""
    if not text.rpartition("\n")[0].rpartition("\n")[2].startswith("end "):
        found, need = done.stderr.strip() or "nothing was counted", "a QEMU that takes -plugin"
        hint = "apt install qemu-user: the static build takes no plugins"
        raise BuildError("this QEMU cannot count", where=chain.runner[0], found=found, need=need, hint=hint)
    if done.returncode != 0:
        raise BuildError("a program failed while it was counted", where=str(program), found=done.stderr.strip())
    return Counted(text, done.stdout)


def _plugin() -> Path:
    """The plugin, built once in a process.

    Raises: BuildError: there is no compiler for this machine, or it refuses the plugin.
    """
    return _built(toolchain.host())


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


@cache
def _built(chain: Toolchain) -> Path:
    folder = Path(_folder().name)
    objects = toolchain.compile_all(chain, [Source(TOOLS / "count.c")], folder, ("-fPIC", "-fvisibility=hidden"))
    return toolchain.link(chain, objects, folder / PLUGIN, ("-shared",))
