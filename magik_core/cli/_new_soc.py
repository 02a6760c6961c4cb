"""The files that `magik new soc` writes; @NAME@, @VALUE@ and @name@ are filled in."""

from __future__ import annotations

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "magik-backend-@dash@"
version = "0.1.0"
description = "@NAME@ for magik"
readme = "README.md"
requires-python = ">=3.10"
dependencies = ["magik-core>=0.1.0"]

[project.entry-points.magik]
@name@ = "magik_backend_@name@"

[tool.hatch.build.targets.wheel]
packages = ["magik_backend_@name@"]
"""

README = """\
# magik-backend-@dash@

`pip install .` makes `magik convert --soc @NAME@` work.

1. Fill in `magik_backend_@name@/soc.py`: memory, alignment, processor, each figure with its source.
2. Write one function per restriction in `magik_backend_@name@/checks.py`.
3. `pytest test_@name@.py`
"""

INIT = '''\
"""@NAME@."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from magik_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from magik_core.soc import SoC


@hookimpl
def register_backends(register: Callable[[SoC], None]) -> None:
    from magik_backend_@name@.soc import @VALUE@

    register(@VALUE@)
'''

SOC = '''\
"""The figures of @NAME@, each with its source."""

from __future__ import annotations

from magik_backend_@name@.checks import tensor_rank
from magik_core.soc import SoC

@VALUE@ = SoC(
    name="@NAME@",
    title="@NAME@",
    memory_bytes=None,  # RAM for model and arena together; None: no limit
    alignment=64,  # bytes, a power of two
    checks=(tensor_rank,),
    sources=("alignment: magik's default, a cache line; uncertain until a manual says otherwise",),
)
'''

CHECKS = '''\
"""What @NAME@ cannot run: one function per restriction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magik_core.soc import check

if TYPE_CHECKING:
    from magik_core.program import Program, Step


@check("*", "tensors have at most {n} axes", n=8, source="magik's runtime; replace it by the chip's manual")
def tensor_rank(program: Program, step: Step, *, n: int) -> str | None:
    ranks = {name: len(program.tensors[name].shape) for name in (*step.inputs, *step.outputs)}
    return next((f"{name} has {rank} axes" for name, rank in ranks.items() if rank > n), None)
'''

TEST = '''\
"""@NAME@ keeps the contract of an SoC."""

from magik_backend_@name@.soc import @VALUE@
from magik_core import plugins, soc_contract


def test_contract() -> None:
    assert soc_contract.broken(@VALUE@) == ()


def test_installed() -> None:
    assert plugins.load().soc("@NAME@") is @VALUE@
'''


def files(name: str) -> dict[str, str]:
    """Paths inside the plugin's folder, and their texts."""
    package = f"magik_backend_{name.lower()}"
    texts = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        f"test_{name.lower()}.py": TEST,
        f"{package}/__init__.py": INIT,
        f"{package}/soc.py": SOC,
        f"{package}/checks.py": CHECKS,
        f"{package}/py.typed": "",
    }
    return {path: _fill(text, name) for path, text in texts.items()}


def _fill(text: str, name: str) -> str:
    low = name.lower()
    fields = {"@NAME@": name, "@VALUE@": name.upper(), "@name@": low, "@dash@": low.replace("_", "-")}
    for field, value in fields.items():
        text = text.replace(field, value)
    return text
