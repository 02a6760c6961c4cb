"""Make the plugins of this repository loadable where they are not installed."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from magik_core import plugins

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = sorted(path.parent for path in ROOT.glob("plugins/*/magik_*") if (path / "__init__.py").exists())

for folder in FOLDERS:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def repository() -> plugins.Plugins:
    """What is installed, and every plugin of this repository."""
    points = list(plugins.installed())
    for folder in FOLDERS:
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
