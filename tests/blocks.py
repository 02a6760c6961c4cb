"""The code blocks of a page: what each is for, and a workspace in which they run in order.

The first word after the fence is the language, the rest says what to do with the block:

    sh                    run by bash in the workspace; `sh exit=1`: and exits with 1; `sh no-run`: only read
    python                run as a script
    LANGUAGE PATH         a file of the repository, which has to contain these lines; otherwise written there
    text output           what the block before printed contains these lines; … stands for anything
    text                  only read
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = {"sh", "python", "c", "cpp", "text", "json"}
FENCE = re.compile(r"^```(\S*)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY_POINT = re.compile(r"^\[project\.entry-points\.magik\]\n(\w+) = \"(\w+)\"", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is its first in the page."""

    page: str
    line: int
    language: str
    purpose: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT))
    return [Block(name, text.count("\n", 0, m.start()) + 2, *m.groups()) for m in FENCE.finditer(text)]


class Workspace:
    """A folder as a reader's: the examples in it, magik and its backends installed, `pip` for folders in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site, tools = folder / "work", folder / "site", folder / "bin"
        for made in (self.folder, self.site, tools):
            made.mkdir()
        shutil.copytree(ROOT / "examples", self.folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        for plugin in sorted((ROOT / "plugins").iterdir()):
            if (plugin / "pyproject.toml").exists():
                install(plugin, self.site)
        run = f'exec "{sys.executable}"'
        scripts = {
            "python": "",
            "magik": "-m magik_core",
            "magik-transform-tools": "-m magik_core.cli._transform_tools",
            "pytest": "-m pytest",
            "pip": f"'{__file__}' '{self.site}'",
        }
        for name, args in scripts.items():
            (tools / name).write_text(f'#!/bin/sh\n{run} {args} "$@"\n')
            (tools / name).chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(self.site), str(ROOT), *filter(None, sys.path)]),
            "NO_COLOR": "1",
        }
        self._printed = ""

    def do(self, block: Block) -> None:
        """Do what a block is for; what goes wrong fails the test with the block's place."""
        assert block.language in LANGUAGES, f"{block}: a block has one of the languages {sorted(LANGUAGES)}"
        if block.purpose == "output":
            self._compare(block)
        elif block.purpose in ("", "no-run") or block.purpose.startswith("exit="):
            if block.language in ("sh", "python") and block.purpose != "no-run":
                self._run(block)
        elif (ROOT / block.purpose).exists():
            assert block.text in (ROOT / block.purpose).read_text(), f"{block}: {block.purpose} has other lines"
        else:
            path = self.folder / block.purpose
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")

    def _run(self, block: Block) -> None:
        command = ["bash", "-e"] if block.language == "sh" else [sys.executable, "-"]
        done = subprocess.run(
            command, input=block.text, cwd=self.folder, env=self._environment, text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        want = int(block.purpose.removeprefix("exit=") or 0)
        assert done.returncode == want, f"{block}: exit code {done.returncode}\n{done.stdout}"
        self._printed = done.stdout

    def _compare(self, block: Block) -> None:
        printed = iter(self._printed.splitlines())
        for wanted in block.text.splitlines():
            assert any(_begins(line, wanted) for line in printed), (
                f"{block}: no line, in this order, begins as {wanted!r}; printed was\n{self._printed}"
            )


def _begins(line: str, wanted: str) -> bool:
    """Whether a line begins with some text, where … stands for anything and one space for any number of them."""
    first, *rest = wanted.lstrip(" ").split("…")
    line = line.lstrip(" ")
    found = _spaced(first).match(line)
    for part in rest:
        found = _spaced(part).search(line, found.end()) if found else None
    return found is not None


def _spaced(text: str) -> re.Pattern[str]:
    """A pattern for text in which any number of spaces may stand for one, but for one at the end."""
    words = [re.escape(word) for word in re.split(" +", text)]
    return re.compile("[ ]+".join(words[:-1]) + ("[ ]" if not words[-1] else "[ ]+") * (len(words) > 1) + words[-1])


def install(folder: Path, site: Path) -> None:
    """What `pip install` of a pure plugin leaves in site-packages, without asking a package index."""
    text = (folder / "pyproject.toml").read_text()
    name, version = (re.search(rf'^{key} = "(.+)"', text, re.MULTILINE)[1] for key in ("name", "version"))  # type: ignore[index]
    for module in folder.glob("*/__init__.py"):
        shutil.copytree(module.parent, site / module.parent.name, dirs_exist_ok=True)
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if point := ENTRY_POINT.search(text):
        (info / "entry_points.txt").write_text(f"[magik]\n{point[1]} = {point[2]}\n")


if __name__ == "__main__":  # as `pip` of a workspace: SITE install FOLDER…
    for item in sys.argv[3:]:
        install(Path(item), Path(sys.argv[1]))
