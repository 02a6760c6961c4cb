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
from magik_core.errors import BuildError, RunError
from magik_core.library import ISAS
from magik_core.program import DTYPES, Program, Shape
from magik_core.reshape import reshape
from magik_core.run import run
from magik_core.toolchain import Toolchain

SECONDS = 3600  # most that a run may take somewhere else
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
        loaded.feed_stored(data)
        return [Digest(ran.kernel, ran.isa, crc_of(ran.outputs)) for ran in loaded.each_step()]

    return Place(f"host {isa}", digests)


def load(model: Path, isa: str | None = None, shapes: Sequence[Shape] = ()) -> net.Net:
    """A model file with inputs of these shapes, in the source's axis order."""
    loaded = net.load(model, isa=isa)
    if shapes:
        if len(shapes) != len(loaded.inputs):
            found, need = f"{len(shapes)} shapes", f"{len(loaded.inputs)}: one per input"
            raise RunError("the number of input shapes is wrong", found=found, need=need)
        loaded.reshape({port.name: shape for port, shape in zip(loaded.inputs, shapes, strict=True)})
    return loaded


def host_isas(model: Path) -> list[str]:
    """The kinds of kernels that this machine runs, those that have to be asked for included."""
    out = []
    for isa in ISAS:
        try:
            net.load(model, isa=isa)
        except RunError:
            continue
        out.append(isa)
    return out


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

    Args: address: user@board; the rest as `qemu`.
    """
    if address.startswith("-") or not address.strip():
        raise BuildError("not the address of a board", found=address, need="user@board, as ssh takes it")
    if not shutil.which("ssh"):
        raise BuildError("there is no ssh", need="ssh in PATH")
    program = tools.digest(chain)

    def digests(data: bytes) -> list[Digest]:
        folder = ssh(address, "mktemp -d /tmp/magik.XXXXXX").stdout.decode().strip()
        if not folder.startswith("/tmp/magik.") or any(c in folder for c in " '\"\\;&|$`\n"):
            raise BuildError("a board gave no folder", where=address, found=folder, need="mktemp -d")
        try:
            files = {"digest": program.read_bytes(), "model": model.read_bytes(), "inputs": data}
            for name, content in files.items():
                ssh(address, f"cat > {folder}/{name}", content)
            options = " ".join(_options(isa, shapes))
            command = f"cd {folder} && chmod +x digest && ./digest model inputs {options}"
            done = ssh(address, command, is_checked=False)
        finally:
            ssh(address, f"rm -rf {folder}", is_checked=False)
        text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        return parse(text, address)

    return Place(f"{address} {isa}", digests)


def ssh(
    address: str, command: str, content: bytes = b"", is_checked: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run a command on a board, `content` on its standard input; needs no scp there.

    Raises: BuildError: the board is not reached, or `is_checked` and the command fails.
    """
    words = ["ssh", *SSH_OPTIONS, address, command]
    try:
        done = subprocess.run(words, input=content, capture_output=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError("a board cannot be reached", where=address, found=str(error)) from error
    if done.returncode and (is_checked or done.returncode == 255):
        found = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        hint = f"ssh {address} true has to work without asking for a password"
        raise BuildError("a board cannot be reached", where=address, found=found, hint=hint)
    return done


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
