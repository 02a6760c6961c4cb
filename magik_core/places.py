"""Where a model file runs to be compared: numpy, this machine's kernels, MIPS under QEMU, a board over ssh."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magik_core import net, toolchain, tools
from magik_core.digests import Digest, crc_of
from magik_core.errors import BuildError, RunError, UsageError
from magik_core.program import DTYPES, Program, Shape
from magik_core.reshape import reshape
from magik_core.run import run
from magik_core.toolchain import Toolchain

SECONDS = 3600  # most that a run may take somewhere else
NOT_REACHED = 255  # exit status of ssh itself; others are the command's
LAST_LINES = 5  # of a command that failed, for its message
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=15")
TARGETS = ("host", "mips", "mips-msa")
TARGET_ISAS = {"mips": ("portable", "fp64"), "mips-msa": ("msa",)}  # what is run for a target


@dataclass(frozen=True)
class Place:
    """Somewhere that a model file runs.

    Args: name: for people; digests: of every step, for the stored input tensors one after the other.
    """

    name: str
    digests: Callable[[bytes], list[Digest]]


def numpy_definition(program: Program, shapes: Sequence[Shape] = ()) -> Place:
    """The definition, from a `.mgk`. Args: shapes: of the inputs, as stored."""
    resized = reshape(program, dict(zip(program.inputs, shapes, strict=True))) if shapes else program

    def digests(data: bytes) -> list[Digest]:
        feeds = {}
        need = sum(resized.tensors[name].nbytes for name in resized.inputs)
        if len(data) != need:
            raise RunError("stored inputs have another size", found=f"{len(data)} bytes", need=f"{need} bytes")
        for name in resized.inputs:
            t = resized.tensors[name]
            feeds[name] = np.frombuffer(data[: t.nbytes], DTYPES[t.dtype]).reshape(t.shape)
            data = data[t.nbytes :]
        values = run(resized, feeds)
        steps = ((step, resized.reads(step), resized.writes(step)) for step in resized.steps)
        return [Digest(s.op.kernel(x, y), "numpy", crc_of(values[t.name] for t in y)) for s, x, y in steps]

    return Place("numpy definition", digests)


def host(model: Path, isa: str, shapes: Sequence[Shape] = ()) -> Place:
    """The kernels of this machine up to a kind.

    Raises: LoadError: the file is refused. RunError: this machine has no such kernels.
    """
    loaded = load(model, isa, shapes)

    def digests(data: bytes) -> list[Digest]:
        loaded.reset()
        loaded.feed_stored(data)
        return [Digest(ran.kernel, ran.isa, crc_of(ran.outputs)) for ran in loaded.each_step()]

    return Place(f"host {isa}", digests)


def load(model: Path, isa: str | None = None, shapes: Sequence[Shape] = ()) -> net.Net:
    """A model file with inputs of these shapes, in the source's axis order.

    Raises: LoadError: the file is refused. UsageError: there are not as many shapes as inputs.
    """
    loaded = net.load(model, isa=isa)
    if shapes:
        if len(shapes) != len(loaded.inputs):
            found, need = f"{len(shapes)} shapes", f"{len(loaded.inputs)}: one per input"
            raise UsageError("the number of input shapes is wrong", where="--input-shape", found=found, need=need)
        loaded.reshape({port.name: shape for port, shape in zip(loaded.inputs, shapes, strict=True)})
    return loaded


def qemu(chain: Toolchain, model: Path, isa: str, shapes: Sequence[Shape] = ()) -> Place:
    """A MIPS build of the runtime, under QEMU.

    Args:   shapes: of the inputs, as stored.
    Raises: BuildError: nothing here compiles or runs it.
    """
    if not chain.runner:
        raise BuildError("nothing here runs MIPS programs", need="qemu-mipsel", hint="apt install qemu-user")
    program = tools.digest(chain)

    def digests(data: bytes) -> list[Digest]:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "inputs"
            inputs.write_bytes(data)
            done = toolchain.run(chain, program, str(model), str(inputs), *_options(isa, shapes), timeout=SECONDS)
        return parse(done, f"{chain.machine} {isa}")

    return Place(f"{chain.machine} {isa} under QEMU", digests)


def board(address: str, chain: Toolchain, model: Path, isa: str, shapes: Sequence[Shape] = ()) -> Place:
    """A board that ssh reaches: the program and the files are copied to a folder of their own and removed again.

    Args:   address: user@board; the rest as `qemu`.
    Raises: UsageError: it is no address. BuildError: there is no ssh, or as `qemu`.
    """
    if address.startswith("-") or not address.strip():
        raise UsageError(
            "not the address of a board", where="--host", found=address, need="user@board, as ssh takes it"
        )
    if not shutil.which("ssh"):
        raise BuildError("there is no ssh", need="ssh in PATH")
    program = tools.digest(chain)

    def digests(data: bytes) -> list[Digest]:
        folder = ssh(address, "mktemp -d /tmp/magik.XXXXXX").stdout.strip()
        if not folder.startswith("/tmp/magik.") or any(c in folder for c in " '\"\\;&|$`\n"):
            raise BuildError("a board gave no folder", where=address, found=folder, need="mktemp -d")
        try:
            files = {"digest": program.read_bytes(), "model": model.read_bytes(), "inputs": data}
            for name, content in files.items():
                ssh(address, f"cat > {folder}/{name}", content)
            options = " ".join(_options(isa, shapes))
            command = f"cd {folder} && chmod +x digest && ./digest model inputs {options}"
            return parse(ssh(address, command, is_checked=False), address)
        finally:
            ssh(address, f"rm -rf {folder}", is_checked=False)

    return Place(f"{address} {isa}", digests)


def ssh(address: str, command: str, content: bytes = b"", is_checked: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command on a board, `content` on its standard input; needs no scp there.

    Returns: its words as text, whatever bytes they are.
    Raises:  BuildError: the board is not reached, the command takes too long, or `is_checked` and it fails.
    """
    words = ["ssh", *SSH_OPTIONS, address, command]
    try:
        raw = subprocess.run(words, input=content, capture_output=True, check=False, timeout=SECONDS)
    except OSError as error:
        raise BuildError("ssh cannot be run", where=address, found=str(error)) from error
    except subprocess.TimeoutExpired:
        need = f"less than {SECONDS} seconds"
        raise BuildError("a command on a board takes too long", where=address, found=command, need=need) from None
    out, err = (text.decode(errors="replace") for text in (raw.stdout, raw.stderr))
    if raw.returncode == NOT_REACHED:
        hint = f"ssh {address} true has to work without asking for a password"
        raise BuildError("a board cannot be reached", where=address, found=_end(err) or "ssh says nothing", hint=hint)
    if raw.returncode and is_checked:
        found = f"exit status {raw.returncode} of {command}: {_end(err) or _end(out) or 'no words'}"
        raise BuildError("a command failed on a board", where=address, found=found)
    return subprocess.CompletedProcess(words, raw.returncode, out, err)


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])


def parse(done: subprocess.CompletedProcess[str], where: str) -> list[Digest]:
    """The digests that runtime/tools/digest.c printed.

    Raises: BuildError: it failed.
    """
    lines = [line.split() for line in done.stdout.splitlines()]
    if done.returncode or any(len(words) != 4 for words in lines):
        found = done.stderr.strip() or done.stdout.strip()[-200:] or f"exit code {done.returncode}"
        raise BuildError("the model does not run there", where=where, found=found)
    return [Digest(kernel, isa, crc) for _, kernel, isa, crc in lines]


def _options(isa: str, shapes: Sequence[Shape]) -> list[str]:
    return ["--isa", isa, *(word for s in shapes for word in ("--shape", ",".join(map(str, s))))]
