"""magik doctor: a compiler counts only when it links a program that then runs."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from magik_core import toolchain


def states(out: str) -> dict[str, tuple[str, str, str]]:
    return {item["name"]: (item["state"], item["found"], item["hint"]) for item in json.loads(out)}


def test_compilers_that_work(magik) -> None:
    found = states(magik("doctor", "--json").out)
    assert found["compiler for this machine"][0] == found["compiler for MIPS"][0] == "ok", found
    assert (
        found["instruction counter"][0] == "ok" and "instructions of a small program" in found["instruction counter"][1]
    )


def fake(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that stand before the system's."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CROSS_COMPILE", raising=False)
    return tmp_path / "bin"


def test_a_compiler_that_cannot_link_is_not_good(magik, tools: Path) -> None:
    """As Debian's without libc6-dev-mipsel-cross: it compiles, and finds no C library."""
    real = toolchain.mips().cxx[0]

    path = shutil.which(real)
    fake(tools, real, f'case "$*" in *" -c "*) exec {path} "$@";; esac; echo "ld: cannot find -lc" >&2; exit 1')
    done = magik("doctor", "--json")
    state, found, hint = states(done.out)["compiler for MIPS"]
    assert (done.code, state) == (0, "missing")
    assert found == "the compiler refuses a file: ld: cannot find -lc" and "libc6-dev-mipsel-cross" in hint


def test_a_program_that_does_not_run_is_not_good(magik, tools: Path) -> None:
    fake(tools, "qemu-mipsel", "exit 1")
    state, found, _ = states(magik("doctor", "--json").out)["compiler for MIPS"]
    assert state == "missing" and "a program that it made prints '', not 42" in found


def test_without_qemu(magik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "qemu", lambda: ())
    found = states(magik("doctor", "--json").out)
    assert found["compiler for MIPS"][:2] == ("ok", "mipsel-linux-gnu; no qemu-mipsel runs its programs")
    assert found["instruction counter"][0] == "missing"


def test_zig_says_that_it_is_slow(magik, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "zig builds" not in magik("doctor", "--json").err
    real = toolchain.mips()
    monkeypatch.setattr(toolchain, "mips", lambda: replace(real, name="ziglang"))
    assert "zig builds its C library once, this takes minutes\n" in magik("doctor", "--json").err
