"""The file of bits and ranges per node, which users save, edit and load again.

Source: reference transform-api.md, section 2: an object keyed by node name, `{"QUANT_FEATURE_BIT": 8, "MAX": 1.7,
"MIN": 0}`. QUANT_WEIGHT_BIT is ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from magik_core import config_text
from magik_core.config import NODE_BITS, Config
from magik_core.config_text import show
from magik_core.errors import Problem, UsageError, capped
from magik_core.files import check_outputs, write
from magik_core.missing import hint
from magik_core.program import Program
from magik_core.quantize import values_to_calibrate
from magik_core.quantized import Quantized
from magik_core.recipe import FEATURE_BITS, REAL, WEIGHT_BITS, Choice, Recipe
from magik_core.source import Quantization
from magik_core.weights import has_weights, is_settled, weight_bits

BITS: Mapping[str, tuple[int, ...]] = {"QUANT_FEATURE_BIT": FEATURE_BITS, "QUANT_WEIGHT_BIT": WEIGHT_BITS}
LIMITS = ("MIN", "MAX")


def of_program(
    program: Program, values: Collection[str], quantization: Quantization, widths: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    """What the nodes of a program have, by name in order of execution; a node that is to compute in f32 has 32 bits.

    Args: values: those that have a range of their own: the others follow one of these and are not listed;
        widths: bits of the weights of the nodes that have some.
    """
    found: dict[str, dict[str, float]] = {}
    for step in program.steps:
        y = program.writes(step)[0]
        weights: dict[str, float] = {"QUANT_WEIGHT_BIT": widths[step.name]} if step.name in widths else {}
        is_real = step.name in quantization.float_nodes and step.name not in quantization.rounded_nodes
        q = None if is_real else quantization.codes(y.name)
        if q is None and step.op.kernel(program.reads(step), (y,)).endswith("_f32"):
            found.setdefault(step.name, {"QUANT_FEATURE_BIT": REAL} | ({} if is_real else weights))
        elif q is not None and y.name in values:
            limits = {"MAX": q.scale * (q.top - q.zero_point), "MIN": q.scale * (0 - q.zero_point)}
            found[step.name] = {"QUANT_FEATURE_BIT": q.bits} | weights | limits
    return found


def check_place(settings: Config) -> None:
    """Look at the file's place before anything is done.

    Raises: PackError: SAVE_OP_QUANT_BIT asks for the file, and it cannot be made.
    """
    if settings.save_op_quant_bit:
        check_outputs([Path(NODE_BITS)])


def save(program: Program, ready: Quantized, recipe: Recipe) -> None:
    """Write the file, whole or not at all.

    Raises: PackError: the working directory does not take it.
    """
    values = values_to_calibrate(ready.graph, recipe, ready.imported)
    settled = {n.name for n in ready.graph.graph if has_weights(n) and is_settled(n, ready.quantization)}
    bits = {} if recipe.is_float else weight_bits(ready.graph, recipe)
    widths = {name: b for name, b in bits.items() if b == REAL or name not in settled}
    found = of_program(program, values, ready.quantization, widths)
    write({Path(NODE_BITS): (json.dumps(found, indent=2) + "\n").encode()})


def load(settings: Config) -> dict[str, Choice]:
    """What the file in the working directory says, as LOAD_OP_QUANT_BIT and LOAD_OP_QUANT_MIN_MAX ask for it.

    Raises: UsageError: there is no such file, or everything in it that is wrong, at once.
    """
    if not (settings.load_op_quant_bit or settings.load_op_quant_min_max):
        return {}
    if not Path(NODE_BITS).exists():
        hint = "convert once with SAVE_OP_QUANT_BIT, which writes it"
        raise UsageError(
            "there is no file of bits to load", where=NODE_BITS, need="in the working directory", hint=hint
        )
    found = config_text.read(Path(NODE_BITS))
    problems = [p for node, row in found.items() for p in _problems(node, row)]
    if problems:
        raise UsageError(problems=capped(problems))
    return {node: _choice(f"{NODE_BITS}: {node}", row, settings) for node, row in found.items()}


def updates(loaded: Mapping[str, Choice]) -> list[str]:
    """One line per node of what was loaded, as the vendor's log has it."""
    return [f"update node {name}{_changes(choice)}" for name, choice in loaded.items()]


def _changes(choice: Choice) -> str:
    words = [f" FEATURE_BIT {choice.feature_bits}"] if choice.feature_bits else []
    words += [f" WEIGHT_BIT {choice.weight_bits}"] if choice.weight_bits else []
    words += [f" MIN {choice.range[0]:g} MAX {choice.range[1]:g}"] if choice.range else []
    return "".join(words)


def _choice(where: str, row: Mapping[str, Any], settings: Config) -> Choice:
    limits = (float(row["MIN"]), float(row["MAX"])) if settings.load_op_quant_min_max and "MIN" in row else None
    if not settings.load_op_quant_bit:
        return Choice(range=limits, where=where)
    weight_bits = None if settings.only_features else row.get("QUANT_WEIGHT_BIT")
    return Choice(row.get("QUANT_FEATURE_BIT"), weight_bits, limits, where)


def _problems(node: str, row: Any) -> list[Problem]:
    where = f"{NODE_BITS}: {node}"
    if not isinstance(row, Mapping):
        return [Problem("a node's entry is no object", where, show(row), 'as {"QUANT_FEATURE_BIT": 8}')]
    known = (*BITS, *LIMITS)
    out = [
        Problem("unknown key of a node", where, key, f"one of: {', '.join(known)}", hint(key, known))
        for key in row
        if key not in known
    ]
    for key, allowed in BITS.items():
        if key in row and (type(row[key]) is not int or row[key] not in allowed):
            out.append(
                Problem(f"wrong {key} of a node", where, show(row[key]), f"one of: {', '.join(map(str, allowed))}")
            )
    limits = [row[key] for key in LIMITS if key in row]
    if limits and not (len(limits) == 2 and all(map(_is_number, limits)) and limits[0] < limits[1]):
        out.append(Problem("wrong range of a node", where, show(limits), "numbers MIN and MAX, MIN below MAX"))
    return out


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
