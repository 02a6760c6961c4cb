"""Read an exported program, `.pt2`: first what in it would run code, then, if nothing would, all of it.

torch.export.load unpickles whatever an archive marks as pickled, loads compiled libraries, and evaluates the
expressions of open sizes as Python. Each of these is looked for here, in names and JSON, and refused.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from magik_core.errors import MagikError, ModelError, Problem
from magik_frontend_torch import archive
from magik_frontend_torch.capture import said
from magik_frontend_torch.quiet import quiet

MOST_JSON_BYTES = 256 << 20
MOST_ELEMENTS = 1 << 28
COMPILED = ("data/aotinductor/", "data/executorch/", "data/mtia/")
OBJECTS = ("custom_obj", "opaque_obj")
TARGET = re.compile(r"torch\.ops\.\w+\.\w+(\.\w+)?|torch\.(_sym|sym)_\w+|(_operator|math)\.\w+")
CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
FUNCTIONS = re.compile(r"[A-Z][A-Za-z]*")  # of sympy and torch: Symbol, Add, FloorDiv; none that reads a file
FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch's own switch: no object is unpickled, whoever asks


def read(path: Path, allow_pickle: bool = False) -> ExportedProgram:
    """Read a program.

    Raises: ModelError: it would run code and is not vouched for, all such places; or it is damaged.
    """
    opened = archive.open_archive(path)
    if not allow_pickle:
        problems = list(_dangers(opened))
        if problems:
            raise ModelError(problems=problems)
    try:
        with quiet(), contextlib.nullcontext() if allow_pickle else _weights_only():
            program = torch.export.load(path)
    except Exception as error:  # torch raises what it likes here, sympy and json too
        raise _unreadable(path, error) from None
    if not allow_pickle and hasattr(program, "_guards_code"):
        program._guards_code = []  # Python that a guarded module would run
    return program


def _dangers(opened: archive.Archive) -> Iterator[Problem]:
    """Everything in an archive that would run code when it is read."""
    where = str(opened.path)
    need, hint = "a program of operators and weights", "if you trust the file, pass --allow-pickle"
    found = [*_entries(opened), *(place for name in _documents(opened) for place in _places(_parse(opened, name)))]
    for what, place in dict.fromkeys(found):
        yield Problem(what, where, place, need, hint)


def _entries(opened: archive.Archive) -> Iterator[tuple[str, str]]:
    for name in opened.sizes:
        if name.startswith(COMPILED):
            yield "the program holds compiled code", name
        if name.rpartition("/")[2].startswith(OBJECTS):
            yield "the program holds pickled objects, and a pickle may run any code", name


def _documents(opened: archive.Archive) -> list[str]:
    return [name for name in opened.sizes if name.endswith(".json")]


def _parse(opened: archive.Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(opened, name, MOST_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise archive.damaged(opened.path, f"{name}: {error}", "JSON") from None


def _places(found: Any) -> Iterator[tuple[str, str]]:
    """Whatever in a document would run code, at any depth."""
    waiting = [found]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        if not isinstance(item, dict):
            continue
        waiting += item.values()
        yield from _item_places(item)


def _item_places(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if item.get("use_pickle"):
        yield "the program holds pickled objects, and a pickle may run any code", str(item.get("path_name"))
    if "target" in item and "metadata" in item and not TARGET.fullmatch(str(item["target"])):
        yield "the program calls something that is no operator", str(item["target"])[:80]
    if "expr_str" in item and not _is_expression(item["expr_str"]):
        yield "the program holds an expression that may run any code", str(item["expr_str"])[:80]
    for key in ("in_spec", "out_spec"):
        if isinstance(item.get(key), str) and item[key] and not _is_plain_spec(item[key]):
            yield "the program's arguments are of a kind that may run any code", str(item[key])[:80]
    sizes = item.get("sizes")
    if isinstance(sizes, list) and "strides" in item and _count(sizes) > MOST_ELEMENTS:
        yield "a tensor of the program is too large", f"{_count(sizes)} elements"


def _count(sizes: list[Any]) -> int:
    product = 1
    for size in sizes:
        number = size.get("as_int") if isinstance(size, dict) else None
        product *= number if isinstance(number, int) else 1
    return product


def _is_expression(text: Any) -> bool:
    """Whether a text is what sympy writes: calls of its classes on numbers and names of sizes."""
    if not isinstance(text, str) or len(text) > 4000:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_safe(node) for node in ast.walk(tree)) and text.count("Pow") <= 4 and "**" not in text


def _is_safe(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name)
    if isinstance(node, ast.Name):
        return bool(FUNCTIONS.fullmatch(node.id) or re.fullmatch(r"[suz]+\d+", node.id))
    if isinstance(node, ast.Constant):
        is_name = isinstance(node.value, str) and re.fullmatch(r"[a-z]+\d+|-?\d+(\.\d+)?", node.value)
        return bool(is_name) or isinstance(node.value, (bool, int, float, type(None)))
    operators = (ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub)
    return isinstance(node, (ast.Expression, ast.keyword, ast.Load, *operators))


def _is_plain_spec(text: str) -> bool:
    """Whether arguments are nested in tuples, lists and dicts alone; others name classes to import."""
    try:
        waiting = [json.loads(text)[1]]
        while waiting:
            item = waiting.pop()
            context = json.loads(item["context"]) if isinstance(item["context"], str) else item["context"]
            keys = context if isinstance(context, list) else [context]
            if item["type"] not in CONTAINERS or not all(isinstance(k, (str, int, type(None))) for k in keys):
                return False
            waiting += item["children_spec"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return False
    return True


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before


def _unreadable(path: Path, error: Exception) -> MagikError:
    return ModelError(
        "the exported program cannot be read",
        where=str(path),
        found=f"{type(error).__name__}: {said(error)}",
        need=f"a program that torch {torch.__version__.partition('+')[0]} reads",
        hint="export it again with the torch that is installed here",
    )
