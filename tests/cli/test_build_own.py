"""What a board folder offers for programs of one's own: command lines, messages, and make with the same toolchain."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from magik_core import build, net, toolchain
from tests.cli.test_build import PROGRAM, folders

__all__ = ["folders"]  # a fixture

# ---- a program of one's own ------------------------------------------------------------------------------------

OWN = {
    "own.cc": """#include <stdio.h>
#include "venus.h"
int main(int, char **argv)
{
    std::unique_ptr<magik::venus::BaseNet> net = magik::venus::net_create();
    printf("own: %d\\n", net->load_model(argv[1]));
    return 0;
}
""",
    "own.c": """#include <stdio.h>
#include <stdlib.h>
#include "magik/magik.h"
int main(int argc, char **argv)
{
    static char file[1 << 24];
    FILE *f = fopen(argv[argc - 1], "rb");
    const size_t size = fread(file, 1, sizeof file, f), bytes = magik_net_bytes(file, size);
    struct magik_net *net;
    printf("own: %d\\n", (int)magik_load(&net, file, size, malloc(bytes), bytes, NULL));
    return 0;
}
""",
}


@pytest.mark.parametrize("target", build.TARGETS)
def test_the_readme_compiles_a_program_of_ones_own(folders, target: str, tmp_path: Path) -> None:
    """Each line as it stands there; make prints the same ones."""
    folder = shutil.copytree(folders[target], tmp_path / "board")
    readme = (folder / "README.md").read_text()
    lines = re.findall(r"^    (\S.*)$", readme, re.MULTILINE)
    shown = subprocess.run(["make", "-s", "-C", folder, "flags"], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == lines and len(lines) == (2 if target == "host" else 3)
    for name, text in OWN.items():
        (folder / name).write_text(text)
    for line in lines[:2]:
        for command in (line, *lines[2:]):
            subprocess.run(command, shell=True, cwd=folder, check=True, timeout=300)
        assert target == "host" or toolchain.is_nan2008(folder / "own")
        runner = () if target == "host" else toolchain.qemu()
        done = subprocess.run([*runner, "./own", "digits.bin"], cwd=folder, capture_output=True, text=True, check=True)
        assert "own: 0\n" in done.stdout, done.stderr
        (folder / "own").unlink()


def test_a_kernel_that_is_missing_is_named(folders, tmp_path: Path) -> None:
    from tests.runtime.corpus import entry, nets

    x = np.random.default_rng(5).uniform(-1, 1, (1, 3, 9, 7)).astype(np.float32)
    made = entry(tmp_path / "net", "net", next(iter(nets().values())), {"x": x}, names=False)
    missing = [k for k in net.load(made.model).kernels if k not in net.load(folders["host"] / "digits.bin").kernels]
    command = [folders["host"] / PROGRAM, made.model, made.inputs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = f"the kernel {missing[0]} is not in this library: build the program for this model, or with "
    assert done.returncode == 1 and said + "magik build --ops all\n" in done.stderr


# ---- the toolchain of the Makefile -----------------------------------------------------------------------------


def planned(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """What make would do."""
    variables = {key: value for key, value in os.environ.items() if key not in ("CROSS_COMPILE", "ZIG")}
    command = ["make", "-n", "-B", "-C", folder, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**variables, **(environment or {})}
    ).stdout


def makefile_of(folder: Path, chain: toolchain.Toolchain | None, prefix: str = "", libtype: str = "") -> Path:
    from magik_core import makefile

    folder.mkdir()
    default = makefile.defaults(chain, prefix, libtype)
    (folder / "Makefile").write_text(makefile.text("n", "mips", [makefile.Unit("table.c")], default))
    for name in ("src/table.c", "src/empty.c", "sample.cc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    return folder


def test_make_uses_the_toolchain_of_the_build(tmp_path: Path) -> None:
    from magik_core import makefile

    zig, debian = toolchain.known()["zig"], toolchain.known()["debian"]
    folder = makefile_of(tmp_path / "zig", zig)
    assert "python3 -m ziglang cc -target" in planned(folder) and "lib/musl/libvenus.a" in planned(folder)
    assert "ziglang" not in planned(folder, "CROSS_COMPILE=mipsel-linux-gnu-")
    assert "ziglang" not in planned(folder, environment={"CROSS_COMPILE": "mipsel-linux-gnu-"})
    shown = subprocess.run(["make", "-s", "-C", folder, "flags"], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == list(makefile.own_lines(zig, "musl", "release"))
    assert "/" not in makefile.defaults(zig) and "mipsel-linux-gnu-gcc" in planned(
        makefile_of(tmp_path / "debian", debian)
    )
    given = makefile_of(tmp_path / "given", None, "/opt/x/bin/mips-", "muclibc")
    assert "/opt/x/bin/mips-gcc" in planned(given) and "-muclibc" in planned(given)
    assert "/opt/x" not in planned(given, "ZIG=zig") and makefile.defaults(None) == ""


def test_zig_says_that_it_is_slow(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    real = toolchain.mips()
    monkeypatch.setattr(toolchain, "mips", lambda **_: replace(real, name="ziglang"))
    said: list[str] = []
    build.build(digits, tmp_path / "b", say=said.append)
    assert said == ["zig builds its C library once, this takes minutes"]
