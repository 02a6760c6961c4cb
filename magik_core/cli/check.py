"""magik check MODEL: every blocker, its limit and a way out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from magik_core.cli import _console, _options

if TYPE_CHECKING:
    from magik_core.legalize import Finding

COLUMNS = ("node", "op", "found")


def command(
    model: _options.Model,
    soc: _options.Soc = None,
    config: _options.ConfigFile = None,
    inputs: _options.Inputs = None,
    input_shape: _options.Shape = None,
    outputs: _options.Outputs = None,
    states: _options.States = None,
    feature_bits: _options.FeatureBits = None,
    weight_bits: _options.WeightBits = None,
    skip_nodes: _options.SkipNodes = None,
    skip_ops: _options.SkipOps = None,
    sets: _options.Set = None,
    constants: _options.Constants = None,
    frontend: _options.Frontend = None,
    frontend_options: _options.FrontendOptions = None,
    factory: _options.Factory = None,
    allows_pickle: _options.AllowPickle = False,
    is_json: _options.Json = False,
) -> None:
    """Report what keeps a model from running on a chip; exit 1 if anything does.

    A blocker cannot be converted. A notice says what the chip's accelerator would not take.
    """
    keys = {"SOC": soc, "INPUT": inputs, "INPUT_SHAPE": input_shape, "OUTPUT": outputs, "FRONTEND": frontend}
    keys |= _options.precision(feature_bits, weight_bits, skip_nodes, skip_ops)
    chosen = _options.config(config, sets, states, **keys)
    chosen = _options.with_frontend_options(chosen, frontend_options, factory, allows_pickle)
    bound = _options.constants(constants)
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
