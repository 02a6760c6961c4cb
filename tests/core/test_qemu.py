"""Counting instructions under QEMU: exact, the same each time, and refused with words where it cannot be done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magik_core import qemu, toolchain
from magik_core.errors import BuildError
from magik_core.kernels import Source
from magik_core.toolchain import Toolchain

LOOP = """
#include <stdlib.h>
#include <unistd.h>
#include "count.h"
static void turn(int n)
{
    __asm__ volatile(".set noreorder\\n1: bnez %0, 1b\\n addiu %0, %0, -1\\n.set reorder" : "+r"(n));
}
int main(int argc, char **argv)
{
    for (int pair = 0; pair < 3; pair++) {
        close(COUNT_MARK);
        if (pair > 0)
            turn(atoi(argv[pair]));
        close(COUNT_MARK);
    }
    return argc > 3 ? atoi(argv[3]) : 0;
}
"""


@pytest.fixture(scope="module")
def chain() -> Toolchain:
    return toolchain.mips()


@pytest.fixture(scope="module")
def program(chain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loop")
    (folder / "loop.c").write_text(LOOP)
    objects = toolchain.compile_all(chain, [Source(folder / "loop.c")], folder, [f"-I{qemu.TOOLS}"])
    return toolchain.link(chain, objects, folder / "loop")


def test_a_turn_more_is_two_instructions_more(chain: Toolchain, program: Path) -> None:
    few, many = (qemu.instructions(chain, program, "1000", n) for n in ("1000", "9000"))
    assert many - few == 2 * 8000


def test_marks_are_exact_and_the_same_each_time(chain: Toolchain, program: Path) -> None:
    first, again = (qemu.counted(chain, program, "1000", "5000") for _ in range(2))
    assert first.between[1] - first.between[0] == 2 * 4000
    assert 2000 <= first.between[0] < 2200  # the loop, and the call of atoi
    assert (first.between, first.end) == (again.between, again.end)


def test_a_program_that_fails_is_an_error(chain: Toolchain, program: Path) -> None:
    with pytest.raises(BuildError, match="a program failed while it was counted"):
        qemu.instructions(chain, program, "1", "1", "3")


def test_a_program_of_this_machine_is_refused(program: Path) -> None:
    with pytest.raises(BuildError, match="only MIPS programs are counted"):
        qemu.instructions(toolchain.host(), program)


def test_no_qemu(chain: Toolchain, program: Path) -> None:
    with pytest.raises(BuildError) as caught:
        qemu.instructions(replace(chain, runner=()), program)
    assert caught.value.problems[0].what == "nothing here runs MIPS programs"
    assert caught.value.problems[0].hint == "apt install qemu-user"


def test_a_qemu_without_plugins(chain: Toolchain, program: Path, tmp_path: Path) -> None:
    static = tmp_path / "qemu-mipsel-static"
    static.write_text("#!/bin/sh\necho \"$0: unknown option 'plugin'\" >&2\nexit 1\n")
    static.chmod(0o755)
    with pytest.raises(BuildError) as caught:
        qemu.instructions(replace(chain, runner=(str(static),)), program)
    (problem,) = caught.value.problems
    assert problem.what == "this QEMU cannot count" and "unknown option" in problem.found
    assert problem.hint == "apt install qemu-user: the static build takes no plugins"


def test_no_compiler_for_the_plugin(
    chain: Toolchain, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        qemu.instructions(chain, program)
    assert caught.value.problems[0].need == "gcc and g++, or clang"


def test_a_compiler_that_refuses_the_plugin(
    chain: Toolchain, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = tmp_path / "cc"
    cc.write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n")
    cc.chmod(0o755)
    monkeypatch.setattr(toolchain, "host", lambda: replace(chain, cc=(str(cc),)))
    with pytest.raises(BuildError, match="the compiler refuses a file") as caught:
        qemu.instructions(chain, program)
    assert caught.value.problems[0].found == "no such thing"
