"""What HTML pages are made of: the frame with its style and script, cards, sortable tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources

Cell = tuple[str, float | None]  # a text, and its value where it is a number


class Drawing(str):
    """A cell that is markup already."""


def page(title: str, heading: str, parts: Iterable[str]) -> str:
    """A page that needs no other file."""
    lines = [
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>\n{_asset('html.css')}</style></head><body>",
        f"<h1>{escape(heading)}</h1>",
        *parts,
        f'<div id="tip"></div><script>\n{_asset("html.js")}</script></body></html>\n',
    ]
    return "\n".join(lines)


def _asset(name: str) -> str:
    return (resources.files("magik_core") / name).read_text(encoding="utf-8")


def cards(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A large text and a small one in each."""
    yield '<div class="cards">'
    yield from (f'<div class="card"><b>{escape(big)}</b><span>{escape(small)}</span></div>' for big, small in found)
    yield "</div>"


def table(names: Sequence[str], rows: Iterable[Sequence[Cell]], anchor: str = "") -> Iterator[str]:
    """A sortable table; a cell with a value is a number, and its column is one."""
    filled = list(rows)
    numbers = [value is not None for _, value in filled[0]] if filled else [False] * len(names)
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(_heading(name, is_number) for name, is_number in zip(names, numbers, strict=True))
    yield "</tr></thead><tbody>"
    for i, row in enumerate(filled):
        identity = f' id="{anchor}{i}"' if anchor else ""
        yield f"<tr{identity}>{''.join(_cell(text, value) for text, value in row)}</tr>"
    yield "</tbody></table></div>"


def _heading(name: str, is_number: bool) -> str:
    return f'<th class="number">{escape(name)}</th>' if is_number else f"<th>{escape(name)}</th>"


def _cell(text: str, value: float | None) -> str:
    if isinstance(text, Drawing):
        return f"<td>{text}</td>"
    if value is not None:
        return f'<td class="number" data-value="{number(value)}">{escape(text)}</td>'
    return f'<td class="long">{escape(text)}</td>' if len(text) > 40 else f"<td>{escape(text)}</td>"


def number(value: float) -> str:
    """As the page's script reads it."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(value) if isinstance(value, int) else f"{value:.6g}"
