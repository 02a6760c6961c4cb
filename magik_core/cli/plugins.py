"""magik plugins: what is loaded, from which distribution, and what failed."""

from __future__ import annotations

from dataclasses import asdict

from magik_core import plugins
from magik_core.cli import _console, _options


def command(is_json: _options.Json = False) -> None:
    """List what is installed and what is broken."""
    loaded = plugins.load()
    items = [item for kind in plugins.KINDS for item in loaded.items(kind)]
    failures = loaded.failures
    if is_json:
        found = [{"kind": i.kind, "name": i.name, **asdict(i.source)} for i in items]
        broken = [{**asdict(f.source), "cause": f.cause, "hint": f.hint} for f in failures]
        _console.as_json({"plugins": found, "failures": broken})
        return
    rows = [(i.kind, i.name, f"{i.source.distribution} {i.source.version}".strip()) for i in items]
    _console.table(("kind", "name", "from"), rows)
    if failures:
        _console.data()
        _console.table(("broken", "cause", "remove with"), [(f.source.distribution, f.cause, f.hint) for f in failures])
