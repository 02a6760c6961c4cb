"""Make the plugins of this repository loadable where they are not installed."""

from __future__ import annotations

import os
import sys
from collections import Counter
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import settings

from magik_core import plugins

# TensorFlow's own kernels cannot all that Keras says: oneDNN is on by default on some CPUs alone.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = sorted(path.parent for path in ROOT.glob("plugins/*/magik_*") if (path / "__init__.py").exists())
POINTS = [f for f in FOLDERS if "[project.entry-points.magik]" in (f / "pyproject.toml").read_text()]  # with hooks

# what a run draws is the same every time; `pytest --hypothesis-profile=long` draws anew, and more
settings.register_profile("short", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=2000, deadline=None)
settings.load_profile("short")

for folder in FOLDERS:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def repository() -> plugins.Plugins:
    """What is installed, and every plugin of this repository."""
    points = list(plugins.installed())
    for folder in POINTS:
        package = next(folder.glob("magik_*/__init__.py")).parent.name
        if package not in [point.value for point in points]:
            points.append(EntryPoint(folder.name, package, plugins.GROUP))
    return plugins.Plugins(points)


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> plugins.Plugins:
    """`plugins.load()` for one test: as `repository`."""
    loaded = repository()
    monkeypatch.setattr(plugins, "load", lambda: loaded)
    return loaded


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count by title what tests recorded as "counted": (title, "passed", "failed" or "kind: reason")."""
    titles: dict[str, Counter[str]] = {}
    for kind in ("passed", "failed"):
        for report in terminalreporter.stats.get(kind, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "counted" and report.when == "call":
                    titles.setdefault(value[0], Counter())[value[1]] += 1
    for title, counts in titles.items():
        heads = Counter({"passed": 0, "refused": 0, "failed": 0})
        for outcome, n in counts.items():
            heads[outcome.partition(":")[0]] += n
        terminalreporter.section(title)
        terminalreporter.write_line(", ".join(f"{n} {head}" for head, n in heads.items()))
        for outcome, n in sorted(counts.items()):
            if ":" in outcome:
                terminalreporter.write_line(f"{n:5} {outcome}")
