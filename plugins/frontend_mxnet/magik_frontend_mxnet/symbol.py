"""The JSON graph that MXNet saves, every version of it, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magik_core.errors import ModelError, Problem, short

VARIABLE = "null"  # the operator of inputs and parameters
ATTRIBUTES = ("attr", "param", "attrs")  # by age; until 0.9 a node had the first two
Output = tuple[int, int]  # index of a node, index of its output


@dataclass(frozen=True)
class Node:
    """One node: a layer, or a variable where `op` is "null"."""

    name: str
    op: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class Symbol:
    """A graph; every input of a node is an output of an earlier one."""

    nodes: tuple[Node, ...]
    heads: tuple[Output, ...]


def parse(text: bytes, path: Path) -> Symbol:
    """Read a symbol.

    Raises: ModelError: the text is no JSON, or no graph; all that is wrong with the graph at once.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        found = short(error) if isinstance(error, ValueError) else "brackets nested too deeply"
        raise ModelError("the symbol is no JSON, or truncated", where=str(path), found=found) from None
    nodes = data.get("nodes") if isinstance(data, dict) else None
    heads = data.get("heads") if isinstance(data, dict) else None
    if not isinstance(nodes, list) or not isinstance(heads, list):
        need = 'an object with lists "nodes" and "heads"'
        raise ModelError("the file is no MXNet symbol", where=str(path), need=need)
    problems: list[Problem] = []
    found_nodes = tuple(_node(item, index, path, problems) for index, item in enumerate(nodes))
    found_heads = tuple(_outputs(heads, len(nodes), f"the heads of {path.name}", problems))
    if not problems and not found_heads:
        problems.append(Problem("the symbol has no outputs", str(path), '"heads" is empty'))
    if problems:
        raise ModelError(problems=problems)
    return Symbol(found_nodes, found_heads)


def _node(item: Any, index: int, path: Path, problems: list[Problem]) -> Node:
    item = item if isinstance(item, dict) else {}
    name, op, inputs = item.get("name"), item.get("op"), item.get("inputs")
    if not isinstance(name, str) or not isinstance(op, str) or not isinstance(inputs, list) or not op:
        need = 'a text "name", a text "op" and a list "inputs"'
        problems.append(Problem("a node of the symbol is damaged", f"node {index} of {path.name}", need=need))
        return Node("", VARIABLE)
    where = f"{short(op)} '{short(name)}' in {path.name}"
    attrs = {key: value for part in ATTRIBUTES for key, value in _texts(item.get(part), where, problems).items()}
    return Node(name, op, attrs, tuple(_outputs(inputs, index, where, problems)))


def _texts(found: Any, where: str, problems: list[Problem]) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        problems.append(Problem("the attributes of a node are damaged", where, need="an object of texts"))
        return {}
    return found


def _outputs(items: list[Any], limit: int, where: str, problems: list[Problem]) -> list[Output]:
    """Read references [node, output] or [node, output, version] to nodes before `limit`."""
    out = []
    for item in items:
        pair = item[:2] if isinstance(item, list) else []
        if len(pair) != 2 or not all(type(n) is int and n >= 0 for n in pair) or pair[0] >= limit:
            need = f"[node, output] of one of the {limit} nodes before it"
            problems.append(Problem("an input is defined nowhere before it is used", where, str(item)[:80], need))
        else:
            out.append((pair[0], pair[1]))
    return out
