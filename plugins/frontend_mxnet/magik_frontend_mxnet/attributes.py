"""The attributes of a layer: MXNet writes every value as text, as Python would print it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from magik_frontend_mxnet.refusal import Refusal

NONE = ("None", "null", "")
MAX_INTEGER = 1 << 62
MAX_LENGTH = 4096
INTEGER = re.compile(r"[+-]?\d{1,20}L?")  # Python 2 wrote 3L


class Attributes:
    """Typed views of the texts; what a text is not, it is refused as."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def has(self, name: str) -> bool:
        return self._texts.get(name, "None").strip() not in NONE

    def text(self, name: str, default: str, choices: Sequence[str] = ()) -> str:
        found = self._texts[name].strip() if self.has(name) else default
        if choices and found not in choices:
            raise Refusal("an attribute has a value that is not supported", f"{name} {found}", f"{_any_of(choices)}")
        return found

    def flag(self, name: str, default: bool) -> bool:
        return self.text(name, str(default), ("True", "False", "1", "0", "true", "false")).lower() in ("true", "1")

    def number(self, name: str, default: float | None = None) -> float:
        found = self._text(name, default)
        try:
            value = float(found)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise self._wrong(name, "a number")
        return value

    def integer(self, name: str, default: int | None = None, least: int = -MAX_INTEGER, most: int = MAX_INTEGER) -> int:
        found = self._text(name, default)
        if not INTEGER.fullmatch(found) or not least <= (value := _integer(found)) <= most:
            bounds = "" if least == -MAX_INTEGER else f" from {least} to {most}"
            raise self._wrong(name, f"an integer{bounds}")
        return value

    def integers(self, name: str, default: Sequence[int] | None = None, least: int = -MAX_INTEGER) -> list[int]:
        """A tuple, or a single integer as a list of one."""
        found = self.optional_integers(name) if self.has(name) else default
        if found is None or any(n is None or n < least for n in found):
            raise self._wrong(name, "integers" if least == -MAX_INTEGER else f"integers of {least} or more")
        return [n for n in found if n is not None]

    def optional_integers(self, name: str) -> list[int | None]:
        """As `integers`, where each may be None; empty where there is no such attribute."""
        if not self.has(name):
            return []
        inner = self._texts[name].strip().strip("()[]").strip().rstrip(",")
        parts = [part.strip() for part in inner.split(",")] if inner.strip() else []
        if len(parts) > MAX_LENGTH or not all(part in NONE[:1] or INTEGER.fullmatch(part) for part in parts):
            raise self._wrong(name, "integers")
        return [None if part in NONE else _integer(part) for part in parts]

    def _text(self, name: str, default: object) -> str:
        if not self.has(name) and default is None:
            raise Refusal("an attribute is missing", name, "a value of it")
        return self._texts[name].strip() if self.has(name) else str(default)

    def _wrong(self, name: str, need: str) -> Refusal:
        return Refusal("an attribute is damaged", f"{name} {self._texts.get(name, 'is missing')[:80]}", need)


def _integer(text: str) -> int:
    return max(-MAX_INTEGER - 1, min(int(text.rstrip("L")), MAX_INTEGER + 1))


def _any_of(choices: Sequence[str]) -> str:
    return choices[0] if len(choices) == 1 else "one of: " + ", ".join(choices)
