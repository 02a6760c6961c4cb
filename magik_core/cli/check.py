"""magik check MODEL: every blocker, its limit and a way out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from magik_core.cli import _asked, _console, _options

if TYPE_CHECKING:
    from magik_core.legalize import Finding

COLUMNS = ("node", "op", "found")


@_asked.options
def command(
    model: _options.Model,
    asked: _asked.Program,
    is_json: _options.Json = False,
) -> None:
    """Report what keeps a model from running on a chip; exit 1 if anything does.

    A blocker cannot be converted. A notice says what the chip's accelerator would not take.
    """
    chosen, bound = asked.chosen(), asked.bound()
    from magik_core import pipeline

    findings = pipeline.check(model, config=chosen, constants=bound)
    blockers = sum(not finding.is_notice for finding in findings)
    if is_json:
        _console.as_json(
            {
                "model": str(model),
                "soc": chosen.soc,
                "blockers": blockers,
                "notices": len(findings) - blockers,
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        _show(findings)
        found = f"{_console.many(blockers, 'blocker')}, {_console.many(len(findings) - blockers, 'notice')}"
        _console.words(f"{model} on {chosen.soc}: {found}")
    if blockers:
        raise typer.Exit(1)


def _show(findings: tuple[Finding, ...]) -> None:
    """Blockers first; each rule once, with the nodes that break it in the order of the model."""
    rules: dict[tuple[bool, str, str, str], list[Finding]] = {}
    for f in sorted(findings, key=lambda finding: finding.is_notice):
        rules.setdefault((f.is_notice, f.check, f.need, f.hint), []).append(f)
    for (is_notice, check, need, hint), broken in rules.items():
        _console.data(f"{'notice' if is_notice else 'blocker'} {check}: {need}")
        if hint:
            _console.data(f"hint: {hint}")
        _console.table(COLUMNS, [(f.node, f.op, f.found) for f in broken])
        _console.data()
