"""Run one C++ client on this machine, under sanitizers and as a MIPS program: the same output or a failure."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from magik_core import toolchain
from magik_core.kernels import Source
from magik_core.toolchain import RUNTIME, Toolchain
from tests.runtime.boards import CHAINS, CLIENTS, STRICT, chain_of


@dataclass
class Boards:
    """Toolchains with a library of some sources of the C++ API each; clients are linked when first run.

    Args: folder: for what is built; parts: patterns of names in runtime/cxx/src.
    """

    folder: Path
    parts: Collection[str]
    chains: dict[str, Toolchain] = field(default_factory=dict)
    libraries: dict[str, Path] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.chains = {
            name: toolchain.with_flags(chain, *flags) for name in CHAINS for chain, flags in [chain_of(name)]
        }
        files = sorted({p for part in self.parts for p in (RUNTIME / "cxx" / "src").glob(part)})
        for name, chain in self.chains.items():
            objects = toolchain.compile_all(chain, [Source(p) for p in files], self.folder / name, STRICT)
            self.libraries[name] = toolchain.archive(chain, objects, self.folder / name / "libparts.a")

    def program(self, client: str, name: str) -> Path:
        """The client `client` for the machine `name`."""
        out = self.folder / name / client
        if not out.exists():
            chain = self.chains[name]
            objects = toolchain.compile_all(chain, [Source(CLIENTS / f"{client}.cc")], self.folder / name, STRICT)
            toolchain.link(chain, [*objects, self.libraries[name]], out)
        return out

    def one(self, client: str, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        done = toolchain.run(self.chains[name], self.program(client, name), *words)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return done

    def run(self, client: str, *words: object) -> tuple[str, bytes]:
        """Standard output and the file that the word OUT stands for, which all machines must agree on."""
        self.count += 1
        found = {}
        for name in self.chains:
            out = self.folder / name / f"{self.count}.bin"
            done = self.one(client, name, *(str(out) if w == "OUT" else str(w) for w in words))
            found[name] = (done.stdout, out.read_bytes() if out.exists() else b"")
        assert found["host"] == found["sanitized"] == found["mips"]
        return found["host"]
